"""Nexus as results are kept in it: one zip goes up, files and listings come down."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx

from blueprints.errors import Unacceptable
from submission import tls
from submission.untrusted import DOCUMENT, safe_name

#: Seconds for one request; unpacking a bundle takes Nexus a while.
TIMEOUT_S = 120
#: Names of one directory listing that are looked at, at most.
ENTRIES = 20_000


class NexusRefused(Exception):
    """Nexus says no, and would say so again; the text says to what and why."""


class NexusFailed(Exception):
    """A request to Nexus came to nothing. ``sent``: whether Nexus may have acted on it."""

    def __init__(self, says: str, *, sent: bool) -> None:
        self.sent = sent
        super().__init__(says)


class Nexus:
    """One site repository of a Nexus 2. Use it as a context; ``credentials`` are user and
    password, sent with uploads only; ``ca`` vouches for the server. Every request raises
    `tls.Untrusted` where nobody does."""

    def __init__(
        self,
        url: str,
        *,
        credentials: tuple[str, str] | None = None,
        repository: str = "logs",
        timeout: float = TIMEOUT_S,
        ca: Path | None = None,
    ) -> None:
        self._base = url.rstrip("/")
        self._repository = repository
        self._auth = httpx.BasicAuth(*credentials) if credentials else None
        self._http = httpx.Client(timeout=timeout, follow_redirects=False, verify=tls.trust(ca))

    def __enter__(self) -> Nexus:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def site(self, path: str) -> str:
        """The URL at which ``path`` is read."""
        return f"{self._base}/content/sites/{self._repository}/{quote(path)}"

    def post(self, path: str, archive: Path) -> None:
        """Have ``archive`` unpacked below ``path``. Raises `NexusRefused`, `NexusFailed`."""
        url = (
            f"{self._base}/service/local/repositories/{self._repository}"
            f"/content-compressed/{quote(path)}"
        )
        try:
            answer = self._http.post(
                url,
                content=archive.read_bytes(),
                headers={"Content-Type": "application/zip"},
                auth=self._auth if self._auth is not None else httpx.USE_CLIENT_DEFAULT,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            tls.check(self._base, error)
            raise NexusFailed(f"no connection to {self._base}: {error}", sent=False) from None
        except httpx.TransportError as error:
            what = str(error) or type(error).__name__
            raise NexusFailed(f"the connection to {self._base} broke: {what}", sent=True) from None
        if answer.is_success:
            return
        says = f"Nexus answered {answer.status_code} to the upload of {path}"
        if answer.is_server_error or answer.status_code in (408, 429):
            raise NexusFailed(says, sent=True)
        raise NexusRefused(says + _ADVICE.get(answer.status_code, ""))

    def fetch(self, path: str, limit: int = DOCUMENT) -> bytes | None:
        """A file of the site; None where there is none. Raises like `post`."""
        try:
            with self._http.stream("GET", self.site(path)) as answer:
                if answer.status_code == 404:
                    return None
                if answer.status_code != 200:
                    raise NexusFailed(
                        f"Nexus answered {answer.status_code} to GET {path}", sent=True
                    )
                data = bytearray()
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > limit:
                        raise NexusRefused(f"{path} on Nexus is longer than {limit >> 20} MiB")
                return bytes(data)
        except httpx.TransportError as error:
            tls.check(self._base, error)
            what = str(error) or type(error).__name__
            raise NexusFailed(f"{path} could not be read from Nexus: {what}", sent=True) from None

    def entries(self, path: str) -> list[str]:
        """Names in a directory of the site, directories with a slash; empty where it has
        none or is not there. Raises like `post`."""
        page = self.fetch(f"{path.rstrip('/')}/")
        if page is None:
            return []
        listing = _Listing(urlsplit(self.site(f"{path.rstrip('/')}/")).path)
        listing.feed(page.decode(errors="replace"))
        return listing.names


_ADVICE = {
    400: ": the repository is read only",
    401: ": give credentials (--credentials env:NAME, user:password) or a netrc entry",
    403: ": these credentials may not unpack there",
    404: ": no such repository, or no Unpack plugin",
}


class _Listing(HTMLParser):
    """The links of a directory listing that lead one step down."""

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = unquote(directory)
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") if tag == "a" else None
        if href is None or len(self.names) >= ENTRIES:
            return
        name = unquote(urlsplit(href).path).removeprefix(self._directory)
        try:
            if "/" not in safe_name(name.rstrip("/")):
                self.names.append(name)
        except Unacceptable:
            return  # the parent, or a name that is no part of a results tree
