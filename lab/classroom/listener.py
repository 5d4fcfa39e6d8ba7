"""A subscription to one stream, and what is heard of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from lab.classroom.media import Heard, Meter
from lab.classroom.peer import Peer
from lab.errors import WaitTimeout


class Listener:
    """A subscription: what comes of one stream, over one media connection after the other.

    ``connected_s`` and ``first_frame_s``: seconds from asking to subscribe until packets
    could flow, and until the first decoded frame (None while there was none). ``audio`` and
    ``video`` say what was asked for; ``since`` is when, by `time.monotonic`.
    """

    def __init__(self, stream: str, since: float, *, audio: bool, video: bool) -> None:
        self.stream = stream
        self.audio = audio
        self.video = video
        self.connected_s = 0.0
        self.first_frame_s: float | None = None
        self._peer: Peer | None = None
        self._meter = Meter()
        self._since = since
        #: Packets, lost ones and bytes of the media connections before this one.
        self._before = (0, 0, 0)

    async def attach(self, peer: Peer) -> None:
        """Receive over ``peer`` from now on; the former connection is closed."""
        former, self._peer = self._peer, peer
        self._meter.attach(peer.tracks)
        if former is None:
            self.connected_s = time.monotonic() - self._since
        else:
            self._before = _sum(self._before, await former.received())
            await former.close()

    async def first_frame(self, *, timeout: float = 5.0) -> float:
        """Wait for the first decoded frame; return `first_frame_s`."""
        try:
            async with asyncio.timeout(timeout):
                await self._meter.first_frame.wait()
        except TimeoutError:
            packets, _, _ = await self._received()
            raise WaitTimeout(
                f"nothing of stream {self.stream} could be played within {timeout:g} s",
                found=f"{packets} packets received",
                expected="a decoded frame",
            ) from None
        if self.first_frame_s is None:
            self.first_frame_s = self._meter.first_frame_at - self._since
        return self.first_frame_s

    async def hear(self, seconds: float) -> Heard:
        """What comes from now on for ``seconds``; less when the stream ends before."""
        meter, started = self._meter, time.monotonic()
        packets, lost, size = await self._received()
        audio, video = meter.audio_frames, meter.video_frames
        meter.open_window()
        with suppress(TimeoutError):  # the window's ordinary end
            async with asyncio.timeout(seconds):
                await meter.ended.wait()
        packets_now, lost_now, size_now = await self._received()
        return Heard(
            window_s=time.monotonic() - started,
            packets=packets_now - packets,
            lost=lost_now - lost,
            bytes=size_now - size,
            audio_frames=meter.audio_frames - audio,
            video_frames=meter.video_frames - video,
            sound=meter.sound(),
            picture=meter.picture(),
        )

    async def _received(self) -> tuple[int, int, int]:
        if self._peer is None:
            return self._before
        return _sum(self._before, await self._peer.received())

    async def close(self) -> None:
        await self._meter.close()
        if self._peer is not None:
            await self._peer.close()


def _sum(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
