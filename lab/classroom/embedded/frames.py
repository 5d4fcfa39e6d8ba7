"""Whole Opus and VP8 frames out of RTP packets, in order and with their times; nothing decoded.

The order is made by aiortc's jitter buffer, which looks at three attributes of a packet; a test
guards them. Sources: RFC 3550, RFC 7741 (VP8 in RTP), RFC 6386 (VP8's frame header).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

#: How many packets may be waited with for a late one; powers of two.
_WAITING = {"audio": 16, "video": 128}
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


@dataclass(frozen=True)
class _Piece:
    """What aiortc's jitter buffer wants of a packet."""

    sequence_number: int
    timestamp: int
    _data: bytes


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
        self._buffer = self._new_buffer()
        #: The last frame's timestamp, and the time that was made of it.
        self._last: tuple[int, float] | None = None

    def _new_buffer(self) -> JitterBuffer:
        return JitterBuffer(_WAITING[self._kind], is_video=self._is_video)

    def add(self, packet: RtpPacket) -> Iterator[Frame]:
        """Take a packet, and yield the frame that it completes, if any."""
        try:
            data = self._content(packet.payload)
        except ValueError:
            return  # no VP8; nobody could show it
        if packet.ssrc != self._source:
            self._source, self._last = packet.ssrc, None
            self._buffer = self._new_buffer()
        piece: object = _Piece(packet.sequence_number, packet.timestamp, data)
        lost, found = self._buffer.add(piece)  # type: ignore[arg-type]
        if lost:
            self._keyframe()
        if found is not None and found.data:
            yield self._frame(found.data, found.timestamp)

    def _content(self, payload: bytes) -> bytes:
        return VpxPayloadDescriptor.parse(payload)[1] if self._is_video else payload

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
