"""ICE, DTLS and SRTP of one peer connection, without what aiortc puts above them.

Once connected, the link's datagrams no longer go through asyncio and aiortc: one `Reader`
takes them for all links of the process, looks at the first byte (RFC 7983), and gives RTP to
the link's sink as it is, encrypted behind its clear header. Only what belongs to ICE and DTLS
goes the old way. aiortc is pinned exactly; ``tests/perf/crowd/test_crowd.py`` guards the
private names of it, of aioice and of asyncio that are touched here, by using them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pylibsrtp
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from aiortc.rtcdtlstransport import State
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket
from aiortc.sdp import SessionDescription, candidate_from_sdp, candidate_to_sdp

from lab.classroom.loopback_ice import addresses_towards, candidates_on
from lab.classroom.peer import MediaFailed

#: Called with a packet in a buffer that is used again, its size, and when it was read
#: (`time.monotonic_ns`).
Sink = Callable[[memoryview, int, int], None]

_RTCP_PLI = 1  # RFC 4585, 6.3.1
_MAX_DATAGRAM = 2048
#: RTCP's packet types in the second byte (RFC 5761).
_RTCP_TYPES = range(192, 224)
_KIND_LINES = {
    "audio": ("111", ("a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1")),
    "video": (
        "96",
        (
            "a=rtpmap:96 VP8/90000",
            "a=rtcp-fb:96 nack",
            "a=rtcp-fb:96 nack pli",
            "a=rtcp-fb:96 goog-remb",
        ),
    ),
}
PAYLOAD_TYPES = {kind: int(number) for kind, (number, _) in _KIND_LINES.items()}


@dataclass(frozen=True)
class Offered:
    """One media section of an offer; ``ssrc`` is that of what is sent, None to receive."""

    kind: str
    ssrc: int | None = None


class Reader:
    """Reads every connected link's socket: one callback for however many are ready."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._takes: dict[int, Callable[[], None]] = {}
        asyncio.get_running_loop().add_reader(self._poll.fileno(), self._read)

    def add(self, fd: int, take: Callable[[], None]) -> None:
        self._takes[fd] = take
        self._poll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        if self._takes.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._poll.fileno())
        self._poll.close()

    def _read(self) -> None:
        """Everything that is there, a datagram of each socket in turn, but not for ever."""
        takes = self._takes
        for _ in range(8):
            ready = self._poll.poll(0, 1024)
            for fd, _event in ready:
                if fd in takes:
                    takes[fd]()
            if not ready:
                return


class Link:
    """One connection to the media server at the numeric address ``server``; we offer.

    ``sink`` is given the RTP packets that come, ``keyframe`` is called when the other side
    asks for one.
    """

    #: As in a browser's tab, connections share one certificate.
    _certificate: RTCCertificate | None = None

    def __init__(
        self,
        server: str,
        reader: Reader,
        sink: Sink | None = None,
        keyframe: Callable[[], None] | None = None,
    ) -> None:
        if Link._certificate is None:
            Link._certificate = RTCCertificate.generateCertificate()
        self._server = server
        self._reader = reader
        self._sink = sink or _nothing
        self._keyframe = keyframe
        self._gatherer = RTCIceGatherer(iceServers=[])
        connection: Any = self._gatherer._connection
        connection.ice_controlling = True  # who offers leads, before the first check comes in
        self._ice = RTCIceTransport(self._gatherer)
        inside: Any = RTCDtlsTransport(self._ice, [Link._certificate])
        self._dtls = inside
        self._fd = -1
        self._address: tuple[str, int] = ("", 0)
        self._protocol: Any = None

    async def offer(self, media: Sequence[Offered]) -> str:
        """The SDP offer of these media in one bundle, with all candidates."""
        with candidates_on(addresses_towards(self._server)):
            await self._gatherer.gather()
        ice = self._gatherer.getLocalParameters()
        lines = [
            "v=0",
            f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE " + " ".join(str(mid) for mid in range(len(media))),
            "a=msid-semantic:WMS *",
        ]
        for mid, section in enumerate(media):
            number, codec = _KIND_LINES[section.kind]
            lines += [
                f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {number}",
                "c=IN IP4 0.0.0.0",
                "a=recvonly" if section.ssrc is None else "a=sendonly",
                f"a=mid:{mid}",
                "a=rtcp-mux",
                "a=rtcp:9 IN IP4 0.0.0.0",
                *codec,
            ]
            if section.ssrc is not None:
                lines += [
                    f"a=msid:crowd crowd-{section.kind}",
                    f"a=ssrc:{section.ssrc} cname:crowd",
                ]
            for candidate in self._gatherer.getLocalCandidates():
                lines.append(f"a=candidate:{candidate_to_sdp(candidate)}")
            lines += [
                "a=end-of-candidates",
                f"a=ice-ufrag:{ice.usernameFragment}",
                f"a=ice-pwd:{ice.password}",
                *(
                    f"a=fingerprint:{print_.algorithm} {print_.value}"
                    for print_ in self._dtls.getLocalParameters().fingerprints
                ),
                "a=setup:actpass",
            ]
        return "\r\n".join(lines) + "\r\n"

    async def connect(self, answer: str, candidates: Sequence[str] = ()) -> None:
        """Take the answer (and the candidates that came beside it), and connect.

        Raises `MediaFailed`; bound it by a time-out.
        """
        try:
            section = SessionDescription.parse(answer).media[0]
            ice, parameters = section.ice, section.dtls
            if parameters is None or ice is None or ice.usernameFragment is None:
                raise ValueError("no ICE or DTLS parameters")
            remote = [*section.ice_candidates]
            remote += [candidate_from_sdp(text.removeprefix("candidate:")) for text in candidates]
        except (ValueError, LookupError, AssertionError) as error:
            raise MediaFailed(
                "the server's SDP answer cannot be used", found=str(error), evidence=answer
            ) from error
        for candidate in remote:
            await self._ice.addRemoteCandidate(candidate)
        await self._ice.addRemoteCandidate(None)
        await self._ice.start(ice)
        if self._ice.state == "completed":
            self._dtls._set_role("client" if parameters.role == "server" else "server")
            await self._dtls.start(parameters)
        if self._dtls.state != "connected":
            raise MediaFailed(
                "the media connection failed",
                found=f"ICE {self._ice.state}, DTLS {self._dtls.state}",
                expected="connected",
                advice="UDP between this machine and the media server must not be filtered",
            )
        self._take_over()

    def _take_over(self) -> None:
        """From now on the reader reads the socket, not the loop."""
        connection: Any = self._ice._connection
        pair = connection._nominated[1]
        self._protocol = pair.protocol
        self._address = pair.remote_addr
        self._fd = self._protocol.transport.get_extra_info("socket").fileno()
        loop: Any = asyncio.get_running_loop()
        loop._remove_reader(self._fd)
        self._reader.add(self._fd, self._take)

    def _take(self) -> None:
        """Read one datagram."""
        try:
            size = os.readv(self._fd, _VECTOR)
        except OSError:  # nothing there after all, or an ICMP error
            return
        if size < 12 or _BUFFER[0] >> 6 != 2:
            self._protocol.datagram_received(bytes(_BUFFER[:size]), self._address)
        elif _BUFFER[1] not in _RTCP_TYPES:
            self._sink(_BUFFER, size, time.monotonic_ns())
        else:
            self._take_rtcp(bytes(_BUFFER[:size]))

    def _take_rtcp(self, packet: bytes) -> None:
        if self._keyframe is None:
            return
        try:
            found = RtcpPacket.parse(self._dtls._rx_srtp.unprotect_rtcp(packet))
        except (ValueError, pylibsrtp.Error):
            return  # who counts packets does not need it
        if any(isinstance(one, RtcpPsfbPacket) and one.fmt == _RTCP_PLI for one in found):
            self._keyframe()

    def decrypted(self, packet: bytes) -> bytes | None:
        """An RTP packet without its protection; None when that does not verify."""
        try:
            clear: bytes = self._dtls._rx_srtp.unprotect(packet)
        except pylibsrtp.Error:
            return None
        return clear

    def send(self, packet: bytes) -> bool:
        """Protect and send an RTP packet; False when the link has ended."""
        if self._dtls._state is not State.CONNECTED or self._fd < 0:
            return False
        self._protocol.transport.sendto(self._dtls._tx_srtp.protect(packet), self._address)
        return True

    async def close(self) -> None:
        """End DTLS and ICE; the other side learns of it."""
        if self._fd >= 0:
            self._reader.remove(self._fd)
            self._fd = -1
        await self._dtls.stop()
        await self._ice.stop()


def _nothing(_buffer: memoryview, _size: int, _now: int) -> None:
    """Who only sends wants nothing."""


_BUFFER = memoryview(bytearray(_MAX_DATAGRAM))
_VECTOR = [_BUFFER]
