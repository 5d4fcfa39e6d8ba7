"""A file by reference: fetched once, and only if it is the one that was pinned."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fetching import FetchFailed, fetch

CONTENT = b"a plugin" * 100_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()

pytestmark = pytest.mark.usefixtures("cache")


class Mirror(http.server.BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])
            self.close_connection = True
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/plugin")
            self.end_headers()
        elif self.path == "/plugin":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror() -> Iterator[tuple[str, list[str]]]:
    """A mirror's URL, and the paths that it was asked for."""
    asked: list[str] = []
    handler = type("Handler", (Mirror,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_a_file_is_fetched_once(mirror: tuple[str, list[str]]) -> None:
    url, asked = mirror
    first = fetch(f"{url}/plugin", SHA256)
    assert first.read_bytes() == CONTENT
    assert fetch(f"{url}/plugin", SHA256) == first
    assert asked == ["/plugin"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/moved", r"status 302, a redirect to /plugin; expected: 200"),
        ("/gone", r"status 404; expected: 200"),
        ("/cut", r"cannot be fetched"),
    ],
)
def test_nothing_else_is_asked_for(
    mirror: tuple[str, list[str]], cache: Path, path: str, says: str
) -> None:
    url, asked = mirror
    with pytest.raises(FetchFailed, match=says):
        fetch(url + path, SHA256)
    assert asked == [path]
    assert list((cache / "fetched").iterdir()) == []


def test_another_file_is_refused_and_not_kept(mirror: tuple[str, list[str]], cache: Path) -> None:
    url, _ = mirror
    with pytest.raises(FetchFailed, match=f"found: SHA-256 {SHA256}; expected: SHA-256 0000"):
        fetch(f"{url}/plugin", "0" * 64)
    assert list((cache / "fetched").iterdir()) == []


def test_a_local_file_counts_as_well(tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(CONTENT)
    assert fetch(f"{tmp_path}/here", SHA256).read_bytes() == CONTENT
    with pytest.raises(FetchFailed, match="No such file or directory"):
        fetch(f"{tmp_path}/elsewhere", "1" * 64)
