"""Garbage in offers and at media ports is refused or dropped, and all other media flows on."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pylibsrtp
import pytest
from aiortc.rtp import RtpPacket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.classroom.attendee import ClassroomLoop
from lab.classroom.embedded.frames import STRAY_MS, FrameReader
from lab.classroom.embedded.media import MediaFaults, MediaPlane, OfferRefused
from lab.classroom.embedded.untrusted import media_of
from lab.classroom.loopback_ice import candidates_on
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from tests.classroom_backend.people import Person, recorded_offer
from tests.classroom_backend.running import ADDRESS, Backend
from tests.classroom_backend.test_forwarding import CountedOpus, Scene, in_loop, scene

OFFER = recorded_offer("publishVideo")
LINES = OFFER.split("\r\n")

# -- offers -----------------------------------------------------------------------------

#: What a line of an offer may be replaced by.
_LINE = st.one_of(
    st.sampled_from([
        "m=audio 9 UDP/TLS/RTP/SAVPF",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=mid:0",
        "a=rtpmap:96 VP8/x",
        "a=rtpmap:111",
        "a=fmtp:96 apt=",
        "a=extmap:0 x",
        "a=ssrc:-1 cname:x",
        "a=ssrc:99999999999999 cname:x",
        "a=rtcp-fb:* nack",
        "a=group:BUNDLE 0 1 2 3",
        "a=setup:holdconn",
        "a=fingerprint:sha-256 zz",
        "a=fingerprint:md5 00",
        "a=candidate:1 1 udp 1 somebody.local 9 typ host",
        "a=candidate:1 1 udp x 127.0.0.1 9 typ host",
        "a=candidate:1 1 udp 1 127.0.0.1 99999 typ host",
        "a=candidate:",
        "a=ice-options:ice2 trickle",
        "a=inactive",
    ]),
    st.text(alphabet=st.characters(codec="latin-1"), max_size=60),
)  # fmt: skip


@st.composite
def spoilt_offers(draw: st.DrawFn) -> str:
    """A recorded offer with some lines replaced, doubled, left out or in disorder."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["replace", "double", "remove", "move", "cut"])):
            case "replace":
                lines[at] = draw(_LINE)
            case "double":
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case "remove" if len(lines) > 1:
                del lines[at]
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case _:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return "\r\n".join(lines)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoilt_offers())
def test_a_spoilt_offer_is_answered_or_refused(offer: str) -> None:
    async def answered() -> None:
        with candidates_on([ADDRESS]):
            plane = MediaPlane(MediaFaults())
            try:
                publication = await plane.publish(offer)
            except OfferRefused:
                return
            try:
                assert publication.answer_sdp.startswith("v=0")
            finally:
                await publication.close()

    asyncio.run(asyncio.wait_for(answered(), 10))


# -- frames -----------------------------------------------------------------------------

_PACKETS = st.lists(
    st.tuples(
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.sampled_from([1, 2]),
        st.binary(max_size=40)
        | st.binary(max_size=12).map(lambda data: b"\x10\x00\x00\x00\x9d\x01\x2a" + data),
    ),
    max_size=60,
)


@pytest.mark.parametrize("more", ["a=x", "a=rtpmap:96 VP8/90000"])
def test_an_offer_of_more_than_browsers_have_is_left_alone(more: str) -> None:
    with pytest.raises(ValueError, match="more than 600 lines, or 128 codecs"):
        media_of(f"{OFFER}{more}\r\n" + f"{more}\r\n" * 599, ("audio", "video"))


@settings(deadline=None)
@given(st.sampled_from(["audio", "video"]), _PACKETS)
def test_frames_of_any_packets_stay_near_their_arrival(
    kind: str, packets: list[tuple[int, int, int, bytes]]
) -> None:
    now = [100.0]
    reader = FrameReader(kind, keyframe=lambda: None, clock=lambda: now[0])
    for number, timestamp, ssrc, payload in packets:
        now[0] += 0.02
        packet = RtpPacket(
            payload_type=96, sequence_number=number, timestamp=timestamp, ssrc=ssrc, payload=payload
        )
        for frame in reader.add(packet):
            assert 0 <= frame.at_ms <= (now[0] - 100) * 1000 + STRAY_MS
            assert frame.data


# -- at media ports ---------------------------------------------------------------------


def garbage(seed: int) -> Iterator[bytes]:
    """Datagrams that look like STUN, DTLS, RTP, RTCP, and like nothing at all."""
    chance = random.Random(seed)  # noqa: S311 - garbage, the same each time
    yield b""
    for _ in range(60):
        body = chance.randbytes(chance.randrange(0, 200))
        cookie = struct.pack("!I", 0x2112A442)
        attributes = struct.pack("!HH", chance.choice([6, 8, 0x20, 0x8028, 9]), 4) + body[:4]
        yield body
        yield struct.pack("!HH", chance.choice([1, 0x101, 0x111]), len(body)) + cookie + body
        yield (
            struct.pack("!HH", 1, len(attributes)) + cookie + bytes(12) + attributes
        )  # a binding request, unauthenticated
        yield bytes([chance.choice([20, 21, 22, 23]), 0xFE, 0xFD]) + body  # DTLS
        yield bytes([0x80 | chance.randrange(64), chance.randrange(256)]) + body  # RTP, RTCP


@pytest.fixture
def api(shared_backend: Backend) -> Iterator[ClassroomApi]:
    with shared_backend.api() as api:
        yield api


def ports_of(backend: Backend) -> set[int]:
    """The UDP ports on which the backend's process listens now."""
    process = Path(f"/proc/{backend.process.pid}")
    inodes = set()
    for link in (process / "fd").iterdir():
        if (target := str(link.readlink())).startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for line in (process / "net" / "udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes:
            address, port = fields[1].split(":")
            assert socket.inet_ntoa(struct.pack("<I", int(address, 16))) == ADDRESS
            found.add(int(port, 16))
    return found


def test_garbage_at_the_media_ports_disturbs_nobody(
    shared_backend: Backend, api: ClassroomApi
) -> None:
    session = api.create_session().id
    with ClassroomLoop() as loop:
        teacher, student = (
            loop.join(shared_backend.url, api.create_token(session, role), ca=shared_backend.ca)
            for role in (Role.MODERATOR, Role.SUBSCRIBER)
        )
        stream = teacher.publish_tone(440)
        student.subscribe(stream)
        ports = ports_of(shared_backend)
        assert len(ports) >= 2
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for port in ports:
                for datagram in garbage(port):
                    stranger.sendto(datagram, (ADDRESS, port))
        student.hear(stream, 0.2)
        heard = student.hear(stream, 0.5)
        assert heard.packets > 15
        assert heard.lost == 0
        assert heard.sound is not None
        assert heard.sound.frequency_hz == pytest.approx(440, abs=5)


def test_bad_offers_over_signalling_leave_the_others_alone(
    shared_backend: Backend, api: ClassroomApi
) -> None:
    session = api.create_session().id
    with ClassroomLoop() as loop:
        teacher, student = (
            loop.join(shared_backend.url, api.create_token(session, role), ca=shared_backend.ca)
            for role in (Role.MODERATOR, Role.SUBSCRIBER)
        )
        stream = teacher.publish_tone(440)
        student.subscribe(stream)
        vandal = Person(shared_backend)
        vandal.join(session)
        for offer in ("", "v=0", OFFER[:300], OFFER.replace("a=fingerprint", "a=x")):
            published = vandal.call(
                "publishVideo", sdpOffer=offer, doLoopback=False, hasAudio=True, hasVideo=False
            )
            assert published["error"]["code"] == -1
            received = vandal.call("receiveVideoFrom", sender=stream, sdpOffer=offer)
            assert received["error"]["code"] == 302
        mdns = "candidate:1 1 udp 1 somebody.local 9 typ host"
        assert "result" in vandal.call(
            "receiveVideoFrom",
            sender=stream,
            sdpOffer=recorded_offer("receiveVideoFrom") + f"a={mdns}\r\n",
        )
        assert "error" not in vandal.call(
            "onIceCandidate",
            endpointName=teacher.connection_id,
            candidate=mdns,
            sdpMid="0",
            sdpMLineIndex=0,
        )
        student.hear(stream, 0.2)
        heard = student.hear(stream, 0.5)
        assert heard.packets > 15
        ports_of(shared_backend)  # each is on the backend's own address
        vandal.close()


@in_loop
async def test_garbage_of_a_publisher_who_may_send_harms_that_publisher_alone() -> None:
    """What comes by a publisher's own SRTP is decrypted, and is garbage only then."""
    async with scene(CountedOpus()) as on, scene(CountedOpus()) as other:
        await on.heard["audio"].until(bool)
        await _send_garbage(on)
        before = len(other.heard["audio"].packets)
        await other.heard["audio"].until(lambda packets: len(packets) > before + 20)
        before = len(on.heard["audio"].packets)
        await on.heard["audio"].until(lambda packets: len(packets) > before + 20)


async def _send_garbage(on: Scene) -> None:
    dtls = on.publisher.getSenders()[0].transport
    ssrc = on.publisher.getSenders()[0]._ssrc
    chance = random.Random(7)  # noqa: S311
    newest = on.heard["audio"].packets[-1].sequence_number + 500
    for i in range(300):
        body = chance.randbytes(chance.randrange(0, 100))
        if i % 3 == 0:  # an RTP packet of a payload type and a source that are known
            head = struct.pack(
                "!BBHII", chance.choice([0x80, 0x90, 0xB0]), 96, newest + i & 0xFFFF, i, ssrc
            )
        elif i % 3 == 1:
            head = struct.pack("!BBH", 0x80 | chance.randrange(32), 200 + i % 8, len(body) // 4)
            head += struct.pack("!I", ssrc)
        else:
            head = struct.pack(
                "!BBHII", 0x80 | chance.randrange(64), chance.randrange(128), i, i, i
            )
        with suppress(pylibsrtp.Error):  # libsrtp sends no nonsense that it understands
            await dtls._send_rtp(head + body)
