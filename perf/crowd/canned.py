"""Media that is encoded once and sent over and over: a tone in Opus, a moving picture in VP8.

Encoding is what a publisher pays for; here a whole second of it is made when the first
publisher needs it, with aiortc's own encoders, so that one process can be many publishers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor
from av import AudioFrame, VideoFrame

from perf.profiles import Picture

#: Packets of audio in a second: 20 ms each.
AUDIO_RATE = 50
_SAMPLES = 960
_SAMPLE_RATE = 48_000
_TONE_HZ = 440.0


@dataclass(frozen=True)
class Loop:
    """RTP payloads of each picture (or sound) in turn.

    The first picture is a keyframe, and sent again only when somebody asks for one: after the
    last comes the second, as if the camera had jumped.
    """

    units: tuple[tuple[bytes, ...], ...]
    rate: int
    ticks: int


@cache
def tone() -> Loop:
    """A second of a tone of 440 Hz."""
    encoder = OpusEncoder()
    units = []
    for number in range(AUDIO_RATE + 5):
        phase = 2 * np.pi * _TONE_HZ * (np.arange(_SAMPLES) + number * _SAMPLES) / _SAMPLE_RATE
        samples = (0.5 * 32767 * np.sin(phase)).astype("<i2")
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = _SAMPLE_RATE
        frame.pts, frame.time_base = number * _SAMPLES, Fraction(1, _SAMPLE_RATE)
        payloads, _ = encoder.encode(frame)
        if payloads:
            units.append(tuple(payloads[:1]))
    return Loop(tuple(units[-AUDIO_RATE:]), AUDIO_RATE, _SAMPLES)


@cache
def picture(of: Picture) -> Loop:
    """Two seconds of a picture whose brightness moves; only the first is a keyframe."""
    encoder = Vp8Encoder()
    encoder.target_bitrate = of.kbps * 1000
    units = []
    for number in range(2 * of.rate):
        shade = np.add.outer(np.arange(of.height) * 2, np.arange(of.width)) + number * 5
        frame = VideoFrame.from_ndarray((shade % 256).astype(np.uint8), format="gray")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, of.rate)
        payloads, _ = encoder.encode(frame, force_keyframe=number == 0)
        units.append(tuple(_without_picture_id(payload) for payload in payloads))
    return Loop(tuple(unit for unit in units if unit), of.rate, 90_000 // of.rate)


def _without_picture_id(payload: bytes) -> bytes:
    """The loop begins again, but a picture's number may not (RFC 7741, 4.2)."""
    found, data = VpxPayloadDescriptor.parse(payload)
    plain = VpxPayloadDescriptor(found.partition_start, found.partition_id)
    return bytes(plain) + data
