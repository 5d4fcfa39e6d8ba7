"""Every private name of aiortc 1.16 that the forwarder touches, in one place.

aiortc decodes what it receives and encodes what it sends; a classroom server must do
neither. Its RTP layer is open enough to be used without: a receiver hands every packet,
with its statistics kept and its losses reported, to a jitter buffer, and a transport
protects and sends whatever bytes it is given. aiortc is pinned exactly, and
``tests/classroom_backend/test_forwarding.py`` guards each name by using it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from socket import SO_RCVBUF, SOL_SOCKET
from struct import Struct
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcdtlstransport import State
from aiortc.rtp import (
    RtcpByePacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    RtpPacket,
)
from pylibsrtp._binding import ffi, lib

#: Seconds on average between two sender reports of a leg, and until the first one, which
#: players wait for to bring sound and picture together (RFC 3550, 6.2).
REPORT_S = 5.0
FIRST_REPORT_S = 0.5

#: Some ten seconds of a publisher; the kernel's own 212,992 bytes are less than two.
_RECEIVE_BYTES = 2 << 20

#: RTP header of RFC 3550 without CSRCs or extensions: version, marker and payload type,
#: sequence number, timestamp, SSRC.
_HEADER = Struct("!BBHLL")
_VERSION_2 = 0x80
#: The item of a source description that says whose streams belong together (RFC 3550, 6.5.1).
_CNAME = 1


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


def selected_pair(connection: RTCPeerConnection) -> tuple[str, str] | None:
    """The local and the remote candidate that media travels between; None as long as none does."""
    for transceiver in connection.getTransceivers():
        ice: Any = transceiver.receiver.transport.transport
        for pair in ice._connection._nominated.values():
            return (
                f"candidate:{pair.local_candidate.to_sdp()}",
                f"candidate:{pair.remote_candidate.to_sdp()}",
            )
    return None


def receive_bursts(connection: RTCPeerConnection) -> None:
    """Let more of what comes wait in the kernel while this process is kept from reading it."""
    for transceiver in connection.getTransceivers():
        ice: Any = transceiver.receiver.transport.transport
        for protocol in ice._connection._protocols:
            socket = protocol.transport.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_RCVBUF, _RECEIVE_BYTES)


def payload_type(transceiver: RTCRtpTransceiver, mime_type: str) -> int | None:
    """The payload type that was negotiated for a codec ("audio/opus"), None if it was not."""
    for codec in transceiver._codecs:
        if codec.mimeType.lower() == mime_type.lower():
            return codec.payloadType
    return None


class Outlet:
    """What leaves to one subscriber for one kind of media, beside the sender's own loops.

    The sender keeps its SSRC, its RTCP and the transport; its track must never yield a frame.
    ``keyframe()`` is called when the subscriber lost the picture, and ``lost(sequence_number)``
    for each packet that it misses, by the publisher's numbers. When the publisher starts again
    (another SSRC), numbers and timestamps go on from where they were: SRTP and jitter buffers
    take a jump for packets from long ago.

    Every packet passes here for every subscriber: what does not change is looked up once, libsrtp
    works in one buffer of ours, and the socket is written to directly.
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
        self._ssrc: int = inside._ssrc
        self._payload_type = number
        self._octets = 0
        self._packets = 0
        self._clock_rate = clock_rate
        self._source: int | None = None
        self._newest = (0, 0, 0)
        self._number_shift = 0
        self._time_shift = 0
        self._dtls: Any = None
        self._pair: Any = None

        async def retransmit(sequence_number: int) -> None:
            lost(self, sequence_number - self._number_shift & 0xFFFF)

        inside._send_keyframe = keyframe
        inside._retransmit = retransmit
        inside._run_rtcp = self._report

    def send(self, packet: RtpPacket, payload: bytes, ntp_time: int) -> None:
        """Send a packet on with this leg's SSRC and payload type; dropped while not connected.

        ``ntp_time`` is when it is sent, in NTP's 64 bits, for the sender reports.
        """
        if self._dtls is None and not self._is_connected():
            return
        if self._dtls._state is not State.CONNECTED:
            return
        pair = self._nominated.get(1)
        if pair is not self._pair:
            if pair is None:
                return
            self._aim_at(pair)
        if packet.ssrc != self._source:
            self._join_on(packet, ntp_time)
        size = len(payload)
        if size > _LONGEST_PAYLOAD:
            return
        number = packet.sequence_number + self._number_shift & 0xFFFF
        timestamp = packet.timestamp + self._time_shift & 0xFFFFFFFF
        second = packet.marker << 7 | self._payload_type
        _HEADER.pack_into(_BYTES, 0, _VERSION_2, second, number, timestamp, self._ssrc)
        _BYTES[12 : 12 + size] = payload
        _LENGTH[0] = 12 + size
        if lib.srtp_protect(self._srtp, _PACKET, _LENGTH):
            return  # older than SRTP's replay window: nobody waits for it any more
        try:
            self._sendto(_BYTES[0 : _LENGTH[0]], self._address)
        except OSError:
            return  # its socket is full: a network would have lost it too
        self._packets += 1
        self._octets += size
        if number - self._newest[0] & 0xFFFF < 0x8000:  # not one that is sent again
            self._newest = (number, timestamp, ntp_time)

    def _is_connected(self) -> bool:
        dtls = self._sender.transport
        if dtls._state is not State.CONNECTED:
            return False
        self._dtls = dtls
        self._nominated = dtls.transport._connection._nominated
        self._srtp = dtls._tx_srtp._srtp[0]
        return True

    def _aim_at(self, pair: Any) -> None:
        self._pair = pair
        self._address = pair.remote_addr
        self._sendto = pair.protocol.transport.get_extra_info("socket")._sock.sendto

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

    async def _report(self) -> None:
        """Sender reports, in place of aiortc's: one a second of them is a tenth of the work."""
        sender = self._sender
        sender._RTCRtpSender__rtcp_started.set()
        name = [(_CNAME, sender._RTCRtpSender__cname.encode())]
        description = RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=self._ssrc, items=name)])
        wait = FIRST_REPORT_S
        with suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(wait * (0.5 + random.random()))  # noqa: S311 - RFC 3550, 6.2
                _, timestamp, ntp_time = self._newest
                if self._packets:
                    report = RtcpSenderInfo(
                        ntp_timestamp=ntp_time,
                        rtp_timestamp=timestamp,
                        packet_count=self._packets & 0xFFFFFFFF,
                        octet_count=self._octets & 0xFFFFFFFF,
                    )
                    sent = RtcpSrPacket(ssrc=self._ssrc, sender_info=report)
                    await sender._send_rtcp([sent, description])
                    wait = REPORT_S
        await sender._send_rtcp([RtcpByePacket(sources=[self._ssrc])])
        sender._RTCRtpSender__rtcp_exited.set()


#: Where libsrtp works: one packet at a time, of whatever leg.
_PACKET = ffi.new("char[]", 2048)
_BYTES = ffi.buffer(_PACKET)
_LENGTH = ffi.new("int *")
#: An Ethernet frame's worth less headers and SRTP's trailer.
_LONGEST_PAYLOAD = 1400
