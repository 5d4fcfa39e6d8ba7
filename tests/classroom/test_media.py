"""Sound is measured right, and flows between a client's peer and an aiortc peer on loopback."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aioice.ice
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from lab.classroom.listener import Listener
from lab.classroom.loopback_ice import addresses_towards, candidates_on
from lab.classroom.media import SILENCE_DB, PictureSource, Sound, ToneSource
from lab.classroom.messages import IceCandidate
from lab.classroom.peer import MediaFailed, Peer
from lab.errors import WaitTimeout

RATE = 48_000


def sine(frequency: float, level: float = 0.5, seconds: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency * np.arange(int(RATE * seconds)) / RATE)


@pytest.mark.parametrize("frequency", [120.0, 440.0, 1000.5, 3210.0])
def test_a_tone_is_recognized(frequency: float) -> None:
    sound = Sound.of(sine(frequency), RATE)
    assert sound.frequency_hz == pytest.approx(frequency, abs=1)
    assert sound.purity > 0.99
    assert sound.level_db == pytest.approx(-9.03, abs=0.1)  # 0.5 / sqrt(2)
    assert sound.energy == pytest.approx(0.125 * 0.5, rel=0.01)


def test_silence_noise_and_two_tones_are_not_taken_for_a_tone() -> None:
    silence = Sound.of(np.zeros(RATE), RATE)
    assert (silence.energy, silence.level_db, silence.frequency_hz) == (0.0, SILENCE_DB, None)
    noise = np.random.default_rng(1).normal(0, 0.2, RATE)
    assert Sound.of(noise, RATE).purity < 0.1
    chord = Sound.of(sine(440) + sine(880), RATE)
    assert chord.purity == pytest.approx(0.5, abs=0.05)
    assert Sound.of(np.zeros(0), RATE).energy == 0.0


def test_energy_adds_up_over_time() -> None:
    short, long = Sound.of(sine(440, seconds=0.5), RATE), Sound.of(sine(440, seconds=2), RATE)
    assert long.energy == pytest.approx(4 * short.energy, rel=0.01)
    assert long.level_db == pytest.approx(short.level_db, abs=0.01)


def test_aioice_still_asks_where_we_stand_in() -> None:
    """The private name that loopback_ice replaces exists, and is what gathering calls."""

    async def gathered(addresses: tuple[str, ...] | None) -> set[str]:
        connection = aioice.ice.Connection(ice_controlling=True)
        with candidates_on(addresses):
            await connection.gather_candidates()
        hosts = {candidate.host for candidate in connection.local_candidates}
        await connection.close()
        return hosts

    assert asyncio.run(gathered(("127.0.0.1", "127.0.0.7"))) == {"127.0.0.1", "127.0.0.7"}
    assert "127.0.0.1" not in asyncio.run(gathered(None))


def test_loopback_is_offered_to_loopback_only() -> None:
    assert addresses_towards("127.0.0.9") == ("127.0.0.1",)
    assert addresses_towards("::1") == ("::1",)
    assert addresses_towards("192.0.2.1") is None


# -- two peers ----------------------------------------------------------------------------


@asynccontextmanager
async def media_server() -> AsyncIterator[RTCPeerConnection]:
    server = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        yield server
    finally:
        await server.close()


async def answer_to(server: RTCPeerConnection, offer: str) -> str:
    await server.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
    with candidates_on(["127.0.0.3"]):
        await server.setLocalDescription(await server.createAnswer())
    return server.localDescription.sdp


async def listening(
    tone: ToneSource, picture: PictureSource | None, work: Callable[[Listener], Awaitable[None]]
) -> None:
    """Do ``work`` with a listener that receives what an aiortc peer on 127.0.0.3 sends."""
    peer = Peer("127.0.0.3")
    async with media_server() as server:
        offer = await peer.offer_to_receive(audio=True, video=picture is not None)
        assert "127.0.0.1" in offer
        server.addTrack(tone)
        if picture:
            server.addTrack(picture)
        answer = await answer_to(server, offer)
        await peer.accept(answer, timeout=10)
        listener = Listener("str", 0.0, audio=True, video=picture is not None)
        await listener.attach(peer)
        try:
            await listener.first_frame(timeout=10)
            await work(listener)
        finally:
            await listener.close()


def test_a_tone_is_heard_then_muted_then_another() -> None:
    tone = ToneSource(440)

    async def work(listener: Listener) -> None:
        heard = await listener.hear(0.5)
        assert heard.sound is not None
        assert heard.sound.frequency_hz == pytest.approx(440, abs=3)
        assert heard.sound.purity > 0.9
        assert heard.packets == pytest.approx(25, abs=8)
        assert heard.audio_frames == pytest.approx(25, abs=8)
        assert heard.bytes > heard.packets * 20
        tone.muted = True
        await listener.hear(0.3)  # what was on its way
        muted = await listener.hear(0.3)
        assert muted.packets == pytest.approx(15, abs=8)  # of this window alone
        assert muted.sound is not None
        assert muted.sound.frequency_hz is None
        assert muted.sound.energy < heard.sound.energy / 1000
        tone.muted, tone.frequency = False, 880
        await listener.hear(0.3)
        other = await listener.hear(0.3)
        assert other.sound is not None
        assert other.sound.frequency_hz == pytest.approx(880, abs=5)

    asyncio.run(listening(tone, None, work))


def test_pictures_arrive_too() -> None:
    async def work(listener: Listener) -> None:
        heard = await listener.hear(1.0)
        assert heard.video_frames >= 5
        assert heard.audio_frames >= 30

    asyncio.run(listening(ToneSource(440), PictureSource(), work))


def test_candidates_that_come_by_themselves_as_kurento_sends_them() -> None:
    async def work() -> None:
        peer = Peer("127.0.0.1")
        async with media_server() as server:
            answer = await answer_to(server, await peer.offer_to_send([ToneSource(440)]))
            found = re.findall(r"a=(candidate:.*)\r\n", answer)
            assert found
            bare = re.sub(r"a=(candidate:.*|end-of-candidates)\r\n", "", answer)
            waiting = asyncio.create_task(peer.accept(bare, timeout=10))
            for text in (*found, ""):
                await peer.add_candidate(IceCandidate("con", "str", 0, "0", text))
            await waiting
            await peer.add_candidate(IceCandidate("con", "str", 0, "0", found[0]))
        await peer.close()

    asyncio.run(work())


def test_an_answer_without_candidates_times_out() -> None:
    async def work() -> None:
        peer = Peer("127.0.0.1")
        async with media_server() as server:
            answer = await answer_to(server, await peer.offer_to_send([ToneSource(440)]))
            bare = re.sub(r"a=(candidate:.*|end-of-candidates)\r\n", "", answer)
            with pytest.raises(WaitTimeout, match="0 candidates of the server"):
                await peer.accept(bare, timeout=0.2)
        await peer.close()

    asyncio.run(work())


@pytest.mark.parametrize("answer", ["", "v=0\r\na=candidate:1", "a=candidate: nonsense"])
def test_an_answer_that_is_no_sdp(answer: str) -> None:
    async def work() -> None:
        peer = Peer("127.0.0.1")
        await peer.offer_to_send([ToneSource(440)])
        try:
            await peer.add_candidate(IceCandidate("con", "str", 0, "0", "candidate:x"))
            with pytest.raises(MediaFailed, match="cannot be used"):
                await peer.accept(answer, timeout=5)
        finally:
            await peer.close()

    asyncio.run(work())


def test_nothing_received_is_said_so() -> None:
    async def work() -> None:
        peer = Peer("127.0.0.1")
        await peer.offer_to_receive(audio=True, video=False)
        listener = Listener("str_x", 0.0, audio=True, video=False)
        await listener.attach(peer)
        with pytest.raises(WaitTimeout, match=r"nothing of stream str_x .* 0 packets received"):
            await listener.first_frame(timeout=0.1)
        heard = await listener.hear(0.05)
        assert (heard.packets, heard.sound) == (0, None)
        await listener.close()

    asyncio.run(work())
