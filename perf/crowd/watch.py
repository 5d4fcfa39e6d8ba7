"""One window of a crowd: what everybody had of the media, and whether that can be believed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from lab.classroom.browser import Seen
from lab.classroom.media import Heard
from perf.crowd.chromium import InBrowser
from perf.crowd.link import PAYLOAD_TYPES
from perf.crowd.people import Stream, Subscription
from perf.crowd.rooms import Rooms
from perf.crowd.tracks import Sent, TrackFigures, Window, figures
from perf.generator import INTERVAL_S, GeneratorMonitor
from perf.load import GeneratorHealth
from perf.media_figures import MediaFigures
from perf.profiles import BROWSER, OBSERVERS

#: Seconds that packets may still be on their way when the window has closed.
STRAGGLERS_S = 0.5
#: Seconds that an observer listens who decodes everything: sounds take memory.
HEARING_S = 10.0
#: An observer who has this much less (or more) than the header-only students, in percentage
#: points of what was sent, tells of another lesson than theirs; if they had at least so much.
MOST_DIFFERENCE, WELL = 5.0, 99.0


@dataclass(frozen=True)
class Watched:
    """A window's figures, the crowd's health, and what speaks against both."""

    window_s: float
    use_cases: dict[str, MediaFigures]
    health: GeneratorHealth
    doubts: tuple[str, ...]


async def watch(rooms: Rooms, seconds: float, enough: asyncio.Event) -> Watched:
    """Measure for so long, or until it is enough."""
    monitor = GeneratorMonitor()
    looking = _Looking(monitor)
    ears = {
        id(subscription): asyncio.create_task(subscription.listener.hear(min(seconds, HEARING_S)))
        for _, _, subscription, _ in rooms.subscriptions()
        if subscription.listener is not None
    }
    before = await _seen(rooms)
    opened = time.monotonic_ns()
    monitor.start()
    await _pass(seconds, enough)
    health = monitor.stop()
    window = Window(opened, time.monotonic_ns())
    after = await _seen(rooms)
    looking.stop()
    await _pass(STRAGGLERS_S, asyncio.Event())
    for ear in ears.values():
        ear.cancel()  # if it was enough too early for it
    found = {name: MediaFigures(students=rooms.students(name)) for name in rooms.use_cases}
    found[rooms.use_cases[0]].cpu_percent = health.cpu_percent  # nobody can tell whose it was
    seen: dict[str, list[Share]] = {name: [] for name in ("header", *OBSERVERS, BROWSER)}
    for use_case, person, subscription, stream in rooms.subscriptions():
        if subscription.listener is not None:
            hearing = ears.get(id(subscription))
            if hearing is not None and hearing.done() and not hearing.cancelled():
                seen["decoding"] += _shares_heard(hearing.result(), stream, opened)
            continue
        if subscription.kind == BROWSER:
            key = person.who, subscription.stream
            if key not in before:
                continue  # its stream came within the window
            seen[BROWSER] += _shares_seen(before[key], after[key], stream, window)
            continue
        tracks = [*_tracks(subscription, stream, window)]
        if use_case == rooms.use_cases[0]:  # where the observers are
            seen[subscription.kind] += [Share.of(track) for track in tracks]
        if person.part not in OBSERVERS:
            _count(found[use_case], subscription, tracks, window)
        await asyncio.sleep(0)  # others have their turn: packets go on coming
    return Watched((window.closed - opened) / 1e9, found, health, tuple(doubts(seen)))


class _Looking:
    """Has the loop wake again and again, and tells a monitor how late it was."""

    def __init__(self, monitor: GeneratorMonitor) -> None:
        self._monitor = monitor
        self._loop = asyncio.get_running_loop()
        self._wake_at(self._loop.time() + INTERVAL_S)

    def _wake_at(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._monitor.woke(now - self._due)
        self._wake_at(now + INTERVAL_S)

    def stop(self) -> None:
        self._timer.cancel()


async def _pass(seconds: float, enough: asyncio.Event) -> None:
    """Let so many seconds go by, unless it is enough before."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await enough.wait()


def _tracks(subscription: Subscription, stream: Stream, window: Window) -> Iterator[TrackFigures]:
    for kind, sent in stream.sent.items():
        yield figures(subscription.received.of(PAYLOAD_TYPES[kind]), sent, window)


def _count(
    media: MediaFigures, subscription: Subscription, tracks: list[TrackFigures], window: Window
) -> None:
    """Add what a student had of one stream."""
    for track in tracks:
        media.tracks += 1
        media.silent += track.expected > 0 and track.lost == track.expected
        media.expected += track.expected
        media.lost += track.lost
        media.duplicates += track.duplicates
        media.pictures += track.pictures
        media.pictures_sent += track.pictures_sent
        media.freezes += track.freezes
        if track.delays is not None:
            media.delay.record_batch(track.delays)
        if track.jitter_us is not None:
            media.jitter.record(track.jitter_us)
    # Who has waited until the window's end for a first picture has waited so long at least.
    first = max(track.first_ns or window.closed for track in tracks)
    media.first_frame.record((first - subscription.asked_ns) / 1000)


@dataclass(frozen=True)
class Share:
    """How much of what was sent came, in percent: of audio packets, of video pictures."""

    what: str
    percent: float

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
        yield Share(kind, min(100.0, 100 * decoded / expected) if expected else 100.0)


def _sent(sent: Sent, window: Window) -> int:
    """Sounds or pictures that were sent in a window."""
    times = np.array(sent.times, np.int64)
    if sent.kind == "video":
        times = times[np.array(sent.pictures, np.int64)]
    return window.count(times)


async def _seen(rooms: Rooms) -> dict[tuple[str, str], Seen]:
    """What pages have until now, by who and stream."""
    return {
        (taken.person.who, taken.subscription.stream): await taken.person.body.seen(
            taken.subscription.stream
        )
        for taken in rooms.subscriptions()
        if isinstance(taken.person.body, InBrowser)
    }


def _shares_seen(before: Seen, after: Seen, stream: Stream, window: Window) -> Iterator[Share]:
    """By what Chromium counts: packets of audio, decoded pictures of video."""
    for kind, sent in stream.sent.items():
        counter = "audio_packets" if kind == "audio" else "frames_decoded"
        expected, came = _sent(sent, window), getattr(after, counter) - getattr(before, counter)
        yield Share(kind, min(100.0, 100 * came / expected) if expected else 100.0)


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
