"""A Tars server over asyncio: servants on ports, with the limits of a real server's adapter.

Requests queue until one of ``threads`` handlers is free, as in TarsCpp, though all of it runs in
one thread: a handler that returns at once never waits, async ones take a place each.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from lab.tars.errors import MalformedTars
from lab.tars.framing import MAX_FRAME, FrameSplitter
from lab.tars.packets import Dialect, RequestPacket, push
from lab.tars.serving import (
    INVOKE_TIMEOUT,
    OVERLOAD,
    QUEUE_TIMEOUT,
    Call,
    Dispatcher,
    Peer,
    Servant,
)

_log = logging.getLogger(__name__)

#: What a peer may leave unread before its connection is ended, bytes.
_UNREAD = 64 * 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Of one adapter; the defaults are TarsCpp's.

    ``queuecap``: requests that wait. When a read finds more than 80 % of it waiting, its
    requests are answered -9 in their turn, above 100 % never (at exactly 100 % they are served,
    as recorded). ``queue_timeout_s``: who waited longer is answered -6, as is who waited longer
    than its own iTimeout. ``handler_timeout_s``: a handler past it is cancelled and its call
    answered -7; None, as real servers do, lets it answer late.
    """

    max_connections: int = 1024
    threads: int = 5
    queuecap: int = 10240
    queue_timeout_s: float = 60.0
    handler_timeout_s: float | None = None
    max_frame: int = MAX_FRAME

    def admission(self, waiting: int) -> Admission:
        """What becomes of requests that come when ``waiting`` are in the queue."""
        if self.queuecap <= 0:
            return Admission.TAKEN
        if self.queuecap * 4 // 5 < waiting < self.queuecap:
            return Admission.OVERLOADED
        return Admission.DROPPED if waiting > self.queuecap else Admission.TAKEN


class Admission(Enum):
    TAKEN = "taken"
    OVERLOADED = "answered -9"
    DROPPED = "dropped"


class _Waiting(NamedTuple):
    call: Call
    since: float
    overloaded: bool


@dataclass
class Counts:
    """What an adapter has done since it was opened."""

    connections: int = 0
    refused_connections: int = 0
    requests: int = 0
    overloaded: int = 0
    dropped: int = 0
    queue_timeouts: int = 0


class _Connection(asyncio.Protocol):
    """One peer; `serving.Peer`."""

    def __init__(self, adapter: Adapter) -> None:
        self.host = ""
        self._adapter = adapter
        self._splitter = FrameSplitter(max_frame=adapter.limits.max_frame)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._reading = False
        self._on_close: list[Callable[[], None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.host = transport.get_extra_info("peername")[0]
        if not self._adapter.welcome(self):
            transport.abort()
            return
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._adapter.gone(self)
        for told in self._on_close:
            told()

    def data_received(self, data: bytes) -> None:
        try:
            packets = [RequestPacket.from_frame(frame) for frame in self._splitter.feed(data)]
        except MalformedTars as error:
            _log.warning("%s: %s", self.host, error)
            self._adapter.garbage_from(self)
            return
        self._reading = True
        self._adapter.arrived([Call(packet, self) for packet in packets])
        self._reading = False
        self.flush()

    def send(self, frame: bytes) -> None:
        """Answers to one read, or of one turn of the loop, leave in one write."""
        if not self._out and not self._reading:
            asyncio.get_running_loop().call_soon(self.flush)
        self._out.append(frame)

    def flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
            if self._transport.get_write_buffer_size() > _UNREAD:
                self._transport.abort()
        self._out.clear()

    def push(self, function: str, body: bytes) -> None:
        self.send(push(function, body).to_frame())

    def on_close(self, told: Callable[[], None]) -> None:
        self._on_close.append(told)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def end(self) -> None:
        """Close when what was answered has left."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def stop_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()


class Adapter:
    """One port: its connections, its queue, its handlers under way."""

    def __init__(self, dispatcher: Dispatcher, limits: Limits) -> None:
        self.dispatcher = dispatcher
        self.limits = limits
        self.counts = Counts()
        self.address: tuple[str, int] = ("", 0)
        self._queue: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 is one that is free, `address` has it. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        # TCP_NODELAY is asyncio's own default on every stream.
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=512)
        self.address = self._server.sockets[0].getsockname()[:2]

    def welcome(self, connection: _Connection) -> bool:
        """Whether one more connection is within the limit."""
        if len(self._connections) >= self.limits.max_connections:
            self.counts.refused_connections += 1
            return False
        self._connections.add(connection)
        self.counts.connections += 1
        return True

    def garbage_from(self, peer: Peer) -> None:
        """Bytes that are no Tars: the peer's connection is ended, others live on."""
        peer.abort()

    def abort_all(self) -> None:
        """End every connection at once."""
        for connection in list(self._connections):
            connection.abort()

    def gone(self, connection: _Connection) -> None:
        self._connections.discard(connection)

    def arrived(self, calls: list[Call]) -> None:
        """Queue what one read has brought, and serve what can be served."""
        admission = self.limits.admission(len(self._queue))
        self.counts.requests += len(calls)
        if admission is Admission.DROPPED:
            self.counts.dropped += len(calls)
            return
        now = asyncio.get_running_loop().time()
        overloaded = admission is Admission.OVERLOADED
        self._queue.extend(_Waiting(call, now, overloaded) for call in calls)
        self._serve()

    def _serve(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._queue and len(self._running) < self.limits.threads:
            call, since, overloaded = self._queue.popleft()
            if overloaded:
                self.counts.overloaded += 1
                self._send(call, self.dispatcher.refuse(call, OVERLOAD))
            elif now - since > self._patience(call):
                self.counts.queue_timeouts += 1
                self._send(call, self.dispatcher.refuse(call, QUEUE_TIMEOUT))
            else:
                answer = self.dispatcher.begin(call)
                if answer is None or isinstance(answer, bytes):
                    self._send(call, answer)
                else:
                    task = asyncio.ensure_future(self._handle(call, answer))
                    self._running.add(task)
                    task.add_done_callback(self._handled)

    def _patience(self, call: Call) -> float:
        """How long a call may wait in the queue, seconds; an iTimeout of 0 or less is none."""
        own = call.packet.timeout_ms / 1000
        return min(own, self.limits.queue_timeout_s) if own > 0 else self.limits.queue_timeout_s

    async def _handle(self, call: Call, answer: Awaitable[bytes | None]) -> None:
        try:
            async with asyncio.timeout(self.limits.handler_timeout_s):
                frame = await answer
        except TimeoutError:
            frame = self.dispatcher.refuse(call, INVOKE_TIMEOUT, "the handler ran out of time")
        self._send(call, frame)

    def _handled(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._serve()

    def _send(self, call: Call, frame: bytes | None) -> None:
        if frame is not None:
            call.peer.send(frame)

    async def close(self, grace_s: float) -> None:
        """Accept nothing more, answer what is here for ``grace_s`` at most, then end all."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            connection.stop_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._running:
                    await asyncio.wait(self._running)
        self._queue.clear()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for connection in list(self._connections):
            connection.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(grace_s, 0.1)):
                await self._server.wait_closed()
        self.abort_all()


class TarsServer:
    """Servants, on as many ports as are wanted.

    server = TarsServer({"App.Server.Obj": servant})
    host, port = await server.listen("127.0.0.1")
    ...
    await server.close()
    """

    def __init__(
        self, servants: Mapping[str, Servant], *, dialect: Dialect = Dialect.TARSCPP
    ) -> None:
        self._dispatcher = Dispatcher(servants, dialect=dialect)
        self.adapters: list[Adapter] = []

    async def listen(
        self,
        host: str,
        port: int = 0,
        *,
        limits: Limits | None = None,
        dispatcher: Dispatcher | None = None,
    ) -> tuple[str, int]:
        """Open a port for all servants, or for another dispatcher's; returns where it listens."""
        adapter = Adapter(dispatcher or self._dispatcher, limits or Limits())
        await adapter.open(host, port)
        self.adapters.append(adapter)
        return adapter.address

    async def close(self, *, grace_s: float = 3.0) -> None:
        """End gracefully: what was asked before is still answered, for ``grace_s`` at most."""
        await asyncio.gather(*(adapter.close(grace_s) for adapter in self.adapters))
        self.adapters.clear()

    async def __aenter__(self) -> TarsServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
