"""A local port whose connections lead somewhere else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from lab.errors import LabError

#: Bytes that are copied at once.
_PIECE = 64 * 1024


class Stream(Protocol):
    """What a socket and an SSH channel have in common."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> object: ...
    def shutdown(self, how: int, /) -> object: ...
    def close(self) -> object: ...


@contextmanager
def forward(open_stream: Callable[[], Stream]) -> Iterator[int]:
    """Yield a port on 127.0.0.1; each connection to it is joined to ``open_stream()``.

    Where ``open_stream`` raises `LabError` or `OSError` the connection is closed at once.
    All connections end with the context.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    streams: set[Stream] = set()
    threads: list[threading.Thread] = []

    def start(target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        threads.append(thread)
        thread.start()

    def join(client: socket.socket) -> None:
        try:
            far = open_stream()
        except (LabError, OSError):
            client.close()
            return
        streams.update((client, far))
        back = threading.Thread(target=pump, args=(far, client), daemon=True)
        back.start()
        pump(client, far)
        back.join()
        for stream in (client, far):
            stream.close()
            streams.discard(stream)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # the listener was shut down: the context ends
            start(join, client)

    start(accept)
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for stream in list(streams):
            with suppress(OSError):  # the peer may have closed it
                stream.shutdown(socket.SHUT_RDWR)
            stream.close()
        for thread in threads:
            thread.join(timeout=2)


def pump(source: Stream, sink: Stream) -> None:
    """Copy until the end of ``source``, and pass the end on."""
    with suppress(OSError):  # a connection that breaks ends the copying
        while data := source.recv(_PIECE):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
