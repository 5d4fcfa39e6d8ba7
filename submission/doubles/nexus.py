"""A Nexus 2 with the Unpack plugin, as far as results are uploaded to it and read from it.

Emulated: POST and PUT of a zip to ``content-compressed`` (nexus-unpack-plugin,
UnpackPlexusResource: Basic authentication, one file stored after the other, silently over
what is there, so that a failure leaves a part), and GET of files and directory listings below
``content/sites``. All else of Nexus is not emulated and answers 404.
"""

from __future__ import annotations

import base64
import io
import threading
import zipfile
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from urllib.parse import unquote, urlsplit

from submission.doubles.server import Answer, Double, Request

_UNPACK = "/service/local/repositories/{repository}/content-compressed/"
_SITE = "/content/sites/{repository}/"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next upload: ``files`` of it are stored (all when None),
    then ``status`` is answered, or the connection is cut where it is 0."""

    status: int = 500
    files: int | None = 0


class Nexus(Double):
    """Uploads are accepted from ``user`` with ``password``. ``faults`` befall the next
    uploads, one each; ``spoil`` names files (by ending) that are stored with a bit turned."""

    def __init__(
        self,
        *,
        user: str = "iec4",
        password: str = "not-a-secret",  # noqa: S107  a double guards nothing
        repository: str = "logs",
        faults: Iterable[Fault] = (),
    ) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.faults = deque(faults)
        self.spoil: set[str] = set()
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._unpack = _UNPACK.format(repository=repository)
        self._site = _SITE.format(repository=repository)
        self._storing = threading.Lock()
        self._modified: dict[str, datetime] = {}

    def answer(self, request: Request) -> Answer:
        path = unquote(urlsplit(request.path).path)
        if request.method in ("POST", "PUT") and path.startswith(self._unpack):
            return self._upload(request, path.removeprefix(self._unpack).strip("/"))
        if request.method in ("GET", "HEAD") and path.startswith(self._site):
            return self._read(path.removeprefix(self._site))
        return Answer(404, b"<html><body><h1>404 - Not Found</h1></body></html>")

    def _upload(self, request: Request, place: str) -> Answer:
        authorization = request.headers.get("authorization")
        if authorization is None:
            realm = {"WWW-Authenticate": 'BASIC realm="Sonatype Nexus Repository Manager API"'}
            return Answer(401, headers=realm)
        if authorization != self._authorization:
            return Answer(403)
        fault = self.faults.popleft() if self.faults else None
        try:
            with zipfile.ZipFile(io.BytesIO(request.body)) as archive, self._storing:
                members = [m for m in archive.infolist() if not m.is_dir()]
                for member in members[: fault.files if fault else None]:
                    self._store(f"{place}/{member.filename}", archive.read(member))
        except zipfile.BadZipFile:
            return Answer(500)
        if fault is None:
            return Answer(201)
        return Answer(fault.status, cut=fault.status == 0)

    def _store(self, name: str, data: bytes) -> None:
        if any(name.endswith(ending) for ending in self.spoil):
            data = bytes([data[0] ^ 1]) + data[1:]
        self.files[name] = data
        for length in range(1, name.count("/") + 2):
            self._modified["/".join(name.split("/")[:length])] = datetime.now(UTC)

    def _read(self, path: str) -> Answer:
        if path in self.files:
            kind = "application/xml" if path.endswith(".xml") else "application/octet-stream"
            return Answer(200, self.files[path], kind)
        below = path.rstrip("/") + "/" if path.strip("/") else ""
        with self._storing:
            inside = [name.removeprefix(below) for name in self.files if name.startswith(below)]
        if not inside:
            return Answer(404, b"<html><body><h1>404 - Item not found</h1></body></html>")
        if path and not path.endswith("/"):
            return Answer(302, headers={"Location": f"{self.url}{self._site}{path}/"})
        entries = sorted({name.partition("/")[0] + "/" * ("/" in name) for name in inside})
        return Answer(200, self._listing(below, entries))

    def _listing(self, below: str, entries: Iterable[str]) -> bytes:
        """A directory as Nexus 2 shows it: a head, the parent, then a row an entry."""
        rows = "".join(
            f'<tr><td><a href="{self.url}{self._site}{escape(below + entry)}">{escape(entry)}</a>'
            f"</td><td>{self._modified[below + entry.rstrip('/')]:%a %b %d %H:%M:%S UTC %Y}</td>"
            '<td align="right">&nbsp;</td><td></td></tr>\n'
            for entry in entries
        )
        return (
            f"<html><head><title>Index of {self._site}{escape(below)}</title></head><body>"
            f"<h1>Index of {self._site}{escape(below)}</h1>"
            '<table cellspacing="10"><tr><th align="left">Name</th><th>Last Modified</th>'
            "<th>Size</th><th>Description</th></tr>\n"
            '<tr><td><a href="../">Parent Directory</a></td></tr>\n'
            f"{rows}</table></body></html>"
        ).encode()
