"""Calls over one TCP connection, without threads of its own; works on gevent's sockets too.

One client belongs to one thread or greenlet. Several requests may be under way on its
connection: `TarsClient.send` them, then `TarsClient.receive` each by its id.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from tarsio import Struct

from lab.closing import Closing
from lab.tars.body import Empty, Function
from lab.tars.connection import Answered, Connection, Sent
from lab.tars.encodings import decode_results, encode_arguments
from lab.tars.errors import ConnectFailed, ConnectionLost, MalformedTars
from lab.tars.framing import MAX_FRAME
from lab.tars.packets import ResponsePacket, Version

#: Of TarsCpp's synchronous calls, seconds.
DEFAULT_TIMEOUT_S = 3.0

_READ_SIZE = 65536

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


class Caller(Protocol):
    """What calls a servant by its name: `TarsClient` at one endpoint, `Communicator` at all."""

    def call(
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


class TarsClient(Closing):
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
        self._socket: socket.socket | None = None
        self._connection = Connection(str(self.address), max_frame=max_frame)
        self._waiting: dict[int, Sent] = {}
        self._answers: dict[int, ResponsePacket | ConnectionLost] = {}

    @property
    def late(self) -> int:
        """How many answers came when nobody waited for them any more, and were dropped."""
        return self._connection.late

    def call(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        timeout: float | None = None,
        context: Mapping[str, str] | None = None,
        version: int = Version.TARS,
    ) -> bytes:
        """Call and wait for the answer's body.

        Raises `CallFailed` (by iRet), `NoAnswer`, `ConnectFailed`, `ConnectionLost`,
        `MalformedTars`. A call that failed is never repeated by itself.
        """
        return self.receive(
            self.send(servant, function, body, timeout=timeout, context=context, version=version)
        )

    def send(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        timeout: float | None = None,
        context: Mapping[str, str] | None = None,
        version: int = Version.TARS,
    ) -> int:
        """Send a request and return its id, to `receive` the answer before the time-out."""
        now = time.monotonic()
        timeout = self.timeout if timeout is None else timeout
        self._be_connected(now + timeout)
        sent, frame = self._connection.request(
            servant,
            function,
            body,
            now=now,
            timeout=timeout,
            context=context,
            version=version,
        )
        try:
            self._write(frame, sent.deadline)
        except BaseException:
            self._connection.give_up(sent.request_id)
            self._answers.pop(sent.request_id, None)
            raise
        self._waiting[sent.request_id] = sent
        return sent.request_id

    def send_one_way(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Send a request that is never answered; whether it arrived stays unknown."""
        deadline = time.monotonic() + self.timeout
        self._be_connected(deadline)
        frame = self._connection.one_way(servant, function, body, context=context)
        self._write(frame, deadline)

    def receive(self, request_id: int) -> bytes:
        """Wait for the answer to ``request_id`` and return its body; raises as `call` does."""
        sent = self._waiting[request_id]
        return sent.body_of(self.receive_packet(request_id))

    def receive_packet(self, request_id: int) -> ResponsePacket:
        """Wait for the answer to ``request_id``, whatever its iRet; raises as `call` does."""
        sent = self._waiting.pop(request_id)
        try:
            while request_id not in self._answers:
                # The clock is asked too: a server that never stops talking is not an answer.
                if time.monotonic() >= sent.deadline or not self._read(sent.deadline):
                    raise sent.unanswered()
        except BaseException:
            self._connection.give_up(request_id)
            self._answers.pop(request_id, None)
            raise
        answer = self._answers.pop(request_id)
        if isinstance(answer, ConnectionLost):
            raise answer
        return answer

    def poll(self, request_id: int) -> bool:
        """Take what has arrived; whether `receive` would return or raise at once."""
        sent = self._waiting[request_id]
        if request_id not in self._answers:
            self._read(0)
        return request_id in self._answers or time.monotonic() >= sent.deadline

    def wait_for_push(self, timeout: float) -> bool:
        """Read once, so that pushes reach ``on_push``; False when nothing came in time.

        Raises `ConnectFailed`, `ConnectionLost`, `MalformedTars`.
        """
        if self._socket is None:
            self._connect(time.monotonic() + self.timeout)
        came = self._read(time.monotonic() + timeout)
        if self._socket is None:
            raise self._connection.ended()
        return came

    def close(self) -> None:
        """End the connection; what is under way raises `ConnectionLost`, the next call connects."""
        self._lose(ConnectionLost(f"the connection to {self.address} was closed"))

    def _lose(self, reason: ConnectionLost) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for sent in self._connection.lost():
            self._answers[sent.request_id] = reason

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

    def _be_connected(self, deadline: float) -> None:
        if self._socket is not None and not self._waiting:
            self._look_for_end(deadline)
        if self._socket is None:
            self._connect(deadline)

    def _write(self, frame: bytes, deadline: float) -> None:
        assert self._socket is not None, "_be_connected comes first"
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._socket.sendall(frame)
        except OSError as error:
            # Part of the frame may have left, so the connection is of no more use.
            lost = ConnectionLost(
                f"sending to {self.address} failed", found=str(error) or type(error).__name__
            )
            self._lose(lost)
            raise lost from None

    def _look_for_end(self, deadline: float) -> None:
        """Notice, before a call is lost on it, that the server closed an idle connection."""
        try:
            while self._read(0) and time.monotonic() < deadline:
                pass
        except MalformedTars:
            pass  # it was closed for that

    def _read(self, deadline: float) -> bool:
        """Take what the socket has by ``deadline`` (0: has now); False when that is nothing.

        When the connection ends, the requests under way have that as their answer.
        """
        if self._socket is None:
            return False
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0))
            data = self._socket.recv(_READ_SIZE)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as error:
            self._lose(
                ConnectionLost(
                    f"the connection to {self.address} broke",
                    found=str(error) or type(error).__name__,
                )
            )
            return True
        if not data:
            self._lose(self._connection.ended())
            return True
        try:
            events = self._connection.receive(data)
        except MalformedTars as error:
            self._lose(ConnectionLost(f"{self.address} sent what is no Tars", found=str(error)))
            raise
        for event in events:
            if isinstance(event, Answered):
                self._answers[event.sent.request_id] = event.packet
            elif self._on_push is not None:
                self._on_push(event.packet)
        return True


class Proxy:
    """One servant seen through a client; interfaces derive from it and add their functions."""

    def __init__(self, client: Caller, servant: str, *, version: int = Version.TARS) -> None:
        self.client = client
        self.servant = servant
        self.version = version

    def ping(self, *, timeout: float | None = None) -> None:
        """tars_ping; raises as `TarsClient.call` does."""
        self.invoke(PING, Empty(), timeout=timeout)

    def invoke(self, function: Function[A, R], arguments: A, *, timeout: float | None = None) -> R:
        """Call ``function``; raises as `TarsClient.call` does, and `MalformedBody`."""
        body = encode_arguments(arguments, self.version)
        answer = self.client.call(
            self.servant, function.name, body, timeout=timeout, version=self.version
        )
        return decode_results(function.results, answer, self.version)
