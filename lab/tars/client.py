"""Calls over one TCP connection, without threads of its own; works on gevent's sockets too.

One client belongs to one thread or greenlet. Several requests may be under way on its
connection: `TarsClient.send` them, then `TarsClient.receive` each by its id.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple, TypeVar

from tarsio import Struct

from lab.tars.body import Empty, Function, decode_body, encode_body
from lab.tars.errors import CallFailed, ConnectFailed, ConnectionLost, MalformedTars, NoAnswer
from lab.tars.framing import MAX_FRAME, FrameSplitter
from lab.tars.packets import PUSH_ID, PacketType, ResponsePacket, request

#: Of TarsCpp's synchronous calls, seconds.
DEFAULT_TIMEOUT_S = 3.0

_READ_SIZE = 65536
_MAX_ID = 2**31 - 1

#: Every servant answers it, whatever its interface.
PING = Function("tars_ping", Empty, Empty)

A = TypeVar("A", bound=Struct)
R = TypeVar("R", bound=Struct)


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class _Sent(NamedTuple):
    servant: str
    function: str
    deadline: float
    timeout: float


class TarsClient:
    """A client of one endpoint: connects when first needed, and again when it was cut off.

    ``timeout`` is in seconds, for connecting and for each call that names none; it also
    travels as iTimeout. ``on_push`` gets what the server sends unasked (id 0), whenever
    the client reads. ``max_frame`` bounds what is kept for one answer, in bytes.
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
        self._on_push = on_push
        self._max_frame = max_frame
        self._socket: socket.socket | None = None
        self._splitter = FrameSplitter(max_frame=max_frame)
        self._last_id = PUSH_ID
        self._sent: dict[int, _Sent] = {}
        self._answers: dict[int, ResponsePacket] = {}

    def call(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        timeout: float | None = None,
        context: Mapping[str, str] | None = None,
    ) -> bytes:
        """Call and wait for the answer's body.

        Raises `CallFailed` (by iRet), `NoAnswer`, `ConnectFailed`, `ConnectionLost`,
        `MalformedTars`. A call that failed is never repeated by itself.
        """
        request_id = self.send(servant, function, body, timeout=timeout, context=context)
        return self.receive(request_id)

    def send(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        timeout: float | None = None,
        context: Mapping[str, str] | None = None,
    ) -> int:
        """Send a request and return its id, to `receive` the answer before the time-out."""
        timeout = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        request_id = self._next_id()
        packet = request(
            request_id,
            servant,
            function,
            body,
            timeout_ms=int(timeout * 1000),
            context=dict(context or {}),
        )
        self._write(packet.to_frame(), deadline)
        self._sent[request_id] = _Sent(servant, function, deadline, timeout)
        return request_id

    def send_one_way(self, servant: str, function: str, body: bytes = b"") -> None:
        """Send a request that is never answered; whether it arrived stays unknown."""
        packet = request(self._next_id(), servant, function, body, packet_type=PacketType.ONE_WAY)
        self._write(packet.to_frame(), time.monotonic() + self.timeout)

    def receive(self, request_id: int) -> bytes:
        """Wait for the answer to ``request_id`` and return its body; raises as `call` does."""
        sent = self._sent[request_id]
        try:
            while request_id not in self._answers:
                # The clock is asked too: a server that never stops talking is not an answer.
                if time.monotonic() >= sent.deadline or not self._read(sent.deadline):
                    raise NoAnswer(
                        f"{sent.servant}.{sent.function} at {self.address} did not answer",
                        expected=f"an answer within {sent.timeout:g} s",
                    )
            answer = self._answers.pop(request_id)
        finally:
            self._sent.pop(request_id, None)
        if answer.ret != 0:
            raise CallFailed.of(
                answer.ret,
                servant=sent.servant,
                function=sent.function,
                endpoint=str(self.address),
                description=answer.result_desc or "",
            )
        return answer.body

    def wait_for_push(self, timeout: float) -> bool:
        """Read once, so that pushes reach ``on_push``; False when nothing came in time."""
        if self._socket is None:
            self._connect(time.monotonic() + self.timeout)
        return self._read(time.monotonic() + timeout)

    def close(self) -> None:
        """End the connection and forget what is under way; the next call connects again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._splitter = FrameSplitter(max_frame=self._max_frame)
        self._answers.clear()

    def __enter__(self) -> TarsClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _next_id(self) -> int:
        self._last_id = self._last_id % _MAX_ID + 1
        return self._last_id

    def _connect(self, deadline: float) -> None:
        wait = max(deadline - time.monotonic(), 0.001)
        try:
            self._socket = socket.create_connection(self.address, timeout=wait)
        except OSError as error:
            raise ConnectFailed(
                f"no connection to {self.address}",
                found=str(error) or type(error).__name__,
                advice="check that the server runs and listens there",
            ) from None
        # Without it, a second small write waits for the peer's delayed acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _write(self, frame: bytes, deadline: float) -> None:
        if self._socket is not None and not self._sent:
            self._look_for_end(deadline)
        if self._socket is None:
            self._connect(deadline)
        assert self._socket is not None
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._socket.sendall(frame)
        except OSError as error:
            # Part of the frame may have left, so the connection is of no more use.
            self.close()
            raise ConnectionLost(
                f"sending to {self.address} failed", found=str(error) or type(error).__name__
            ) from None

    def _look_for_end(self, deadline: float) -> None:
        """Notice, before a call is lost on it, that the server closed an idle connection."""
        try:
            while self._read(0) and time.monotonic() < deadline:
                pass
        except (ConnectionLost, MalformedTars):
            self.close()

    def _read(self, deadline: float) -> bool:
        """Take what the socket has by ``deadline`` (0: has now); False when that is nothing."""
        if self._socket is None:
            raise ConnectionLost(f"the connection to {self.address} was closed")
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0))
            data = self._socket.recv(_READ_SIZE)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as error:
            self.close()
            raise ConnectionLost(
                f"the connection to {self.address} broke", found=str(error) or type(error).__name__
            ) from None
        if not data:
            cut = self._splitter.pending
            self.close()
            raise ConnectionLost(
                f"{self.address} closed the connection",
                found=f"{cut} bytes of an unfinished frame" if cut else None,
                expected="an answer",
            )
        try:
            for frame in self._splitter.feed(data):
                self._take(ResponsePacket.from_frame(frame))
        except MalformedTars:
            self.close()
            raise
        return True

    def _take(self, packet: ResponsePacket) -> None:
        if packet.request_id == PUSH_ID:
            if self._on_push is not None:
                self._on_push(packet)
        elif packet.request_id in self._sent:
            self._answers[packet.request_id] = packet
        # else it answers a call whose time-out has passed


class Proxy:
    """One servant seen through a client; interfaces derive from it and add their functions."""

    def __init__(self, client: TarsClient, servant: str) -> None:
        self.client = client
        self.servant = servant

    def ping(self, *, timeout: float | None = None) -> None:
        """tars_ping; raises as `TarsClient.call` does."""
        self.invoke(PING, Empty(), timeout=timeout)

    def invoke(self, function: Function[A, R], arguments: A, *, timeout: float | None = None) -> R:
        """Call ``function``; raises as `TarsClient.call` does, and `MalformedBody`."""
        body = encode_body(arguments)
        answer = self.client.call(self.servant, function.name, body, timeout=timeout)
        return decode_body(function.results, answer)
