"""An echo that misbehaves as it is told, frame by frame."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.tars.body import decode_body, encode_body
from lab.tars.client import Address
from lab.tars.echo_client import Echoed, Value
from lab.tars.framing import FrameSplitter
from lab.tars.packets import RequestPacket, answer

HOST = "127.0.0.5"


def good(request: RequestPacket) -> bytes:
    """What a good echo answers."""
    value = decode_body(Value[str], request.body).value
    return answer(request, encode_body(Echoed[str](ret=value, copy=value))).to_frame()


@dataclass
class Faulty:
    """``fault`` gives what is sent instead of the good answer to every ``every``-th request.

    None closes the connection. ``trickle`` sends everything in pieces of so many bytes.
    """

    fault: Callable[[RequestPacket], bytes | None] = good
    every: int = 10
    trickle: int = 0
    requests: int = 0
    faults: int = 0
    last: bytes = b""
    over: threading.Event = field(default_factory=threading.Event)

    def reply(self, frame: bytes) -> bytes | None:
        request = RequestPacket.from_frame(frame)
        self.requests += 1
        if self.requests % self.every == 0:
            self.faults += 1
            return self.fault(request)
        return good(request)


@contextmanager
def faulty_echo(faulty: Faulty) -> Iterator[Address]:
    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, faulty))
        thread.start()
        try:
            yield Address(*listener.getsockname())
        finally:
            faulty.over.set()
            thread.join(10)


def _serve(listener: socket.socket, faulty: Faulty) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while not faulty.over.is_set():
            for key, _ in selector.select(0.05):
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(connection, selectors.EVENT_READ, FrameSplitter())
                elif not _answer(key.fileobj, key.data, faulty):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close()


def _answer(connection: socket.socket, splitter: FrameSplitter, faulty: Faulty) -> bool:
    """Answer what has come; False when the connection is to be closed."""
    try:
        data = connection.recv(65536)
        replies = [faulty.reply(frame) for frame in splitter.feed(data)]
        whole = b"".join(reply for reply in replies if reply is not None)
        step = faulty.trickle or max(1, len(whole))
        for begin in range(0, len(whole), step):
            connection.sendall(whole[begin : begin + step])
    except OSError:
        return False
    return bool(data) and None not in replies
