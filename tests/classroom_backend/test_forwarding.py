"""The media plane between real aiortc peers: bytes go through as they are, feedback comes back.

These tests use every private name of aiortc that the forwarder touches: another version of
aiortc that lacks one fails here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from aiortc.rtp import RtpPacket
from av.packet import Packet

from lab.classroom.embedded.aiortc_inside import ask_for_keyframe, tap
from lab.classroom.embedded.media import (
    KEYFRAME_INTERVAL_S,
    OPUS_SILENCE,
    MediaFaults,
    MediaPlane,
    OfferRefused,
    Publication,
    Subscription,
)
from lab.classroom.loopback_ice import candidates_on
from tests.classroom_backend.people import recorded_offer

TIMEOUT_S = 20.0


def in_loop(test: Callable[..., Any]) -> Callable[..., None]:
    """Run an async test, bounded, with ICE on loopback."""

    def run() -> None:
        async def bounded() -> None:
            with candidates_on(["127.0.0.1"]):
                async with asyncio.timeout(TIMEOUT_S):
                    await test()

        asyncio.run(bounded())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


class CountedOpus(MediaStreamTrack):
    """An audio track of encoded packets, each of which is another: nothing could decode them."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self._due = asyncio.Event()

    async def recv(self) -> Packet:
        number = len(self.sent)
        packet = Packet(b"\xf8" + number.to_bytes(4, "big") * 10)
        packet.pts, packet.time_base = number * 960, Fraction(1, 48000)
        try:
            await asyncio.wait_for(self._due.wait(), 0.01)
        except TimeoutError:
            self.sent.append(bytes(packet))
        return packet


@dataclass
class Heard:
    """What one subscriber's receiver got, before any jitter buffer."""

    packets: list[RtpPacket] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, packet: RtpPacket) -> None:
        self.packets.append(packet)
        self._more.set()

    async def more(self) -> None:
        """Wait for the next packet."""
        self._more.clear()
        await self._more.wait()

    async def until(self, true: Callable[[list[RtpPacket]], bool]) -> None:
        while not true(self.packets):
            await self.more()


@dataclass
class Scene:
    """A publisher and a subscriber on one media plane."""

    publisher: RTCPeerConnection
    subscriber: RTCPeerConnection
    publication: Publication
    subscription: Subscription
    heard: dict[str, Heard]


@asynccontextmanager
async def scene(
    *tracks: MediaStreamTrack, faults: MediaFaults | None = None
) -> AsyncIterator[Scene]:
    plane = MediaPlane(faults or MediaFaults(blackhole=lambda: False, silence=lambda: False))
    publisher, subscriber = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    for track in tracks:
        publisher.addTransceiver(track, direction="sendonly")
    publication = await plane.publish(await _offer(publisher))
    await _accept(publisher, publication.answer_sdp)
    heard = {}
    for kind in ("audio", "video"):
        receiver = subscriber.addTransceiver(kind, direction="recvonly").receiver
        heard[kind] = Heard()
        tap(receiver, heard[kind].take)
    subscription = await publication.subscribe(await _offer(subscriber))
    await _accept(subscriber, subscription.answer_sdp)
    try:
        yield Scene(publisher, subscriber, publication, subscription, heard)
    finally:
        await asyncio.gather(
            *(end.close() for end in (subscription, publication, publisher, subscriber))
        )


async def _offer(connection: RTCPeerConnection) -> str:
    await connection.setLocalDescription(await connection.createOffer())
    return str(connection.localDescription.sdp)


async def _accept(connection: RTCPeerConnection, answer: str) -> None:
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))


@in_loop
async def test_payloads_arrive_byte_by_byte_as_they_were_sent() -> None:
    track = CountedOpus()
    async with scene(track) as on:
        audio = on.heard["audio"]
        await audio.until(lambda packets: len(packets) >= 50)
        got = [packet.payload for packet in audio.packets[:50]]
        first = track.sent.index(got[0])
        assert got == track.sent[first : first + 50]


@in_loop
async def test_a_subscriber_gets_its_own_ssrc_and_no_header_extension_of_the_publisher() -> None:
    async with scene(CountedOpus()) as on:
        audio = on.heard["audio"]
        await audio.until(bool)
        packet = audio.packets[0]
        assert f"a=ssrc:{packet.ssrc} " in on.subscription.answer_sdp
        assert packet.ssrc != on.publisher.getSenders()[0]._ssrc
        assert packet.extensions.mid is None


@in_loop
async def test_a_subscriber_is_told_what_was_sent_to_it() -> None:
    """Sender reports, for lip-sync and round-trip times, carry this leg's counts."""
    async with scene(CountedOpus()) as on:
        receiver = on.subscriber.getReceivers()[0]
        audio = on.heard["audio"]
        reports: list[Any] = []
        while not reports:
            await audio.more()
            stats = (await receiver.getStats()).values()
            reports = [s for s in stats if s.type == "remote-outbound-rtp" and s.packetsSent]
        assert reports[0].bytesSent == reports[0].packetsSent * 41
        assert reports[0].remoteTimestamp.year >= 2024


@in_loop
async def test_whoever_starts_to_watch_gets_a_keyframe() -> None:
    async with scene(VideoStreamTrack()) as on:
        asked = asyncio.Event()
        on.publisher.getSenders()[0]._send_keyframe = asked.set  # type: ignore[method-assign]
        await on.heard["video"].more()
        latecomer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        watching = latecomer.addTransceiver("video", direction="recvonly").receiver
        tap(watching, Heard().take)  # it decodes nothing, so it asks for nothing itself
        subscription = await on.publication.subscribe(await _offer(latecomer))
        await _accept(latecomer, subscription.answer_sdp)
        await asked.wait()
        await asyncio.gather(subscription.close(), latecomer.close())


@in_loop
async def test_whoever_loses_the_picture_gets_a_keyframe_and_many_at_once_get_one() -> None:
    async with scene(VideoStreamTrack()) as on:
        asked: list[float] = []
        sender: Any = on.publisher.getSenders()[0]
        sender._send_keyframe = lambda: asked.append(asyncio.get_running_loop().time())
        video = on.heard["video"]
        await video.more()
        receiver = on.subscriber.getReceivers()[1]
        while len(asked) < 3:
            for _ in range(10):
                await ask_for_keyframe(receiver, video.packets[0].ssrc)
            await video.more()
        assert min(asked[1] - asked[0], asked[2] - asked[1]) >= KEYFRAME_INTERVAL_S - 0.05


@in_loop
async def test_a_lost_video_packet_is_sent_again_to_the_one_who_misses_it() -> None:
    async with scene(VideoStreamTrack()) as on:
        video = on.heard["video"]
        await video.until(lambda packets: len(packets) >= 3)
        (outlet,) = on.publication.lines["video"].outlets
        send = outlet.send
        lost: list[int] = []

        def lose_one(packet: RtpPacket, payload: bytes, ntp_time: int) -> None:
            if lost:
                send(packet, payload, ntp_time)
            else:
                lost.append(packet.sequence_number)

        outlet.send = lose_one  # type: ignore[method-assign]
        await video.until(
            lambda packets: bool(lost) and lost[0] in [p.sequence_number for p in packets]
        )


@in_loop
async def test_faults_swallow_media_or_silence_it() -> None:
    on_now = {"blackhole": False, "silence": False}
    faults = MediaFaults(lambda: on_now["blackhole"], lambda: on_now["silence"])
    track = CountedOpus()
    async with scene(track, faults=faults) as on:
        audio = on.heard["audio"]
        await audio.until(bool)
        on_now["silence"] = True
        await audio.until(lambda packets: packets[-1].payload == OPUS_SILENCE)
        on_now.update(silence=False, blackhole=True)
        before = len(track.sent) + 20
        while len(track.sent) < before:
            await track.recv()
        swallowed = len(audio.packets)
        on_now["blackhole"] = False
        await audio.until(lambda packets: len(packets) > swallowed)
        gap = (
            audio.packets[swallowed].sequence_number - audio.packets[swallowed - 1].sequence_number
        )
        assert gap > 5


@in_loop
async def test_what_is_not_published_is_answered_inactive() -> None:
    async with scene(CountedOpus()) as on:
        audio, video = on.subscription.answer_sdp.split("m=video")
        assert "a=sendonly" in audio
        assert "a=inactive" in video


@in_loop
async def test_who_leaves_gets_no_more() -> None:
    async with scene(CountedOpus()) as on:
        await on.heard["audio"].until(bool)
        await on.subscription.close()
        assert not on.publication.lines["audio"].outlets


@in_loop
async def test_who_has_left_leaves_no_task_and_no_socket_behind() -> None:
    def kept() -> tuple[int, int]:
        return len(asyncio.all_tasks()), len([*Path("/proc/self/fd").iterdir()])

    async with scene(CountedOpus()) as staying:
        await staying.heard["audio"].until(lambda packets: len(packets) >= 20)
        before = kept()
        for _ in range(3):
            async with scene(CountedOpus(), VideoStreamTrack()) as on:
                await on.heard["audio"].until(bool)
                assert kept() > before
        # The last tasks end in the loop's next turns.
        while any(now > then for now, then in zip(kept(), before, strict=True)):
            await staying.heard["audio"].more()


@in_loop
async def test_a_publisher_that_starts_again_keeps_its_subscribers() -> None:
    """Numbers and times go on, or SRTP and jitter buffers would take the new ones for old."""
    async with scene(CountedOpus(), VideoStreamTrack()) as on:
        audio, video = on.heard["audio"], on.heard["video"]
        await audio.until(lambda packets: len(packets) > 5)
        await video.until(lambda packets: len(packets) > 5)
        (outlet,) = on.publication.lines["audio"].outlets
        again = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        fresh = CountedOpus()
        for track in (fresh, VideoStreamTrack()):
            again.addTransceiver(track, direction="sendonly")
        publication = Publication(MediaFaults(lambda: False, lambda: False))
        await publication.start(await _offer(again))
        await _accept(again, publication.answer_sdp)
        publication.take_over(on.publication)
        await on.publication.close()
        try:
            before = {kind: len(heard.packets) for kind, heard in on.heard.items()}
            await audio.until(lambda packets: len(packets) > before["audio"] + 10)
            await video.until(lambda packets: len(packets) > before["video"] + 10)
            assert publication.lines["audio"].outlets == {outlet}
            assert audio.packets[-1].payload in fresh.sent
            for heard in (audio, video):
                steps = [
                    (
                        later.sequence_number - earlier.sequence_number & 0xFFFF,
                        later.timestamp - earlier.timestamp & 0xFFFFFFFF,
                        later.ssrc == earlier.ssrc,
                    )
                    for earlier, later in pairwise(heard.packets)
                ]
                assert {(number, same) for number, _, same in steps} == {(1, True)}
                assert max(elapsed for _, elapsed, _ in steps) < 90_000 * TIMEOUT_S
        finally:
            await publication.close()
            await again.close()


VIDEO_IN_H264_ONLY = (
    recorded_offer("publishVideo")
    .replace("UDP/TLS/RTP/SAVPF 96 102", "UDP/TLS/RTP/SAVPF 102")
    .replace("a=rtpmap:96 VP8/90000\r\n", "")
)


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "garbage",
        "v=0\r\n",
        recorded_offer("publishVideo").replace("a=ice-ufrag", "a=x-ufrag"),
        recorded_offer("publishVideo").replace("a=fingerprint", "a=x-print"),
        VIDEO_IN_H264_ONLY,
        recorded_offer("publishVideo")[:400],
    ],
    ids=["empty", "garbage", "no media", "no ufrag", "no fingerprint", "H264 only", "cut"],
)
def test_an_offer_that_cannot_be_answered_is_refused(offer: str) -> None:
    async def publish() -> None:
        plane = MediaPlane(MediaFaults(blackhole=lambda: False, silence=lambda: False))
        with pytest.raises(OfferRefused):
            await plane.publish(offer)

    asyncio.run(publish())
