"""One window of a crowd: what everybody had of the media, and whether that can be believed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from perf.crowd.link import PAYLOAD_TYPES
from perf.crowd.observers import HEARING_S, Observed, doubts
from perf.crowd.people import Stream, Subscription
from perf.crowd.rooms import Rooms
from perf.crowd.tracks import TrackFigures, Window, figures
from perf.generator import INTERVAL_S, GeneratorMonitor
from perf.load import GeneratorHealth
from perf.media_figures import MediaFigures
from perf.profiles import OBSERVERS

#: Seconds that packets may still be on their way when the window has closed.
STRAGGLERS_S = 0.5
#: Of a longer window, so many seconds are counted at a time, and their headers forgotten.
PART_S = 60.0


@dataclass(frozen=True)
class Watched:
    """A window's figures, the crowd's health, and what speaks against both."""

    window_s: float
    use_cases: dict[str, MediaFigures]
    health: GeneratorHealth
    doubts: tuple[str, ...]


async def watch(
    rooms: Rooms, seconds: float, enough: asyncio.Event, *, part_s: float = PART_S
) -> Watched:
    """Measure for so long, or until it is enough. A long window is counted part by part."""
    monitor = GeneratorMonitor()
    looking = _Looking(monitor)
    observed = Observed(rooms)
    await observed.begin(min(seconds, HEARING_S))
    counted = _Counted(rooms, observed)
    opened = began = time.monotonic_ns()
    monitor.start()
    while (left := seconds - (time.monotonic_ns() - opened) / 1e9) > part_s:
        await _pass(part_s, enough)
        if enough.is_set():
            break
        part = Window(began, time.monotonic_ns())
        await _pass(STRAGGLERS_S, asyncio.Event())
        await counted.add(part)
        began = part.closed
    await _pass(max(0.0, left), enough)
    health = monitor.stop()
    window = Window(opened, time.monotonic_ns())
    await observed.look_again(window)
    looking.stop()
    await _pass(STRAGGLERS_S, asyncio.Event())
    observed.hear_out(window)
    await counted.add(Window(began, window.closed), last=True)
    found = counted.found
    found[rooms.use_cases[0]].cpu_percent = health.cpu_percent  # nobody can tell whose it was
    seconds = (window.closed - opened) / 1e9
    return Watched(seconds, found, health, tuple(doubts(observed.shares)))


class _Counted:
    """What students had, by use case."""

    def __init__(self, rooms: Rooms, observed: Observed) -> None:
        self.found = {name: MediaFigures(students=rooms.students(name)) for name in rooms.use_cases}
        self._rooms = rooms
        self._observed = observed

    async def add(self, window: Window, *, last: bool = False) -> None:
        """Count one part; what came before its end is forgotten."""
        for use_case, person, subscription, stream in self._rooms.subscriptions():
            if subscription.kind not in ("header", "decrypting"):
                continue  # who counts by itself
            tracks = [*_tracks(subscription, stream, window)]
            self._observed.add(use_case, subscription, tracks)
            if person.part not in OBSERVERS:
                _count(self.found[use_case], tracks, last=last)
                if last:
                    _count_first(self.found[use_case], subscription, window)
            subscription.received.forget(window.closed)
            await asyncio.sleep(0)  # others have their turn: packets go on coming


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
    known = subscription.first_ns
    for kind, sent in stream.sent.items():
        came = subscription.received.of(PAYLOAD_TYPES[kind])
        found = figures(came, sent, window, first_ns=known.get(kind))
        if found.first_ns is not None:
            known.setdefault(kind, found.first_ns)
        yield found


def _count(media: MediaFigures, tracks: list[TrackFigures], *, last: bool) -> None:
    """Add what a student had of one stream."""
    for track in tracks:
        media.tracks += last
        media.silent += last and track.expected > 0 and track.lost == track.expected
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


def _count_first(media: MediaFigures, subscription: Subscription, window: Window) -> None:
    """Add how long picture and sound took; who has neither yet has waited until now at least."""
    moments = (subscription.first_ns.get(kind, window.closed) for kind in subscription.media)
    media.first_frame.record((max(moments) - subscription.asked_ns) / 1000)
