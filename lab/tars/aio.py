"""Calls over asyncio: any number at once on one connection, by the core that `client` has, too.

`aio_communicator` calls objects by their names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from tarsio import Struct

from lab.tars.body import Empty, Function
from lab.tars.client import DEFAULT_TIMEOUT_S, PING, Address
from lab.tars.connection import Answered, Connection
from lab.tars.encodings import decode_results, encode_arguments
from lab.tars.errors import (
    ConnectFailed,
    ConnectionLost,
    MalformedTars,
    NoAnswer,
    TarsError,
)
from lab.tars.framing import MAX_FRAME
from lab.tars.packets import ResponsePacket, Version

A = TypeVar("A", bound=Struct)
R = TypeVar("R", bound=Struct)


class AsyncCaller(Protocol):
    """What calls a servant by its name: `AsyncTarsClient`, `AsyncCommunicator`."""

    async def call(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        timeout: float | None = None,
        context: Mapping[str, str] | None = None,
        version: int = Version.TARS,
    ) -> bytes:
        """Call and wait for the answer's body."""


class AsyncTarsClient:
    """A client of one endpoint: connects when first needed, and again when it was cut off.

    Any number of tasks may call at once; requests and answers share the connection. ``timeout``
    (s) is for each call that names none, connecting included; it also travels as iTimeout.
    ``on_push`` gets what the server sends unasked. Belongs to one event loop.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_push: Callable[[ResponsePacket], None] | None = None,
        max_frame: int = MAX_FRAME,
    ) -> None:
        self.address = Address(*address)
        self.timeout = timeout
        #: Of all that was called, headers included.
        self.sent_bytes = 0
        self._on_push = on_push
        self._connection = Connection(str(self.address), max_frame=max_frame)
        self._waiting: dict[int, asyncio.Future[ResponsePacket]] = {}
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def late(self) -> int:
        """How many answers came when nobody waited for them any more, and were dropped."""
        return self._connection.late

    async def call(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        timeout: float | None = None,
        context: Mapping[str, str] | None = None,
        version: int = Version.TARS,
    ) -> bytes:
        """Call and wait for the answer's body; raises as `TarsClient.call` does."""
        loop = asyncio.get_running_loop()
        timeout = self.timeout if timeout is None else timeout
        now = loop.time()
        line = await self._ready(now + timeout)
        sent, frame = self._connection.request(
            servant, function, body, now=now, timeout=timeout, context=context, version=version
        )
        answer = loop.create_future()
        self._waiting[sent.request_id] = answer
        self._watch(sent.deadline)
        self.sent_bytes += len(frame)
        line.write(frame)
        try:
            return sent.body_of(await answer)
        finally:
            if self._waiting.pop(sent.request_id, None):
                self._connection.give_up(sent.request_id)

    async def send_one_way(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Send a request that is never answered; whether it arrived stays unknown."""
        deadline = asyncio.get_running_loop().time() + self.timeout
        line = await self._ready(deadline)
        frame = self._connection.one_way(servant, function, body, context=context)
        self.sent_bytes += len(frame)
        line.write(frame)

    async def connect(self) -> None:
        """Connect now, to hear what the server pushes; raises `ConnectFailed`."""
        await self._connected(asyncio.get_running_loop().time() + self.timeout)

    def close(self) -> None:
        """End the connection; what is under way raises `ConnectionLost`."""
        if self._line is not None:
            self._line.close()
        self._lose(ConnectionLost(f"the connection to {self.address} was closed"))

    async def __aenter__(self) -> AsyncTarsClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _ready(self, deadline: float) -> _Line:
        """A connection that has room for what is to be written."""
        while (line := self._line or await self._connected(deadline)).full:
            try:
                async with asyncio.timeout_at(deadline):
                    await line.drained()
            except TimeoutError:
                raise NoAnswer(
                    f"{self.address} does not read what it was sent",
                    expected="room for a request within the time-out",
                ) from None
        return line

    async def _connected(self, deadline: float) -> _Line:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline), self._connecting:
                if self._line is None:
                    # asyncio sets TCP_NODELAY on every stream by itself.
                    _, self._line = await loop.create_connection(
                        lambda: _Line(self._arrived, self._ended), *self.address
                    )
                return self._line
        except (OSError, TimeoutError) as error:
            raise ConnectFailed(
                f"no connection to {self.address}",
                found=str(error) or type(error).__name__,
                advice="check that the server runs and listens there",
            ) from None

    def _arrived(self, data: bytes) -> None:
        try:
            events = self._connection.receive(data)
        except MalformedTars as error:
            if self._line is not None:
                self._line.close()
            self._lose(error)
            return
        for event in events:
            if isinstance(event, Answered):
                waiting = self._waiting.pop(event.sent.request_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(event.packet)
            elif self._on_push is not None:
                self._on_push(event.packet)

    def _ended(self, line: _Line) -> None:
        if line is self._line:
            self._lose(self._connection.ended())

    def _lose(self, reason: TarsError) -> None:
        """Nothing more comes: who waits is told the reason."""
        self._line = None
        for sent in self._connection.lost():
            waiting = self._waiting.pop(sent.request_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_exception(reason)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _watch(self, deadline: float) -> None:
        """One timer serves all calls: it rings for the first deadline, then looks for the next."""
        if self._alarm is not None:
            if self._alarm.when() <= deadline:
                return
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        for sent in self._connection.expired(asyncio.get_running_loop().time()):
            waiting = self._waiting.pop(sent.request_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_exception(sent.unanswered())
        following = self._connection.next_deadline()
        if following is not None:
            self._watch(following)


class _Line(asyncio.Protocol):
    """The TCP connection; requests of one turn of the loop leave in one write."""

    def __init__(self, arrived: Callable[[bytes], None], ended: Callable[[_Line], None]) -> None:
        self.full = False
        self._arrived = arrived
        self._ended = ended
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self.resume_writing()
        self._ended(self)

    def data_received(self, data: bytes) -> None:
        self._arrived(data)

    def pause_writing(self) -> None:
        self.full = True
        self._room.clear()

    def resume_writing(self) -> None:
        self.full = False
        self._room.set()

    async def drained(self) -> None:
        """Wait until there is room to write, or nothing to write to."""
        await self._room.wait()

    def write(self, frame: bytes) -> None:
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(frame)

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def close(self) -> None:
        """Close when what was written has left."""
        self._flush()
        if self._transport is not None:
            self._transport.close()


class AsyncProxy:
    """One servant seen through an asyncio client, as `client.Proxy` through a synchronous one."""

    def __init__(self, client: AsyncCaller, servant: str, *, version: int = Version.TARS) -> None:
        self.client = client
        self.servant = servant
        self.version = version

    async def ping(self, *, timeout: float | None = None) -> None:
        """tars_ping; raises as `TarsClient.call` does."""
        await self.invoke(PING, Empty(), timeout=timeout)

    async def invoke(
        self, function: Function[A, R], arguments: A, *, timeout: float | None = None
    ) -> R:
        """Call ``function``; raises as `TarsClient.call` does, and `MalformedBody`."""
        body = encode_arguments(arguments, self.version)
        answer = await self.client.call(
            self.servant, function.name, body, timeout=timeout, version=self.version
        )
        return decode_results(function.results, answer, self.version)
