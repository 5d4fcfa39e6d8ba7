"""Send and count: what a server can do for a client that looks at nothing but lengths."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.figures import BenchFailed
from lab.tars.client import Address
from lab.tars.framing import HEADER_SIZE
from perf.engines.call import Call
from perf.engines.windowed import FEW
from perf.engines.wire import FIRST_ID

_TIMEOUT_S = 3.0
#: It lets answers gather, as the windowed engine does.
_PAUSE_S = 0.0002


def unchecked_rate(
    address: Address, call: Call, *, users: int, window: int, seconds: float
) -> float:
    """Replies per second for ``window`` equal requests in flight on each connection.

    Raises `BenchFailed` when the server ends a connection, and when it is silent.
    """
    shape = call.request_shape(_TIMEOUT_S)
    before, after = shape.frame[: shape.id_at], shape.frame[shape.id_at + 4 :]
    one = before + FIRST_ID.to_bytes(4, "big") + after
    try:
        with ExitStack() as resources:
            sockets = [
                resources.enter_context(socket.create_connection(address, timeout=_TIMEOUT_S))
                for _ in range(users)
            ]
            return _count(sockets, memoryview(one * window), len(one), seconds)
    except OSError as error:
        raise BenchFailed(f"the unchecked loop at {address}: {error}") from error


def _count(
    sockets: Sequence[socket.socket], requests: memoryview, size: int, seconds: float
) -> float:
    """Replies per second; ``requests`` are kept under way, of ``size`` bytes each."""
    by_fd = {one.fileno(): one for one in sockets}
    with select.epoll() as poll:
        for connection in sockets:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(requests)
            poll.register(connection, select.EPOLLIN)
        reply_size = int.from_bytes(sockets[0].recv(HEADER_SIZE, socket.MSG_PEEK), "big")
        pending = dict.fromkeys(by_fd, 0)
        buffer = bytearray(1 << 18)
        count = 0
        began = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            until_now = count
            events = poll.poll(_TIMEOUT_S)
            if not events:
                raise TimeoutError("no answer")
            for fd, _ in events:
                received = by_fd[fd].recv_into(buffer)
                if not received:
                    raise ConnectionResetError("closed by the server")
                whole, pending[fd] = divmod(pending[fd] + received, reply_size)
                by_fd[fd].sendall(requests[: whole * size])
                count += whole
            if (count - until_now) * size * FEW < len(requests) * len(sockets):
                select.select([], [], [], _PAUSE_S)
        return count / (now - began)
