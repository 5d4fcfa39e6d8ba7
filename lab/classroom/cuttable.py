"""A browser's way to the classroom that can be cut: an HTTP proxy that knows CONNECT alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

from lab.host.forward import pump

#: How long the far side may take to accept a connection, in seconds.
_CONNECT_TIMEOUT_S = 5.0
#: The longest line of a request that is read.
_LINE = 8 * 1024


class CuttableWay(ThreadingTCPServer):
    """Listens on ``port`` of 127.0.0.1. Use as a context manager made by `cuttable_way`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port: int = self.server_address[1]
        self._ends: set[socket.socket] = set()
        self._changing = threading.Lock()

    def cut(self) -> int:
        """End every connection on both sides, in the middle of its TLS; return how many.

        New ones are let through at once.
        """
        with self._changing:
            ends = list(self._ends)
            for end in ends:
                with suppress(OSError):  # its peer may have ended it in this moment
                    end.shutdown(socket.SHUT_RDWR)
        return len(ends) // 2

    @contextmanager
    def known(self, *ends: socket.socket) -> Iterator[None]:
        """Both ends of a connection, which can be cut within the context."""
        with self._changing:
            self._ends.update(ends)
        try:
            yield
        finally:
            with self._changing:
                self._ends.difference_update(ends)


class _Connection(StreamRequestHandler):
    server: CuttableWay

    def handle(self) -> None:
        words = self.rfile.readline(_LINE).split()
        while self.rfile.readline(_LINE).strip():
            pass  # the headers of a CONNECT say nothing that is needed
        if len(words) != 3 or words[0] != b"CONNECT":
            self.wfile.write(b"HTTP/1.1 405 only CONNECT\r\n\r\n")
            return
        host, _, port = words[1].decode().rpartition(":")
        try:
            far = socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S)
        except OSError:
            self.wfile.write(b"HTTP/1.1 502 no connection\r\n\r\n")
            return
        far.settimeout(None)
        with far, self.server.known(self.connection, far):
            self.wfile.write(b"HTTP/1.1 200 connected\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, self.connection), daemon=True)
            back.start()
            pump(self.connection, far)
            back.join()


@contextmanager
def cuttable_way() -> Iterator[CuttableWay]:
    """A way that ends, with its connections, with the context."""
    with CuttableWay() as way:
        thread = threading.Thread(target=way.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield way
        finally:
            way.shutdown()
            way.cut()
            thread.join()
