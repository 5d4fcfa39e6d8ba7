"""What is sent and what came of it: the clear RTP headers of one track, and its figures.

A receiver keeps twelve bytes and a time for each packet; everything else is worked out when
the window has closed, in numpy. Times are nanoseconds of `time.monotonic_ns`, one clock for
every process of a machine.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

#: RTP's fixed header (RFC 3550, 5.1).
HEADER = np.dtype(
    [("first", "u1"), ("second", "u1"), ("number", ">u2"), ("stamp", ">u4"), ("ssrc", ">u4")]
)
CLOCK_RATES = {"audio": 48_000, "video": 90_000}
#: A picture that stands is a freeze: after three times the average between pictures, and
#: 150 ms more than it at least (W3C webrtc-stats, freezeCount).
FREEZE_FACTOR, FREEZE_MORE_NS = 3, 150_000_000
#: Pictures over which that average goes (W3C webrtc-stats).
FREEZE_PICTURES = 30

Numbers = npt.NDArray[np.int64]


class Sent:
    """The log of one track's sender: when each packet left, and which of them began a picture.

    ``first`` is the sequence number of the first packet.
    """

    def __init__(self, kind: str, first: int) -> None:
        self.kind = kind
        self.first = first
        self.times = array("q")
        self.stamps = array("q")
        #: Indexes of the last packets of pictures, and whether each was a keyframe.
        self.pictures = array("q")
        self.keys = array("b")

    def packet(self, now: int, stamp: int) -> None:
        self.times.append(now)
        self.stamps.append(stamp)

    def picture(self, key: bool) -> None:
        """The packet sent last ended a picture."""
        self.pictures.append(len(self.times) - 1)
        self.keys.append(key)


class Received:
    """Headers and times of everything that came over one link."""

    def __init__(self) -> None:
        self._headers = bytearray()
        self._times = array("q")
        self._first = asyncio.Event()
        self._any = False

    async def first(self, *, timeout: float) -> bool:
        """Wait for the first packet; whether it came in time (s)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._first.wait()
        return self._first.is_set()

    def take(self, buffer: memoryview, _size: int, now: int) -> None:
        """A `perf.crowd.link.Sink`."""
        if not self._any:
            self._any = True
            self._first.set()
        self._headers += buffer[:12]
        self._times.append(now)

    def forget(self, before: int) -> None:
        """Let go of what came earlier than that."""
        count = bisect_left(self._times, before)
        del self._times[:count]
        del self._headers[: count * HEADER.itemsize]

    def of(self, payload_type: int) -> Track:
        """What came of one payload type."""
        headers = np.frombuffer(bytes(self._headers), HEADER)
        mine = (headers["second"] & 0x7F) == payload_type
        return Track(headers[mine], np.array(self._times, np.int64)[mine])


@dataclass(frozen=True)
class Track:
    """Headers of one track and when they came, in the order of arrival."""

    headers: npt.NDArray[Any]
    times: Numbers

    @property
    def steps(self) -> Numbers:
        """Each packet's number, counted on from the first one's: 0, 1, 2, … without losses."""
        return _counted_on(self.headers["number"], 16)

    @property
    def marks(self) -> npt.NDArray[np.bool_]:
        """Which packets ended a picture."""
        return np.asarray(self.headers["second"] & 0x80, np.bool_)

    def within(self, window: Window) -> Track:
        inside = (self.times >= window.opened) & (self.times < window.closed)
        return Track(self.headers[inside], self.times[inside])


class Window(NamedTuple):
    """From when to when, by `time.monotonic_ns`."""

    opened: int
    closed: int

    def count(self, moments: Numbers) -> int:
        """How many of these moments lie within."""
        return int(((moments >= self.opened) & (moments < self.closed)).sum())


@dataclass
class TrackFigures:
    """What came of one track in one window.

    ``delays`` in microseconds, None where the server gives packets other numbers than the
    sender did. ``jitter_us``: the mean of |D| of RFC 3550, what its estimator averages to.
    ``pictures`` of ``pictures_sent`` were complete, at ``shown``. ``first_ns``: when the first
    picture that can be shown (audio: the first packet) was there, at any time, None without one.
    """

    kind: str
    expected: int = 0
    lost: int = 0
    duplicates: int = 0
    delays: npt.NDArray[np.float64] | None = None
    jitter_us: float | None = None
    pictures: int = 0
    pictures_sent: int = 0
    freezes: int = 0
    first_ns: int | None = None


def figures(
    track: Track, sent: Sent, window: Window, *, first_ns: int | None = None
) -> TrackFigures:
    """The figures of what one receiver had of a track whose sender's log is ``sent``.

    A packet is expected when it left within the window, and lost when it has not come until
    now. Where the server gives packets numbers of its own, losses are the gaps in these.
    ``first_ns`` is when the first picture was there, if that is known and its packets forgotten.
    """
    places = _places(track, sent)
    if places is None:
        found, shown = _by_numbers(track, sent, window)
    else:
        found, shown = _by_log(track, places, sent, window, first_ns)
    if sent.kind == "video":
        found.pictures = len(shown)
        left = _array(sent.times)[_array(sent.pictures)]
        found.pictures_sent = window.count(left)
        found.freezes = _freezes(shown, left, window) if found.pictures_sent else 0
    return found


def _places(track: Track, sent: Sent) -> Numbers | None:
    """Each packet's place in the sender's log; None when they are not the sender's numbers."""
    if not len(track.times):
        return np.empty(0, np.int64)
    left = _array(sent.times)
    # The newest packet of that number that had left when the first one came.
    newest = int(np.searchsorted(left, track.times[0], "right")) - 1
    number = int(track.headers["number"][0]) - sent.first
    places: Numbers = newest - (newest - number) % 65536 + track.steps
    if places.min() < 0 or places.max() >= len(left):
        return None
    same = _array(sent.stamps)[places] == track.headers["stamp"].astype(np.int64)
    return places if same.all() else None


def _by_log(
    track: Track, places: Numbers, sent: Sent, window: Window, first_ns: int | None
) -> tuple[TrackFigures, Numbers]:
    left = _array(sent.times)
    begin, end = np.searchsorted(left, window)
    there, first = np.unique(places, return_index=True)
    arrived = np.full(len(left), -1, np.int64)
    arrived[there] = track.times[first]
    came = arrived[begin:end] >= 0
    inside = (places >= begin) & (places < end)
    in_order = np.sort(first[(there >= begin) & (there < end)])
    found = TrackFigures(
        sent.kind,
        expected=int(end - begin),
        lost=int((~came).sum()),
        duplicates=int(inside.sum() - came.sum()),
        delays=(arrived[begin:end] - left[begin:end])[came] / 1000,
        jitter_us=_jitter((track.times[in_order] - left[places[in_order]]) / 1000),
    )
    if sent.kind == "audio":
        found.first_ns = int(track.times[0]) if len(track.times) else None
        return found, _NONE
    ends = _array(sent.pictures)
    if not len(ends):
        return found, _NONE
    # A picture is complete when all of its packets are there: at the last of their times.
    starts = np.concatenate(([0], ends[:-1] + 1))
    missing = np.concatenate(([0], np.cumsum(arrived < 0)))
    whole = missing[ends + 1] == missing[starts]
    at = np.maximum.reduceat(arrived[: ends[-1] + 1], starts)
    if first_ns is None:
        keys = np.flatnonzero(whole & np.array(sent.keys, np.bool_))
        if not len(keys):
            return found, _NONE
        first_ns = int(at[keys[0]])
        whole[: keys[0]] = False  # a picture that builds on none cannot be shown
    found.first_ns = first_ns
    return found, np.sort(at[whole & (ends >= begin) & (ends < end)])


def _by_numbers(track: Track, sent: Sent, window: Window) -> tuple[TrackFigures, Numbers]:
    inside = track.within(window)
    if not len(inside.times):
        expected = window.count(_array(sent.times))
        return TrackFigures(sent.kind, expected=expected, lost=expected), _NONE
    different = len(np.unique(inside.steps))
    expected = int(np.ptp(inside.steps)) + 1
    stamps = _counted_on(inside.headers["stamp"], 32) * (1e6 / CLOCK_RATES[sent.kind])
    found = TrackFigures(
        sent.kind,
        expected=expected,
        lost=expected - different,
        duplicates=len(inside.times) - different,
        jitter_us=_jitter(inside.times / 1000 - stamps),
    )
    if sent.kind == "audio":
        found.first_ns = int(track.times[0])
        return found, _NONE
    if track.marks.any():
        found.first_ns = int(track.times[track.marks][0])
    return found, inside.times[inside.marks]


_NONE: Numbers = np.empty(0, np.int64)


def _array(values: array[int]) -> Numbers:
    return np.array(values, np.int64)


def _counted_on(values: npt.NDArray[Any], bits: int) -> Numbers:
    """Counters of so many bits as steps from the first one, however often they began anew."""
    around, half = np.int64(1 << bits), np.int64(1 << bits - 1)
    counters: Numbers = values.astype(np.int64)
    steps = counters[1:] - counters[:-1]
    return np.concatenate(([0], np.cumsum((steps + half) % around - half)))


def _jitter(transit_us: npt.NDArray[np.float64]) -> float | None:
    return float(np.abs(np.diff(transit_us)).mean()) if len(transit_us) > 1 else None


def _freezes(shown: Numbers, left: Numbers, window: Window) -> int:
    """Pictures that stood too long, until the first one and after the last one included.

    Where the sender itself paused for so long (``left`` is when its pictures left), nothing froze.
    """
    if not len(shown):
        return 1
    moments = np.concatenate(([window.opened], shown, [window.closed]))
    gaps = np.diff(moments)
    count = 0
    for place in np.flatnonzero(gaps >= FREEZE_MORE_NS):
        before = gaps[max(1, place - FREEZE_PICTURES) : place]  # without the first, a part of one
        average = before.mean() if len(before) else float(np.median(gaps))
        most = max(FREEZE_FACTOR * average, average + FREEZE_MORE_NS)
        begin, end = np.searchsorted(left, moments[place : place + 2])
        paused = np.diff(left[max(0, begin - 1) : end + 1]).max(initial=0)
        count += bool(gaps[place] >= most > paused)
    return count
