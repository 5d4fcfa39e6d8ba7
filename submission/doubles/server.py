"""A small HTTP server on loopback for the doubles."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

#: Bytes of a request's body at most.
BODY_LIMIT = 256 * 1024 * 1024
#: How soon a server that is to end notices, seconds.
POLL_S = 0.02


@dataclass(frozen=True)
class Request:
    """A request as it came. ``path`` is decoded neither from percent signs nor queries."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is answered. ``cut``: the connection ends without an answer."""

    status: int = 200
    body: bytes = b""
    media_type: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event; anything else is told as the library does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Double(ABC):
    """A server that answers on a free port of ``127.0.0.1`` while it is entered.

    ``requests`` are all that it was asked, in order.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), daemon=True
        )

        self._scheme = "http"

    def secure(self, certificate: Path) -> None:
        """Speak TLS, with the certificate and its key of that PEM file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """What this request gets."""

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version = "iec4-double"
            timeout = 60
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if length > BODY_LIMIT:
                    self._send(Answer(413))
                    return
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                double.requests.append(request)
                self._send(double.answer(request))

            do_GET = do_POST = do_PUT = do_HEAD = _serve  # noqa: N815  the names are the library's

            def _send(self, answer: Answer) -> None:
                if answer.cut:
                    self.close_connection = True
                    with contextlib.suppress(OSError):
                        self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.media_type)
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                """Requests are kept, not printed."""

        return Handler
