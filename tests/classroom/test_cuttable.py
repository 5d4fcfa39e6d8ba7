"""The way to a classroom that can be cut: what goes through it, and what a cut does."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from lab.classroom.cuttable import CuttableWay, cuttable_way


@pytest.fixture
def echo() -> Iterator[int]:
    """A TCP server that sends back what it gets; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    def answer(client: socket.socket) -> None:
        with client:
            while data := client.recv(1024):
                client.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def through(way: CuttableWay, port: int) -> socket.socket:
    """A connection to the port by way of the proxy, as Chromium makes it."""
    connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=5)
    connection.set_tunnel("127.0.0.1", port)
    connection.connect()
    assert isinstance(connection.sock, socket.socket)
    return connection.sock


def test_what_is_open_is_cut_and_what_comes_later_goes_through(echo: int) -> None:
    with cuttable_way() as way:
        one, other = through(way, echo), through(way, echo)
        for end in (one, other):
            end.sendall(b"hello")
            assert end.recv(100) == b"hello"
        assert way.cut() == 2
        assert (one.recv(100), other.recv(100)) == (b"", b"")
        with through(way, echo) as later:
            later.sendall(b"again")
            assert later.recv(100) == b"again"
        one.close()
        other.close()


def test_connections_end_with_the_context(echo: int) -> None:
    with cuttable_way() as way:
        end = through(way, echo)
    assert end.recv(100) == b""
    end.close()


def test_only_connections_are_made(echo: int) -> None:
    with cuttable_way() as way:
        connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=5)
        connection.request("GET", f"http://127.0.0.1:{echo}/")
        assert connection.getresponse().status == 405
        connection.close()


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with cuttable_way() as way, pytest.raises(OSError, match="502"):
        through(way, port)
