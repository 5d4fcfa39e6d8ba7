"""What a test participant sends and hears: tones and pictures that are known, and meters.

A tone's frequency is the proof that what is heard is what was sent: silence, noise and
somebody else's tone all measure differently.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from aiortc.mediastreams import (
    AudioStreamTrack,
    MediaStreamError,
    MediaStreamTrack,
    VideoStreamTrack,
)
from av import AudioFrame, VideoFrame
from numpy.typing import NDArray

#: Level given to silence; 16-bit samples cannot be quieter and not silent.
SILENCE_DB = -96.0
#: Below this level no frequency is reported: Opus makes a little noise out of silence.
AUDIBLE_DB = -60.0
#: What a `PictureSource` sends: half of aiortc's pace.
PICTURES_PER_SECOND = 15
#: A gap between pictures is a freeze when it is this much longer than the average one.
FREEZE_S = 0.15
#: Half the width of the band around the strongest frequency that counts as the tone.
_TONE_BAND_HZ = 25.0


class ToneSource(AudioStreamTrack):
    """A sine of ``frequency`` Hz (below 4 kHz) in frames of 20 ms; ``level`` is of full scale.

    While ``muted`` it goes on sending, silence, as a browser's microphone does.
    """

    def __init__(self, frequency: float = 440.0, *, level: float = 0.5) -> None:
        super().__init__()
        self.frequency = frequency
        self.muted = False
        self._amplitude = level * 32767

    async def recv(self) -> AudioFrame:
        """The next frame, when it is due: mono, 16 bits, 8 kHz."""
        frame = await super().recv()  # silence, with the pace and the time stamp
        assert isinstance(frame, AudioFrame)
        if not self.muted:
            sample = (frame.pts or 0) + np.arange(frame.samples)
            phase = 2 * np.pi * self.frequency * sample / frame.sample_rate
            frame.planes[0].update((self._amplitude * np.sin(phase)).astype("<i2").tobytes())
        return frame


class PictureSource(VideoStreamTrack):
    """A picture whose brightness moves, `PICTURES_PER_SECOND`.

    While ``muted`` it goes on sending, black, as a browser's camera does.
    """

    def __init__(self, *, width: int = 320, height: int = 240) -> None:
        super().__init__()
        self.dimensions = (width, height)
        self.muted = False

    async def recv(self) -> VideoFrame:
        """The next picture, when it is due."""
        await self.next_timestamp()  # aiortc's pace is 30 a second
        pts, time_base = await self.next_timestamp()
        width, height = self.dimensions
        shade = np.add.outer(np.arange(height), np.arange(width)) + pts // 900
        if self.muted:
            shade = np.zeros((height, width), dtype=np.int64)
        frame = VideoFrame.from_ndarray((shade % 256).astype(np.uint8), format="gray")
        frame.pts, frame.time_base = pts, time_base
        return frame.reformat(format="yuv420p")


@dataclass(frozen=True)
class Sound:
    """What a stretch of sound is made of.

    ``energy`` as W3C's totalAudioEnergy has it: the square of the level (1 is full scale)
    times seconds. ``level_db``: dB of full scale, `SILENCE_DB` at least. ``frequency_hz``:
    the strongest frequency, None when below `AUDIBLE_DB`; ``purity``: its share of the
    energy, 0 to 1.
    """

    seconds: float
    energy: float
    level_db: float
    frequency_hz: float | None
    purity: float

    @classmethod
    def of(cls, samples: NDArray[np.float64], rate: int) -> Sound:
        """Measure mono samples (1 is full scale) taken ``rate`` times a second."""
        seconds = len(samples) / rate
        power = float(np.mean(samples**2)) if len(samples) else 0.0
        level = max(SILENCE_DB, 10 * np.log10(power)) if power > 0 else SILENCE_DB
        if level < AUDIBLE_DB:
            return cls(seconds, power * seconds, float(level), None, 0.0)
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
        frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
        strongest = int(np.argmax(spectrum[1:])) + 1
        band = np.abs(frequencies - frequencies[strongest]) <= _TONE_BAND_HZ
        centre = float(np.average(frequencies[band], weights=spectrum[band]))
        purity = float(spectrum[band].sum() / spectrum.sum())
        return cls(seconds, power * seconds, float(level), centre, purity)


@dataclass(frozen=True)
class Picture:
    """What a stretch of video is made of.

    ``brightness`` is the last picture's, from 0 (black) to 1. ``freezes`` counts the gaps
    between pictures that W3C's webrtc-stats calls so: as long as three average ones, and
    150 ms longer than one. ``rate``: pictures a second, from the first to the last.
    """

    width: int
    height: int
    rate: float
    freezes: int
    brightness: float

    @property
    def rate_percent(self) -> float:
        """Of the pictures that the suite's own sources send."""
        return 100 * self.rate / PICTURES_PER_SECOND

    @classmethod
    def of(cls, last: VideoFrame, times: Sequence[float]) -> Picture:
        """Measure pictures decoded at ``times`` (s), of which ``last`` is the last."""
        gaps = np.diff(times)
        average = float(gaps.mean()) if len(gaps) else 0.0
        longest = max(3 * average, average + FREEZE_S)
        luma = last.to_ndarray(format="gray")
        return cls(
            width=last.width,
            height=last.height,
            rate=1 / average if average else 0.0,
            freezes=int((gaps >= longest).sum()),
            brightness=float(luma.mean()) / 255,
        )


@dataclass(frozen=True)
class Heard:
    """What came of one stream in one window.

    ``packets`` and ``lost`` are of all its tracks; ``bytes`` is what the transport brought,
    SRTP and RTCP together. ``sound`` and ``picture`` are None when none was decoded.
    """

    window_s: float
    packets: int
    lost: int
    bytes: int
    audio_frames: int
    video_frames: int
    sound: Sound | None
    picture: Picture | None = None

    @property
    def loss_percent(self) -> float:
        """Of the packets that were sent."""
        return 100 * self.lost / max(1, self.packets + self.lost)


class Meter:
    """Takes every frame of some tracks, counts, and keeps what the current window needs.

    ``first_frame_at`` is when the first frame was decoded, by `time.monotonic`.
    """

    def __init__(self) -> None:
        self.audio_frames = 0
        self.video_frames = 0
        self.first_frame = asyncio.Event()
        self.first_frame_at = 0.0
        self.ended = asyncio.Event()
        self._rate = 48_000
        self._window: list[NDArray[np.float64]] = []
        self._picture_times: list[float] = []
        self._last_picture: VideoFrame | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def attach(self, tracks: Sequence[MediaStreamTrack]) -> None:
        """Start taking frames of these tracks, and no others; it has ended when they have."""
        for task in self._tasks:
            task.cancel()
        self.ended.clear()
        tasks = self._tasks = [asyncio.create_task(self._drain(track)) for track in tracks]

        def ended(_: object) -> None:
            if self._tasks is tasks:
                self.ended.set()

        asyncio.gather(*tasks, return_exceptions=True).add_done_callback(ended)

    async def _drain(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):  # aiortc's word for: the track has ended
            while True:
                frame = await track.recv()
                if isinstance(frame, AudioFrame):
                    self.audio_frames += 1
                    self._rate = frame.sample_rate
                    self._window.append(_mono(frame))
                elif isinstance(frame, VideoFrame):
                    self.video_frames += 1
                    self._picture_times.append(time.monotonic())
                    self._last_picture = frame
                if not self.first_frame.is_set():
                    self.first_frame_at = time.monotonic()
                    self.first_frame.set()

    def open_window(self) -> None:
        """Forget sound and pictures so far."""
        self._window.clear()
        self._picture_times.clear()

    def sound(self) -> Sound | None:
        """The sound since `open_window`; None when there was none at all."""
        if not self._window:
            return None
        return Sound.of(np.concatenate(self._window), self._rate)

    def picture(self) -> Picture | None:
        """The pictures since `open_window`; None when there was none at all."""
        if not self._picture_times or self._last_picture is None:
            return None
        return Picture.of(self._last_picture, self._picture_times)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _mono(frame: AudioFrame) -> NDArray[np.float64]:
    """Packed 16-bit samples as one channel between -1 and 1."""
    channels = len(frame.layout.channels)
    packed = frame.to_ndarray().reshape(-1, channels).astype(np.float64)
    mono: NDArray[np.float64] = packed.mean(axis=1) / 32768
    return mono
