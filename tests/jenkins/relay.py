"""An HTTP relay before a Jenkins, real or embedded, that loses or refuses what a test chooses."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import requests

#: before: the request does not reach Jenkins. after: Jenkins answers, and nobody hears it.
#: A number: that status, and the request does not reach Jenkins.
Loss = Literal["before", "after"] | int
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}


@dataclass
class Relay:
    """Answers at `url` as the server at ``target`` does, but for what `lose` says."""

    target: str
    verify: bool | str = True
    url: str = ""
    passed: list[str] = field(default_factory=list)
    _losses: list[tuple[re.Pattern[str], Loss]] = field(default_factory=list)
    _watched: list[tuple[re.Pattern[str], Callable[[], None]]] = field(default_factory=list)

    def lose(self, request: str, how: Loss, times: int = 1) -> None:
        """``request``: a pattern for ``METHOD /path?query``; its next ``times`` are lost."""
        self._losses += [(re.compile(request), how)] * times

    def when(self, request: str, then: Callable[[], None]) -> None:
        """Call ``then`` before the next such request is passed on."""
        self._watched.append((re.compile(request), then))

    def count(self, request: str) -> int:
        """How many such requests reached Jenkins."""
        return sum(bool(re.search(request, line)) for line in self.passed)

    def take_loss(self, line: str) -> Loss | None:
        found = next((loss for loss in self._losses if loss[0].search(line)), None)
        if found is not None:
            self._losses.remove(found)
        return found[1] if found else None

    def tell(self, line: str) -> None:
        for watched in [w for w in self._watched if w[0].search(line)]:
            self._watched.remove(watched)
            watched[1]()


@contextmanager
def relayed(target: str, verify: bool | str = True) -> Iterator[Relay]:
    relay = Relay(target.rstrip("/"), verify)

    class Handler(_Handler):
        handler_relay = relay

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    relay.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield relay
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    handler_relay: Relay

    def _relay(self) -> None:
        relay = self.handler_relay
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {self.path}"
        relay.tell(line)
        loss = relay.take_loss(line)
        if isinstance(loss, int):
            self.send_response(loss)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        answer = None if loss == "before" else self._ask(relay, line, body)
        if answer is None or loss is not None:
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def _ask(self, relay: Relay, line: str, body: bytes) -> requests.Response | None:
        headers = {n: v for n, v in self.headers.items() if n.lower() not in {*HOP, "host"}}
        relay.passed.append(line)
        try:
            return requests.request(
                self.command, relay.target + self.path, headers=headers, data=body,
                allow_redirects=False, timeout=20, verify=relay.verify,
            )  # fmt: skip
        except requests.RequestException:
            return None

    do_GET = do_POST = _relay  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""
