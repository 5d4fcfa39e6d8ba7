"""One connection of an engine: it never blocks, and comes back when it was cut off."""

from __future__ import annotations

import errno
import os
import select
import socket

from lab.tars.client import Address
from lab.tars.errors import ConnectFailed
from perf.engines.flights import Flights
from perf.engines.wire import Ids, Inbox, Shape, Stamp

#: Nanoseconds between two attempts to connect.
RETRY_NS = 100_000_000


class Connection:
    """Sends batches of requests to ``address`` and reads what comes back."""

    def __init__(
        self, address: Address, flights: Flights, request: Shape, *, no_delay: bool
    ) -> None:
        self.address = address
        self.flights = flights
        self.inbox = Inbox()
        self.is_open = False
        #: Requests and system calls that carried them; reads that brought something.
        self.sent = self.writes = self.reads = 0
        self._stamp = Stamp(request, flights.capacity)
        self._no_delay = no_delay
        self._socket: socket.socket | None = None
        self._unsent = bytearray()
        self._next_attempt = 0

    def open(self, timeout: float) -> None:
        """Connect the first time, waiting for it; raises `ConnectFailed`."""
        try:
            made = socket.create_connection(self.address, timeout=timeout)
        except OSError as error:
            raise ConnectFailed(
                f"no connection to {self.address}",
                found=str(error) or type(error).__name__,
                advice="check that the server runs and listens there",
            ) from None
        made.setblocking(False)
        self._socket = made
        self._opened()

    def reopen(self, now: int) -> bool:
        """Begin to connect again, if it is time; whether it began. Raises OSError."""
        if self._socket is not None or now < self._next_attempt:
            return False
        self._next_attempt = now + RETRY_NS
        family = socket.getaddrinfo(*self.address, type=socket.SOCK_STREAM)[0][0]
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        code = self._socket.connect_ex(self.address)
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, os.strerror(code))
        return True

    def fileno(self) -> int:
        assert self._socket is not None, "only connections that are there are watched"
        return self._socket.fileno()

    @property
    def wants(self) -> int:
        """The events to be told of, as epoll names them."""
        waits = self._unsent or not self.is_open
        return select.EPOLLIN | (select.EPOLLOUT if waits else 0)

    def send(self, ids: Ids) -> bool:
        """Send a request for each id; whether some of it has to wait. Raises OSError."""
        frames = self._stamp.frames_with(ids)
        self.sent += len(ids)
        if self._unsent:
            self._unsent += frames.data.cast("B")
            return True
        gone = self._write(frames.data.cast("B"))
        if gone < frames.nbytes:
            self._unsent += frames.data.cast("B")[gone:]
            return True
        return False

    def go_on(self) -> None:
        """Be connected, or send what had to wait, as far as it goes. Raises OSError."""
        assert self._socket is not None, "only connections that are there are told to go on"
        if not self.is_open:
            if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code))
            self._opened()
        if self._unsent:
            del self._unsent[: self._write(self._unsent)]

    def read(self) -> bool:
        """Take what has come; False when that is nothing. Raises OSError, also at the end."""
        assert self._socket is not None, "only connections that are there are read"
        try:
            count = self.inbox.read(self._socket)
        except BlockingIOError:
            return False
        if count == 0:
            raise OSError(errno.ECONNRESET, "closed by the server")
        self.reads += 1
        return True

    def close(self) -> None:
        """End it; what was under way stays in `flights`."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._unsent.clear()
        self.is_open = False
        self.inbox = Inbox()

    def _opened(self) -> None:
        assert self._socket is not None, "just made"
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self._no_delay)
        self.is_open = True

    def _write(self, data: memoryview | bytearray) -> int:
        assert self._socket is not None, "only connections that are there are written to"
        self.writes += 1
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
