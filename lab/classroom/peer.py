"""One WebRTC connection to the classroom's media server: the client offers, and waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidStateError
from aiortc.sdp import candidate_from_sdp

from lab.classroom.loopback_ice import addresses_towards, candidates_on
from lab.classroom.messages import IceCandidate
from lab.classroom.wire import Malformed
from lab.errors import LabError, WaitTimeout


class MediaFailed(LabError):
    """The media server's answer could not be used, or no packet gets through to it."""


class _Feed(MediaStreamTrack):
    """A track that ends with its peer connection; the source that feeds it goes on."""

    def __init__(self, source: MediaStreamTrack) -> None:
        super().__init__()
        self.kind = source.kind
        self._source = source

    async def recv(self) -> Any:
        return await self._source.recv()


class Peer:
    """A peer connection, its offer gathered on addresses that reach ``server`` (numeric)."""

    def __init__(self, server: str) -> None:
        self._server = server
        # No STUN or TURN server: aiortc would ask one on the Internet unless told otherwise.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._changed = asyncio.Event()
        self._connection.on("connectionstatechange", self._changed.set)
        self._early: list[IceCandidate] = []
        self._first_candidate = asyncio.Event()
        self._answered = False

    @property
    def tracks(self) -> list[MediaStreamTrack]:
        """The tracks that are received."""
        return [transceiver.receiver.track for transceiver in self._receiving()]

    def _receiving(self) -> list[RTCRtpTransceiver]:
        return [
            transceiver
            for transceiver in self._connection.getTransceivers()
            if transceiver.currentDirection == "recvonly"
        ]

    async def offer_to_send(self, tracks: Sequence[MediaStreamTrack]) -> str:
        """The SDP offer to publish ``tracks``, with all candidates."""
        for track in tracks:
            self._connection.addTransceiver(_Feed(track), direction="sendonly")
        return await self._offer()

    async def offer_to_receive(self, *, audio: bool, video: bool) -> str:
        """The SDP offer to subscribe, with all candidates."""
        for kind in ("audio",) * audio + ("video",) * video:
            self._connection.addTransceiver(kind, direction="recvonly")
        return await self._offer()

    async def _offer(self) -> str:
        with candidates_on(addresses_towards(self._server)):
            await self._connection.setLocalDescription(await self._connection.createOffer())
        return str(self._connection.localDescription.sdp)

    async def add_candidate(self, candidate: IceCandidate) -> None:
        """A candidate that the server sent by itself (Kurento's answers hold none)."""
        if not self._answered:
            self._early.append(candidate)
            self._first_candidate.set()
        elif parsed := _candidate(candidate):
            await self._connection.addIceCandidate(parsed)

    async def accept(self, answer: str, *, timeout: float) -> None:
        """Take the server's SDP answer and wait until media can flow.

        Raises `MediaFailed` when the answer cannot be used or the connection fails,
        `WaitTimeout` after ``timeout`` seconds, with the connection's last state.
        """
        try:
            async with asyncio.timeout(timeout):
                if "a=candidate:" not in answer:
                    # aiortc gives up at once on an answer without any candidate.
                    await self._first_candidate.wait()
                    answer = _with_candidates(answer, self._early)
                await self._connection.setRemoteDescription(
                    RTCSessionDescription(sdp=answer, type="answer")
                )
                self._answered = True
                await self._connected()
        except TimeoutError:
            raise WaitTimeout(
                f"no media connection within {timeout:g} s",
                found=f"{self._state()}, {answer.count('a=candidate:')} candidates of the server",
                expected="connected",
                advice="UDP between this machine and the media server must not be filtered",
            ) from None
        except (ValueError, LookupError, AssertionError, InvalidStateError) as error:
            raise MediaFailed(
                "the server's SDP answer cannot be used", found=str(error), evidence=answer
            ) from error

    async def _connected(self) -> None:
        while (state := self._connection.connectionState) != "connected":
            if state in ("failed", "closed"):
                raise MediaFailed(
                    "the media connection failed",
                    found=self._state(),
                    expected="connected",
                    advice="UDP between this machine and the media server must not be filtered",
                )
            self._changed.clear()
            await self._changed.wait()

    def _state(self) -> str:
        connection = self._connection
        return f"connection {connection.connectionState}, ICE {connection.iceConnectionState}"

    async def received(self) -> tuple[int, int, int]:
        """Packets received, packets lost (by sequence number), bytes on the transport."""
        packets = lost = 0
        transports: dict[str, Any] = {}
        for transceiver in self._receiving():
            for stats in (await transceiver.receiver.getStats()).values():
                if stats.type == "inbound-rtp":
                    packets += stats.packetsReceived
                    lost += stats.packetsLost
                elif stats.type == "transport":
                    transports[stats.id] = stats  # tracks share one
        size = sum(stats.bytesReceived for stats in transports.values())
        return packets, lost, size

    async def close(self) -> None:
        await self._connection.close()


def _candidate(found: IceCandidate) -> Any:
    """aiortc's candidate; None for the empty one that ends the list."""
    text = found.candidate.removeprefix("candidate:")
    if not text:
        return None
    try:
        candidate = candidate_from_sdp(text)
    except (ValueError, LookupError, AssertionError) as error:
        raise Malformed("an ICE candidate is none", found=text) from error
    candidate.sdpMid, candidate.sdpMLineIndex = found.sdp_mid, found.sdp_m_line_index
    return candidate


def _with_candidates(answer: str, candidates: Sequence[IceCandidate]) -> str:
    """The answer with candidates in its first media section, which all others share."""
    lines = "".join(f"a={found.candidate}\r\n" for found in candidates if found.candidate)
    head, media, rest = answer.partition("\r\nm=")
    section, more, tail = rest.partition("\r\nm=")
    return (
        head
        + media
        + section.rstrip("\r\n")
        + "\r\n"
        + lines.rstrip("\r\n")
        + more
        + tail
        + ("" if more else "\r\n")
    )
