"""A Tars server that does what a test tells it, wrong things too: one thread, real sockets."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable

from lab.tars.client import Address
from lab.tars.framing import FrameSplitter
from lab.tars.packets import RequestPacket

#: Gets a connection and each request on it, in order; may send, or close the connection.
Handler = Callable[[socket.socket, RequestPacket], None]


class ScriptedServer:
    """``handle`` may be set anew at any time; ``requests`` has all that came."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", int(self._listener.getsockname()[1]))
        self.handle: Handler = lambda _connection, _request: None
        self.requests: queue.Queue[RequestPacket] = queue.Queue()
        self.connections = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        self._thread.join(10)

    def drop_connections(self) -> None:
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was first

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,)).start()

    def _serve(self, connection: socket.socket) -> None:
        splitter = FrameSplitter()
        with connection:
            try:
                while data := connection.recv(65536):
                    for frame in splitter.feed(data):
                        packet = RequestPacket.from_frame(frame)
                        self.requests.put(packet)
                        self.handle(connection, packet)
            except OSError:
                pass  # closed by the handler or at the end
