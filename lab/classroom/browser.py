"""Teacher and student in a real browser: OpenVidu's own client in the system's Chromium.

    with Browser.start(url, ca=ca) as browser:
        teacher = browser.join("teacher", teacher_token)
        stream = teacher.publish()
        student = browser.join("student", student_token)
        student.sees(stream, timeout=2)

The pages are ours (``pages/``), the client is npm's openvidu-browser 2.13.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.classroom.started_chromium import Started, driver, here, on_host
from lab.classroom.token import Token, without_tokens
from lab.errors import LabError
from lab.session import Lab
from lab.wait import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: What a page or the browser may take for one act, in seconds.
ACT_TIMEOUT_S = 10.0


class PageFailed(LabError):
    """A page could not do what was asked of it; ``found`` is what the client said."""


@dataclass(frozen=True)
class Seen:
    """What a page has of a remote stream.

    ``width``, ``height`` in pixels (0: no picture yet); ``codec`` as in ``video/VP8``; ``source``
    as OpenVidu's typeOfVideo; ``audio_energy`` as in WebRTC's ``totalAudioEnergy``. The first frame
    was on the screen ``after_stream_ms`` since the client told of the stream, ``after_join_ms``
    since it was asked to join; None before.
    """

    width: int = 0
    height: int = 0
    codec: str | None = None
    source: str | None = None
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
        return self._publish(
            {
                "publishAudio": True,
                "publishVideo": True,
                "resolution": f"{width}x{height}",
                "frameRate": rate,
                "mirror": False,
            }
        )

    def share_screen(self, *, rate: int = 15) -> str:
        """Publish the picture of the (fake) screen; returns the stream's id."""
        return self._publish(
            {"publishAudio": False, "videoSource": "screen", "frameRate": rate, "mirror": False}
        )

    def _publish(self, options: dict[str, Any]) -> str:
        stream: str = self._call("participant.publish('own', argument)", options)
        return stream

    def unpublish(self) -> None:
        """Take the published stream back; another can be published then."""
        self._call("participant.unpublish()")

    def mute(self) -> None:
        """Go on publishing audio, without any sound in it."""
        self._call("participant.setAudio(false)")

    def unmute(self) -> None:
        self._call("participant.setAudio(true)")

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

    def hears(self, stream: str, *, packets: int, timeout: float) -> float:
        """The energy of the sound in the next so many audio packets of a stream (20 ms each).

        Raises `WaitTimeout` when they do not come within ``timeout`` s.
        """
        start = self.seen(stream)
        end = self._after_packets(stream, start.audio_packets + packets, timeout)
        return end.audio_energy - start.audio_energy

    def _after_packets(self, stream: str, count: int, timeout: float) -> Seen:
        def arrived() -> Seen:
            seen = self.seen(stream)
            if seen.audio_packets < count:
                raise PageFailed(
                    f"{stream} has too few audio packets",
                    found=str(seen.audio_packets),
                    expected=str(count),
                )
            return seen

        what = f"audio packet {count} of {stream}"
        return wait_for(what, arrived, timeout=timeout, slowest=0.1)

    def shows_more(self, stream: str, *, frames: int, timeout: float) -> None:
        """Wait until so many more frames of a stream were decoded; raises `WaitTimeout`."""
        before = self.seen(stream).frames_decoded

        def more() -> bool:
            decoded = self.seen(stream).frames_decoded - before
            if decoded < frames:
                raise PageFailed(f"the picture of {stream} stands", found=f"{decoded} more frames")
            return True

        wait_for(f"{frames} more frames of {stream}", more, timeout=timeout)

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
    """A Chromium without a window; made by `start` and `on_machines`.

    Its pages share one profile, and so the browser's processes.
    """

    def __init__(self, started: Started) -> None:
        self._started = started
        version = started.chromium.version.partition(".")[0]
        self._profile = started.chromium.new_context(
            # The client takes "HeadlessChrome" for Safari, and plays no remote video there.
            user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/{version}.0.0.0 Safari/537.36"
        )
        self._profile.set_default_timeout(ACT_TIMEOUT_S * 1000)

    @classmethod
    @contextmanager
    def start(cls, url: str, *, ca: Path | None = None) -> Iterator[Browser]:
        """This machine's, for the classroom at ``url``, whose certificate must be by ``ca``.

        Raises `ToolMissing` without Chromium, `SystemDown` when the classroom cannot be
        reached or trusted.
        """
        with driver() as playwright, here(playwright, url, ca) as started:
            yield cls(started)

    @classmethod
    @contextmanager
    def on_machines(cls, lab: Lab, hosts: Iterable[str]) -> Iterator[dict[str, Browser]]:
        """Those of some hosts of a lab, by the hosts' names; raises what `on_host` raises."""
        with driver() as playwright, ExitStack() as browsers:
            yield {
                host: cls(browsers.enter_context(on_host(playwright, lab, host)))
                for host in dict.fromkeys(hosts)
            }

    def join(self, role: str, token: Token) -> BrowserParticipant:
        """Open the page of a role (``teacher``, ``student``), and join."""
        page = self._profile.new_page()
        page.goto(f"{self._started.pages}/{role}.html")
        participant = BrowserParticipant(page)
        participant.join(token, role)
        return participant

    def cut(self) -> int:
        """Cut what its pages have open to the classroom, once; return how many connections.

        Raises `LabError` for a host's browser, whose connections do not pass here.
        """
        if self._started.way is None:
            raise LabError("only this machine's browser can be cut off")
        return self._started.way.cut()

    def close_pages(self) -> None:
        """Close every page; the classroom takes who has not left for lost."""
        for page in self._profile.pages:
            page.close()
