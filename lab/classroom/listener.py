"""A subscription to one stream, and what is heard of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from lab.classroom.media import Heard, Meter
from lab.classroom.peer import Peer
from lab.errors import WaitTimeout


class Listener:
    """A subscription: what comes of one stream.

    ``connected_s`` and ``first_frame_s``: seconds from asking to subscribe until packets
    could flow, and until the first decoded frame (None while there was none).
    """

    def __init__(self, stream: str, peer: Peer, meter: Meter, since: float) -> None:
        self.stream = stream
        self.connected_s = time.monotonic() - since
        self.first_frame_s: float | None = None
        self._peer = peer
        self._meter = meter
        self._since = since

    async def first_frame(self, *, timeout: float = 5.0) -> float:
        """Wait for the first decoded frame; return `first_frame_s`."""
        try:
            async with asyncio.timeout(timeout):
                await self._meter.first_frame.wait()
        except TimeoutError:
            packets, _, _ = await self._peer.received()
            raise WaitTimeout(
                f"nothing of stream {self.stream} could be played within {timeout:g} s",
                found=f"{packets} packets received",
                expected="a decoded frame",
            ) from None
        if self.first_frame_s is None:
            self.first_frame_s = time.monotonic() - self._since
        return self.first_frame_s

    async def hear(self, seconds: float) -> Heard:
        """What comes from now on for ``seconds``; less when the stream ends before."""
        meter, started = self._meter, time.monotonic()
        packets, lost, size = await self._peer.received()
        audio, video = meter.audio_frames, meter.video_frames
        meter.open_window()
        with suppress(TimeoutError):  # the window's ordinary end
            async with asyncio.timeout(seconds):
                await meter.ended.wait()
        packets_now, lost_now, size_now = await self._peer.received()
        return Heard(
            window_s=time.monotonic() - started,
            packets=packets_now - packets,
            lost=lost_now - lost,
            bytes=size_now - size,
            audio_frames=meter.audio_frames - audio,
            video_frames=meter.video_frames - video,
            sound=meter.sound(),
        )

    async def close(self) -> None:
        await self._meter.close()
        await self._peer.close()
