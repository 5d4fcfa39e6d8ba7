"""A server that answers with what a real Jenkins answered: real sockets, recorded bytes.

Answers are scripted by method and path; the last one for a path is given again and again. What
is not scripted fails the test. It also refuses, cuts, and says nothing on request.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings" / "jenkins"
#: Instead of the recorded server's name: links must not be followed as they come.
ELSEWHERE = "http://jenkins.invalid:1"
DROPPED = {"content-length", "transfer-encoding", "set-cookie", "content-encoding"}


@dataclass(frozen=True)
class Answer:
    """What to send. ``cut``: how many bytes of the body, then the connection ends."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut: int | None = None


@dataclass(frozen=True)
class Cut:
    """No answer: the connection ends once the request was read, and ``done`` was called."""

    done: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    query: dict[str, str]
    body: str
    headers: dict[str, str]


Scripted = Answer | Cut | Callable[[Seen], Answer]


def as_json(data: Any) -> Answer:
    body = json.dumps(data).encode()
    return Answer(200, (("Content-Type", "application/json;charset=utf-8"),), body)


def answer(response: dict[str, Any]) -> Answer:
    """A recorded response, with another name of the server in it."""
    body = response.get("body") or ""
    text = body if isinstance(body, str) else json.dumps(body)
    headers = [
        (name, str(part).replace("http://JENKINS", ELSEWHERE))
        for name, value in response["headers"].items()
        for part in (value if isinstance(value, list) else [value])
        if name.lower() not in DROPPED
    ]
    return Answer(
        response["status"], tuple(headers), text.replace("http://JENKINS", ELSEWHERE).encode()
    )


def exchange(name: str) -> Answer:
    """The answer of a recorded exchange."""
    recorded = json.loads((RECORDINGS / "exchanges" / f"{name}.json").read_text())
    return answer(recorded["response"])


def sequence(name: str) -> list[dict[str, Any]]:
    """A recorded conversation: exchanges in their order."""
    recorded = json.loads((RECORDINGS / "sequences" / f"{name}.json").read_text())
    return list(recorded["exchanges"])


def conversation(name: str) -> list[tuple[str, str, dict[str, str], Answer]]:
    """A conversation's answers by method, path and the log's start."""
    return [
        (
            each["request"]["method"],
            each["request"]["path"],
            {k: v[0] for k, v in parse_qs(each["request"].get("query") or "").items()},
            answer(each["response"]),
        )
        for each in sequence(name)
        if each["response"] is not None
    ]


@dataclass
class Replay:
    """Use as a context manager; `url` has the context path, which every request must have."""

    context: str = ""
    certificate: Path | None = None
    seen: list[Seen] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    connections: list[socket.socket] = field(default_factory=list)
    _script: dict[tuple[str, str], deque[Scripted]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _server: ThreadingHTTPServer | None = None
    _port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, method: str, path: str, *answers: Scripted) -> None:
        """Answer so, one after the other; a script that was there is replaced."""
        self._script[method, path] = deque(answers)

    def then(self, method: str, path: str, scripted: Scripted) -> None:
        self._script[method, path].append(scripted)

    def play(self, name: str) -> None:
        """Script a recorded conversation; log pieces are found by their start."""
        for method, path, query, given in conversation(name):
            key = f"{path}?start={query['start']}" if "start" in query else path
            self.then(method, key, given)

    def requests(self, method: str, path: str) -> list[Seen]:
        return [seen for seen in self.seen if (seen.method, seen.path) == (method, path)]

    @property
    def url(self) -> str:
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://127.0.0.1:{self._port}{self.context}"

    def next_answer(self, seen: Seen) -> Scripted:
        with self._lock:
            self.seen.append(seen)
            start = seen.query.get("start")
            for key in ((seen.method, f"{seen.path}?start={start}"), (seen.method, seen.path)):
                if script := self._script.get(key):
                    return script.popleft() if len(script) > 1 else script[0]
            self.unexpected.append(f"{seen.method} {seen.path} {seen.query}")
            return Answer(599)

    def up(self) -> None:
        """Listen, on the same port as before `down`."""
        if self._server is not None:
            return
        replay = self

        class Handler(_Handler):
            server_replay = replay

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        if self.certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certificate)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def down(self) -> None:
        """End all connections, and refuse new ones."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Replay:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    server_replay: Replay

    def setup(self) -> None:
        super().setup()
        self.server_replay.connections.append(self.connection)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client went away
            self.close_connection = True

    def _answer(self) -> None:
        replay = self.server_replay
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = urlsplit(self.path)
        if not parts.path.startswith(replay.context + "/"):
            replay.unexpected.append(f"outside of {replay.context}: {self.path}")
        seen = Seen(
            self.command,
            parts.path.removeprefix(replay.context),
            {name: values[0] for name, values in parse_qs(parts.query).items()},
            body,
            dict(self.headers.items()),
        )
        scripted = replay.next_answer(seen)
        if isinstance(scripted, Cut):
            scripted.done()
            self._end()
            return
        given = scripted if isinstance(scripted, Answer) else scripted(seen)
        self.send_response(given.status)
        for name, value in given.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(given.body)))
        self.end_headers()
        self.wfile.write(given.body[: given.cut])
        if given.cut is not None:
            self._end()

    def _end(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""
