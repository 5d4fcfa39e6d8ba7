"""Whole Opus and VP8 frames out of RTP packets, in order and with their times; nothing decoded.

Sources: RFC 3550, RFC 7741 (VP8 in RTP), RFC 6386 (VP8's frame header).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rtp import RtpPacket

#: How many packets are kept back while one before them is missing; then that one is lost.
_WAITING = {"audio": 8, "video": 32}
#: A packet this many numbers behind is no late one: its sender counts anew.
_FAR_BEHIND = 1000
_CLOCK_RATES = {"audio": 48_000, "video": 90_000}
#: A timestamp that is this far from the packet's arrival is not believed, in milliseconds.
STRAY_MS = 2000
#: A VP8 key frame has these three bytes after its frame tag, then width and height.
_VP8_START_CODE = b"\x9d\x01\x2a"


@dataclass(frozen=True)
class Frame:
    """``at_ms`` is counted from the reader's beginning; ``size`` is a key frame's picture."""

    at_ms: int
    data: bytes
    key: bool
    size: tuple[int, int] | None = None


class _Order:
    """Puts packets into the order of their numbers, which wrap."""

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._next: int | None = None
        self._early: dict[int, RtpPacket] = {}

    def add(self, packet: RtpPacket) -> Iterator[tuple[RtpPacket, bool]]:
        """The packets whose turn it is now, each with whether any before it were lost."""
        number = packet.sequence_number
        if self._next is None or _FAR_BEHIND < self._next - number & 0xFFFF < 0x8000:
            self._next = number
            self._early.clear()
        if number - self._next & 0xFFFF < 0x8000:  # else it comes too late, or once more
            self._early[number] = packet
            yield from self._due(self._waiting)

    def rest(self) -> Iterator[tuple[RtpPacket, bool]]:
        """What was kept back."""
        yield from self._due(0)

    def _due(self, waiting: int) -> Iterator[tuple[RtpPacket, bool]]:
        lost = False
        while self._early and self._next is not None:
            expected = self._next
            packet = self._early.pop(expected, None)
            if packet is not None:
                self._next = expected + 1 & 0xFFFF
                yield packet, lost
                lost = False
            elif len(self._early) > waiting:
                self._next = min(self._early, key=lambda number: number - expected & 0xFFFF)
                lost = True
            else:
                return


class FrameReader:
    """Reads one line of media. ``keyframe()`` is called when pictures were lost on the way."""

    def __init__(
        self,
        kind: str,
        *,
        keyframe: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_video = kind == "video"
        self._kind = kind
        self._keyframe = keyframe
        self._clock = clock
        self._began = clock()
        self._source: int | None = None
        self._order = _Order(_WAITING[kind])
        #: The parts so far of a picture; None until one begins.
        self._parts: list[bytes] | None = None
        #: The last frame's timestamp, and the time that was made of it.
        self._last: tuple[int, float] | None = None

    def add(self, packet: RtpPacket) -> Iterator[Frame]:
        """Take a packet, and yield the frames that it completes."""
        if packet.ssrc != self._source:
            self._source, self._last, self._parts = packet.ssrc, None, None
            self._order = _Order(_WAITING[self._kind])
        for due, lost in self._order.add(packet):
            yield from self._read(due, lost)

    def rest(self) -> Iterator[Frame]:
        """The frames that still waited for lost packets."""
        for due, lost in self._order.rest():
            yield from self._read(due, lost)

    def _read(self, packet: RtpPacket, lost: bool) -> Iterator[Frame]:
        if not self._is_video:
            if packet.payload:
                yield self._frame(packet.payload, packet.timestamp)
            return
        if lost:
            self._parts = None
            self._keyframe()
        try:
            descriptor, part = VpxPayloadDescriptor.parse(packet.payload)
        except ValueError:
            self._parts = None  # no VP8; nobody could show it
            return
        if descriptor.partition_start and descriptor.partition_id == 0:
            self._parts = []
        if self._parts is None:
            return
        self._parts.append(part)
        if packet.marker:
            data, self._parts = b"".join(self._parts), None
            if data:
                yield self._frame(data, packet.timestamp)

    def _frame(self, data: bytes, timestamp: int) -> Frame:
        at_ms = round(self._time_of(timestamp))
        if not self._is_video:
            return Frame(at_ms, data, key=True)
        size = picture_size(data)
        return Frame(at_ms, data, key=size is not None, size=size)

    def _time_of(self, timestamp: int) -> float:
        """Milliseconds since the beginning, by the media's clock while it is to be believed."""
        arrived = (self._clock() - self._began) * 1000
        at = arrived
        if self._last is not None:
            former, then = self._last
            ticks = (timestamp - former + (1 << 31)) % (1 << 32) - (1 << 31)
            at = then + ticks * 1000 / _CLOCK_RATES[self._kind]
            if abs(at - arrived) > STRAY_MS:
                at = max(arrived, then)
        self._last = (timestamp, at)
        return max(at, 0.0)


def begins_key_frame(payload: bytes) -> bool:
    """Whether an RTP payload is the first of a VP8 key frame."""
    try:
        return picture_size(VpxPayloadDescriptor.parse(payload)[1]) is not None
    except ValueError:
        return False


def picture_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height that a VP8 key frame tells; None for any other frame."""
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != _VP8_START_CODE:
        return None
    width, height = (int.from_bytes(frame[i : i + 2], "little") & 0x3FFF for i in (6, 8))
    return (width, height) if width and height else None
