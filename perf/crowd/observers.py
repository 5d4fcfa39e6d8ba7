"""Those who sit among the students and take in another way what these take.

They decrypt, decode, or are Chromium, and are compared with the header-only students of the
first use case, where they sit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab.classroom.browser import Seen
from lab.classroom.media import Heard
from perf.crowd.chromium import InBrowser
from perf.crowd.people import Stream, Subscription
from perf.crowd.rooms import Rooms
from perf.crowd.tracks import Sent, TrackFigures, Window
from perf.profiles import BROWSER, OBSERVERS

#: Seconds that an observer listens who decodes everything: sounds take memory.
HEARING_S = 10.0
#: An observer who has this much less (or more) than the header-only students, in percentage
#: points of what was sent, tells of another lesson than theirs; if they had at least so much.
MOST_DIFFERENCE, WELL = 5.0, 99.0
#: Sounds or pictures that may be under way, or in a decoder, when a window opens or closes.
EDGE = 3


class Observed:
    """What header-only students and each kind of observer had in one window, as shares."""

    def __init__(self, rooms: Rooms) -> None:
        self.shares: dict[str, list[Share]] = {name: [] for name in ("header", *OBSERVERS, BROWSER)}
        self._rooms = rooms
        self._ears: list[tuple[Stream, asyncio.Task[Heard]]] = []
        self._pages: dict[tuple[str, str], Seen] = {}

    async def begin(self, hearing_s: float) -> None:
        """The window opens; who decodes listens for so long."""
        self._pages = await self._seen()
        for _, _, subscription, stream in self._rooms.subscriptions():
            if subscription.listener is not None:
                hearing = asyncio.create_task(subscription.listener.hear(hearing_s))
                self._ears.append((stream, hearing))

    def add(
        self, use_case: str, subscription: Subscription, tracks: Sequence[TrackFigures]
    ) -> None:
        """What one who counts packets had, in a part of the window."""
        if use_case == self._rooms.use_cases[0]:
            self.shares[subscription.kind] += [Share.of(track) for track in tracks]

    async def look_again(self, window: Window) -> None:
        """The window has just closed: what pages have now, less what they had."""
        after = await self._seen()
        streams = {stream.id: stream for _, _, _, stream in self._rooms.subscriptions()}
        for (who, stream), before in self._pages.items():
            if (who, stream) in after:
                seen = _shares_seen(before, after[who, stream], streams[stream], window)
                self.shares[BROWSER] += seen

    def hear_out(self, window: Window) -> None:
        """The window closed a while ago: what was heard, unless it was enough too early."""
        for sent, hearing in self._ears:
            if hearing.done():
                self.shares["decoding"] += _shares_heard(hearing.result(), sent, window.opened)
            hearing.cancel()

    async def _seen(self) -> dict[tuple[str, str], Seen]:
        """What pages have until now, by who and stream."""
        return {
            (person.who, subscription.stream): await person.body.seen(subscription.stream)
            for _, person, subscription, _ in self._rooms.subscriptions()
            if isinstance(person.body, InBrowser)
        }


@dataclass(frozen=True)
class Share:
    """How much of what was sent came, in percent: of audio packets, of video pictures."""

    what: str
    percent: float

    @classmethod
    def counted(cls, kind: str, came: int, sent: int) -> Share:
        """By who counts from a moment to another, with some on the way at both."""
        found = came + EDGE if came else 0
        return cls(kind, min(100.0, 100 * found / sent) if sent else 100.0)

    @classmethod
    def of(cls, track: TrackFigures) -> Share:
        sent, came = track.expected, track.expected - track.lost
        if track.kind == "video":
            sent, came = track.pictures_sent, track.pictures
        return cls(track.kind, 100 * came / sent if sent else 100.0)


def _shares_heard(heard: Heard, stream: Stream, opened: int) -> Iterator[Share]:
    """By decoded frames: of audio one a packet, of video one a picture."""
    window = Window(opened, opened + int(heard.window_s * 1e9))
    for kind, sent in stream.sent.items():
        expected = _sent(sent, window)
        decoded = heard.audio_frames if kind == "audio" else heard.video_frames
        yield Share.counted(kind, decoded, expected)


def _sent(sent: Sent, window: Window) -> int:
    """Sounds or pictures that were sent in a window."""
    times = np.array(sent.times, np.int64)
    if sent.kind == "video":
        times = times[np.array(sent.pictures, np.int64)]
    return window.count(times)


def _shares_seen(before: Seen, after: Seen, stream: Stream, window: Window) -> Iterator[Share]:
    """By what Chromium counts: packets of audio, decoded pictures of video."""
    for kind, sent in stream.sent.items():
        counter = "audio_packets" if kind == "audio" else "frames_decoded"
        expected, came = _sent(sent, window), getattr(after, counter) - getattr(before, counter)
        yield Share.counted(kind, came, expected)


def doubts(seen: Mapping[str, Sequence[Share]]) -> Iterator[str]:
    """Where an observer of the same streams contradicts the header-only students.

    It does when it had more than they say that came, or less where they say that all is well.
    Where they miss something themselves, a decoder may miss much more: a picture builds on others.
    """
    for observer in (*OBSERVERS, BROWSER):
        for what in sorted({share.what for share in seen.get(observer, ())}):
            theirs, cheap = _mean(seen[observer], what), _mean(seen["header"], what)
            if theirs is None or cheap is None:
                continue
            less = cheap >= WELL and theirs < cheap - MOST_DIFFERENCE
            if less or theirs > cheap + MOST_DIFFERENCE:
                yield (
                    f"a {observer} observer had {theirs:.1f} % of {what}, "
                    f"header-only students {cheap:.1f} %"
                )


def _mean(shares: Sequence[Share], what: str) -> float | None:
    values = [share.percent for share in shares if share.what == what]
    return float(np.mean(values)) if values else None
