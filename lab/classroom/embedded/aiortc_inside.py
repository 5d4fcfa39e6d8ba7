"""Every private name of aiortc 1.16 that the forwarder touches, in one place.

aiortc decodes what it receives and encodes what it sends; a classroom server must do
neither. Its RTP layer is open enough to be used without: a receiver hands every packet,
with its statistics kept and its losses reported, to a jitter buffer, and a transport
protects and sends whatever bytes it is given. aiortc is pinned exactly, and
``tests/classroom_backend/test_aiortc_inside.py`` guards each name by using it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from struct import Struct
from typing import Any

import pylibsrtp
from aiortc import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcdtlstransport import State
from aiortc.rtp import RtpPacket

#: RTP header of RFC 3550 without CSRCs or extensions: version, marker and payload type,
#: sequence number, timestamp, SSRC.
_HEADER = Struct("!BBHLL")
_VERSION_2 = 0x80


class _Tap:
    """Stands where the jitter buffer stood, behind RR statistics, NACK, REMB and RTX."""

    def __init__(self, sink: Callable[[RtpPacket], None]) -> None:
        self._sink = sink

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Hand the packet on. Nothing is lost, and no frame is ever ready to be decoded."""
        self._sink(packet)
        return False, None


def tap(receiver: RTCRtpReceiver, sink: Callable[[RtpPacket], None]) -> None:
    """Give every RTP packet of ``receiver`` to ``sink``, undecoded and unordered."""
    inside: Any = receiver
    inside._RTCRtpReceiver__jitter_buffer = _Tap(sink)


def ask_for_keyframe(receiver: RTCRtpReceiver, ssrc: int) -> Coroutine[Any, Any, None]:
    """Send a picture loss indication to whoever sends stream ``ssrc`` to ``receiver``."""
    request: Coroutine[Any, Any, None] = receiver._send_rtcp_pli(ssrc)
    return request


def payload_type(transceiver: RTCRtpTransceiver, mime_type: str) -> int | None:
    """The payload type that was negotiated for a codec ("audio/opus"), None if it was not."""
    for codec in transceiver._codecs:
        if codec.mimeType.lower() == mime_type.lower():
            return codec.payloadType
    return None


class Outlet:
    """What leaves to one subscriber for one kind of media, beside the sender's own loop.

    The sender keeps its SSRC, its RTCP reports and the transport; its track must never
    yield a frame. ``keyframe()`` is called when the subscriber lost the picture, and
    ``lost(sequence_number)`` for each packet that it misses, by the publisher's numbers.
    When the publisher starts again (another SSRC), numbers and timestamps go on from where
    they were: SRTP and jitter buffers take a jump for packets from long ago.
    """

    def __init__(
        self,
        sender: RTCRtpSender,
        number: int,
        *,
        clock_rate: int,
        keyframe: Callable[[], None],
        lost: Callable[[Outlet, int], None],
    ) -> None:
        inside: Any = sender
        self._sender = inside
        self._payload_type = number
        self._octets = 0
        self._packets = 0
        self._clock_rate = clock_rate
        self._source: int | None = None
        self._newest = (0, 0, 0)
        self._number_shift = 0
        self._time_shift = 0

        async def retransmit(sequence_number: int) -> None:
            lost(self, sequence_number - self._number_shift & 0xFFFF)

        inside._send_keyframe = keyframe
        inside._retransmit = retransmit

    def send(self, packet: RtpPacket, payload: bytes, ntp_time: int) -> None:
        """Send a packet on with this leg's SSRC and payload type; dropped while not connected.

        ``ntp_time`` is when it is sent, in NTP's 64 bits, for the sender reports.
        """
        sender = self._sender
        dtls = sender.transport
        if dtls._state is not State.CONNECTED:
            return
        pair = dtls.transport._connection._nominated.get(1)
        if pair is None:
            return
        if packet.ssrc != self._source:
            self._join_on(packet, ntp_time)
        number = packet.sequence_number + self._number_shift & 0xFFFF
        timestamp = packet.timestamp + self._time_shift & 0xFFFFFFFF
        header = _HEADER.pack(
            _VERSION_2, packet.marker << 7 | self._payload_type, number, timestamp, sender._ssrc
        )
        try:
            protected = dtls._tx_srtp.protect(header + payload)
        except pylibsrtp.Error:
            return  # older than SRTP's replay window: nobody waits for it any more
        pair.protocol.transport.sendto(protected, pair.remote_addr)
        self._packets += 1
        self._octets += len(payload)
        sender._RTCRtpSender__ntp_timestamp = ntp_time
        sender._RTCRtpSender__rtp_timestamp = timestamp
        sender._RTCRtpSender__packet_count = self._packets
        sender._RTCRtpSender__octet_count = self._octets
        if number - self._newest[0] & 0xFFFF < 0x8000:  # not one that is sent again
            self._newest = (number, timestamp, ntp_time)

    def _join_on(self, packet: RtpPacket, ntp_time: int) -> None:
        """Let the numbers of a new source follow those that were sent last."""
        if self._source is not None:
            number, timestamp, then = self._newest
            elapsed = (ntp_time - then) * self._clock_rate >> 32
            self._number_shift = number + 1 - packet.sequence_number
            self._time_shift = timestamp + max(elapsed, 1) - packet.timestamp
        else:
            self._newest = (packet.sequence_number, packet.timestamp, ntp_time)
        self._source = packet.ssrc
