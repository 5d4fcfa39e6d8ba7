"""What OpenVidu, its clients and its media peers send."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import httpx
from aiortc.rtp import RtpPacket

from benchmarks.mutation.recorded import bodies, seeds, signalling
from benchmarks.mutation.target import Target, text_of
from lab.classroom import errors, messages, records, resources, rest, token, wire
from lab.classroom import signalling as frames
from lab.classroom.embedded import frames as media
from lab.classroom.embedded import untrusted
from lab.errors import SystemDown

_SESSION = "wss://localhost:4443?sessionId=ses_A&token=tok_B&role=PUBLISHER&version=2.13.0"


def _frame(data: bytes) -> None:
    frame = frames.parse_frame(text_of(data))
    if isinstance(frame, frames.Notification):
        messages.read_notification(frame)


def _events() -> list[bytes]:
    """Webhooks, and lines of the CDR: what has a session's id and a time."""
    posted = (json.loads(frame)["body"] for frame in signalling("server2hook"))
    return seeds([*(json.dumps(body).encode() for body in posted), _WEBHOOK])


class _Answered(rest.ClassroomApi):
    """The client of the REST interface whose every answer is the given one."""

    content = b""

    def _request(self, method: str, path: str, *_: Any, **__: Any) -> httpx.Response:
        asked = httpx.Request(method, f"{self.url}{path.partition('?')[0]}")
        return httpx.Response(200, content=self.content, request=asked)


@cache
def _client() -> _Answered:
    return _Answered("https://127.0.0.1:1", None)


def _rest(data: bytes) -> None:
    api = _client()
    api.content = data
    api.sessions() if data.startswith(b'{"numberOfElements"') else api.session("a")


def _sessions() -> list[bytes]:
    answers = bodies("openvidu/rest", sides=("response",))
    told = [answer for answer in answers if b'"recordingMode"' in answer]
    return seeds(told, most=60)


def _offers() -> list[bytes]:
    offers = []
    for frame in map(json.loads, signalling("c2s")):
        params = frame.get("params") if isinstance(frame, dict) else None
        offer = params.get("sdpOffer") if isinstance(params, dict) else None
        if isinstance(offer, str) and len(offer) > 100:
            offers.append(offer.encode())
    return seeds([*offers, _OFFER], most=40)


def _offer(data: bytes) -> None:
    offer = text_of(data)
    untrusted.media_of(offer, ("audio", "video"))
    untrusted.without_names(offer)


def _packets(data: bytes) -> None:
    """Datagrams, each with its length before it, through one reader."""
    reader = media.FrameReader("video", keyframe=lambda: None)
    at = 0
    while at < len(data):
        size = data[at]
        packet = RtpPacket.parse(data[at + 1 : at + 1 + size])
        list(reader.add(packet))
        media.begins_key_frame(packet.payload)
        at += 1 + size
    list(reader.rest())


def _video() -> list[bytes]:
    """Three pictures of two packets each; the first is a key frame."""
    made = bytearray()
    for number in range(6):
        key = b"\x00\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00" if number == 0 else b"\x01\x02\x00"
        begins = number % 2 == 0
        packet = RtpPacket(
            payload_type=96,
            marker=0 if begins else 1,
            sequence_number=(65533 + number) & 0xFFFF,
            timestamp=3000 * (number // 2),
            ssrc=1234,
            payload=(b"\x90\x80\x80\x01" if begins else b"\x80\x80\x80\x01") + key + bytes(20),
        ).serialize()
        made += bytes([len(packet)]) + packet
    return [bytes(made)]


_WEBHOOK = (
    b'{"event":"webrtcConnectionDestroyed","sessionId":"s","timestamp":1600000000000,'
    b'"startTime":1600000000000,"duration":2.5,"reason":"unpublish","connection":"INBOUND",'
    b'"audioEnabled":true,"videoFramerate":30,"size":100,"status":"ready"}'
)
_CDR = b'{"participantLeft":{"sessionId":"s","timestamp":1,"participantId":"p","duration":3}}'
_ERROR = b'{"timestamp":1600000000000,"status":404,"error":"Not Found","message":"","path":"/api"}'
_OFFER = (
    b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    b"a=msid-semantic:WMS *\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=sendonly\r\na=mid:0\r\n"
    b"a=rtcp-mux\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
    b"a=ssrc:1 cname:a\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
    b"a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n"
    b"m=video 9 UDP/TLS/RTP/SAVPF 97 98\r\nc=IN IP4 0.0.0.0\r\na=sendonly\r\na=mid:1\r\n"
    b"a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=rtcp-mux\r\na=rtpmap:97 VP8/90000\r\n"
    b"a=rtcp-fb:97 nack pli\r\na=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=97\r\n"
    b"a=ssrc-group:FID 2 3\r\na=ssrc:2 cname:a\r\na=ice-ufrag:abcd\r\n"
    b"a=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n"
    b"a=candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host\r\na=end-of-candidates\r\n"
)

TARGETS = (
    Target(
        "signalling-frame",
        "JSON-RPC frames and the events in them",
        _frame,
        lambda: seeds(signalling("c2s", "s2c")),
        (wire.Malformed,),
        (frames, messages, wire),
    ),
    Target(
        "webhook",
        "OpenVidu's webhooks",
        records.read_webhook,
        _events,
        (wire.Malformed,),
        (records, wire),
    ),
    Target(
        "cdr-line",
        "lines of its call detail records",
        lambda data: records.read_cdr_line(text_of(data)),
        lambda: [_CDR, _WEBHOOK],
        (wire.Malformed,),
        (records, wire),
    ),
    Target(
        "classroom-rest",
        "OpenVidu's REST answers",
        _rest,
        _sessions,
        (SystemDown,),
        (rest, resources, wire),
    ),
    Target(
        "classroom-error",
        "the body of a refused REST call; any other gives None",
        lambda data: errors.ErrorBody.parse(text_of(data)),
        lambda: [_ERROR, _ERROR.replace(b"1600000000000", b'"2020-01-01T00:00:00.000+0000"')],
        (),
        (errors,),
    ),
    Target(
        "token",
        "a token's URL",
        lambda data: token.Token.from_url(text_of(data)),
        lambda: [_SESSION.encode(), f"{_SESSION}&coturnIp=1.2.3.4&turnCredential=x".encode()],
        (wire.Malformed,),
        (token,),
    ),
    Target(
        "sdp-offer",
        "an SDP offer",
        _offer,
        _offers,
        (ValueError, LookupError, TypeError, AttributeError, AssertionError),
        (untrusted,),
    ),
    Target(
        "ice-candidate",
        "a candidate; nonsense gives None",
        lambda data: untrusted.numeric_candidate(text_of(data)),
        lambda: [
            b"candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host generation 0 ufrag abcd",
            b"candidate:2 1 tcp 1 a.local 9 typ srflx raddr 0.0.0.0 rport 0 tcptype active",
        ],
        (),
        (untrusted,),
    ),
    Target(
        "rtp-video",
        "RTP packets with VP8 in them",
        _packets,
        _video,
        (ValueError,),
        (media,),
        text=False,
    ),
)
