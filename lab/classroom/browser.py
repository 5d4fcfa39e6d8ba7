"""Teacher and student in a real browser: OpenVidu's own client in the system's Chromium.

    with Browser.start(url, ca=ca) as browser:
        teacher = browser.join("teacher", teacher_token)
        stream = teacher.publish()
        student = browser.join("student", student_token)
        student.sees(stream, timeout=2)

The pages are ours (``pages/``), the client is npm's openvidu-browser 2.13.0. They are given to
the browser as pages of the classroom's own origin, without a web server. Devices are Chromium's
fake ones: a moving picture with a beep every second.
"""

from __future__ import annotations

import base64
import hashlib
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lab.chromium import chromium
from lab.classroom.tls import trust
from lab.classroom.token import Token, without_tokens
from lab.errors import LabError, SystemDown
from lab.nodejs import npm_tree
from lab.wait import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page, Route

#: What a page or the browser may take for one act, in seconds.
ACT_TIMEOUT_S = 10.0
#: What Chromium may take to start, in seconds: on a busy machine it reads 300 MB from disk.
START_TIMEOUT_S = 20.0
#: How long connecting for the certificate may take, in seconds.
_CONNECT_TIMEOUT_S = 5.0

_PAGES = Path(__file__).parent / "pages"
_CLIENT = "openvidu-browser/static/js/openvidu-browser-2.13.0.min.js"
#: The pages' folder in the classroom's origin; requests for it never leave the browser.
_FOLDER = "iec4-pages"

_FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
)


class PageFailed(LabError):
    """A page could not do what was asked of it; ``found`` is what the client said."""


@dataclass(frozen=True)
class Seen:
    """What a page has of a remote stream.

    ``width``, ``height`` in pixels (0: no picture yet); ``codec`` as in ``video/VP8``;
    ``audio_energy`` as in WebRTC's ``totalAudioEnergy``. The first frame was on the screen
    ``after_stream_ms`` since the client told of the stream, ``after_join_ms`` since it was asked
    to join; None before.
    """

    width: int = 0
    height: int = 0
    codec: str | None = None
    frames_decoded: int = 0
    audio_energy: float = 0.0
    audio_packets: int = 0
    after_stream_ms: float | None = None
    after_join_ms: float | None = None


class BrowserParticipant:
    """A page that has joined. Every call is bounded and raises `PageFailed` with its reason."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.connection = ""

    def join(self, token: Token, name: str) -> None:
        self.connection = self._call("participant.join(...argument)", [token.url, name])

    def publish(self, *, width: int = 320, height: int = 240, rate: int = 15) -> str:
        """Publish audio and video of the fake devices; returns the stream's id."""
        options = {
            "publishAudio": True,
            "publishVideo": True,
            "resolution": f"{width}x{height}",
            "frameRate": rate,
            "mirror": False,
        }
        stream: str = self._call("participant.publish('own', argument)", options)
        return stream

    def seen(self, stream: str) -> Seen:
        """What this page has of a stream now; all zero when it does not watch it yet."""
        return Seen(**(self._call("participant.seen(argument)", stream) or {}))

    def sees(self, stream: str, *, timeout: float) -> Seen:
        """Wait until a stream's first frame is on the screen; raises `WaitTimeout`."""

        def picture() -> Seen:
            seen = self.seen(stream)
            if not seen.width or seen.after_join_ms is None:
                raise PageFailed(f"{stream} is not on the screen", found=str(seen))
            return seen

        return wait_for(f"the first frame of {stream}", picture, timeout=timeout)

    def told(self, name: str, *, timeout: float) -> dict[str, Any]:
        """Wait until the client tells of an event, by its OpenVidu name; raises `WaitTimeout`."""
        return wait_for(
            f"the browser client's event {name}",
            lambda: next((event for event in self.events() if event["name"] == name), None),
            timeout=timeout,
        )

    def events(self) -> list[dict[str, Any]]:
        """All that the client told: ``name, connection, stream, reason, at`` (ms)."""
        events: list[dict[str, Any]] = self._call("participant.events()")
        return events

    def leave(self) -> None:
        self._call("participant.leave()")

    def _call(self, expression: str, argument: object = None) -> Any:
        from playwright.sync_api import Error

        bounded = f"""(argument) => Promise.race([
            (async () => {expression})(),
            new Promise((_, reject) => setTimeout(
                () => reject(new Error("no end after {ACT_TIMEOUT_S:g} s")),
                {ACT_TIMEOUT_S * 1000}))])"""
        try:
            return self._page.evaluate(bounded, argument)
        except Error as error:
            raise PageFailed(
                f"{expression.partition('(')[0]} failed in the browser",
                found=without_tokens(error.message),
            ) from error


class Browser:
    """A Chromium without a window. Use as a context manager: it ends with all its pages."""

    def __init__(self, chromium: Chromium, url: str, owned: ExitStack) -> None:
        self._chromium = chromium
        self._url = url
        self._owned = owned
        self._client = npm_tree(_PAGES) / _CLIENT

    @classmethod
    def start(cls, url: str, *, ca: Path | None = None) -> Browser:
        """Start it for the classroom at ``url``, whose certificate must be by ``ca``.

        Raises `ToolMissing` without Chromium, `SystemDown` when the classroom cannot be
        reached or trusted.
        """
        from playwright.sync_api import sync_playwright

        flags = (*_FLAGS, f"--ignore-certificate-errors-spki-list={verified_key(url, ca)}")
        with ExitStack() as owned:
            playwright = owned.enter_context(sync_playwright())
            # Playwright's default leaves Chromium's sandbox off: it does not work as root, and
            # the only pages are ours.
            browser = playwright.chromium.launch(
                executable_path=chromium(),
                headless=True,
                args=flags,
                timeout=START_TIMEOUT_S * 1000,
            )
            owned.callback(browser.close)
            return cls(browser, url, owned.pop_all())

    def join(self, role: str, token: Token) -> BrowserParticipant:
        """Open the page of a role (``teacher``, ``student``) in a profile of its own, and join."""
        version = self._chromium.version.partition(".")[0]
        context = self._chromium.new_context(
            # The client takes "HeadlessChrome" for Safari, and plays no remote video there.
            user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/{version}.0.0.0 Safari/537.36"
        )
        context.set_default_timeout(ACT_TIMEOUT_S * 1000)
        # The browser cannot know where a page without a server came from, takes it for one of the
        # internet, and would ask a person before it connects to this machine or its network.
        context.grant_permissions(["local-network-access"], origin=self._url)
        context.route(f"{self._url}/{_FOLDER}/*", self._serve)
        page = context.new_page()
        page.goto(f"{self._url}/{_FOLDER}/{role}.html")
        participant = BrowserParticipant(page)
        participant.join(token, role)
        return participant

    def _serve(self, route: Route) -> None:
        name = urlsplit(route.request.url).path.rpartition("/")[2]
        route.fulfill(path=self._client if name == "openvidu-browser.js" else _PAGES / name)

    def close(self) -> None:
        self._owned.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()


def verified_key(url: str, ca: Path | None) -> str:
    """SHA-256 of the public key of the certificate at ``url``, in base64, verified by ``ca``.

    Chromium's certificates are the system's, and no user's; so the CA is judged here, and
    Chromium is told to accept this one key (an SPKI list) and no other.
    Raises `SystemDown` when there is no connection or no trust.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        with (
            socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S) as plain,
            trust(ca).wrap_socket(plain, server_hostname=host) as secure,
        ):
            certificate = secure.getpeercert(binary_form=True)
    except OSError as error:  # ssl.SSLError is one
        raise SystemDown(
            f"the classroom at {url} cannot be reached or trusted",
            found=str(error),
            expected=f"a certificate by {ca or 'a CA of this machine'}",
        ) from error
    assert certificate is not None, "a verified peer has a certificate"
    key = x509.load_der_x509_certificate(certificate).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode()
