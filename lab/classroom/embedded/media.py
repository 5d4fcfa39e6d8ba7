"""The media plane: one publisher's RTP to many subscribers, never decoded.

A `Publication` answers the publisher's offer and has a `_Line` for audio and one for
video; a `Subscription` answers a subscriber's offer and hangs an outlet on each line.
Opus and VP8 only. Needs a running asyncio loop; candidates are all in the answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
    clock,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtp import RtpPacket
from av.frame import Frame

from lab.classroom.embedded import pauses
from lab.classroom.embedded.aiortc_inside import (
    Outlet,
    ask_for_keyframe,
    payload_type,
    receive_bursts,
    tap,
)
from lab.classroom.embedded.frames import begins_key_frame
from lab.classroom.embedded.history import History
from lab.classroom.embedded.untrusted import media_of, numeric_candidate, without_names

CODECS = {"audio": "audio/opus", "video": "video/VP8"}
#: Timestamps count this often in a second.
CLOCK_RATES = {"audio": 48_000, "video": 90_000}
#: One Opus frame of digital silence: CELT, fullband, mono, 20 ms (RFC 6716, section 3.1).
OPUS_SILENCE = b"\xf8\xff\xfe"
#: Video packets that are kept for subscribers who miss one; about 4 s at 1 Mbit/s.
HISTORY_PACKETS = 512
#: What faults do: one sound in so many is lost; pictures stand for a while, again and again;
#: of three times so many ticks, the pictures of one are missing; all packets are late, or every
#: other sound (s).
LOST_EVERY = 10
FREEZE_S, FREEZE_EVERY_S = 0.7, 2.0
THIN_TICKS = 9_000
LATE_S, UNEVEN_S = 0.2, 0.06
#: A publisher is asked for a keyframe at most this often, in seconds, however many ask.
KEYFRAME_INTERVAL_S = 0.3
#: Ending a peer connection takes a round trip of DTLS at most; five hundred at once, some seconds.
CLOSE_TIMEOUT_S = 30.0

_SDP_PROBLEMS = (
    ValueError, LookupError, TypeError, AttributeError, AssertionError,
    InternalError, InvalidAccessError, InvalidStateError, OperationError,
)  # fmt: skip


class OfferRefused(Exception):
    """An SDP offer cannot be read, or has nothing that this server can forward."""


def _never() -> bool:
    return False


def _always() -> bool:
    return True


@dataclass(frozen=True)
class MediaFaults:
    """Whether a fault of the lab is on at this moment (see `lab.classroom.faults`)."""

    blackhole: Callable[[], bool] = _never
    silence: Callable[[], bool] = _never
    loud: Callable[[], bool] = _never
    unmute_lost: Callable[[], bool] = _never
    picture_lost: Callable[[], bool] = _never
    keyframes_withheld: Callable[[], bool] = _never
    lossy: Callable[[], bool] = _never
    uneven: Callable[[], bool] = _never
    late: Callable[[], bool] = _never
    frozen: Callable[[], bool] = _never
    thinned: Callable[[], bool] = _never
    #: Whether any of them can be: asked for each packet, before all others.
    possible: Callable[[], bool] = _always


class _NeverTrack(MediaStreamTrack):
    """A track without frames: its sender's own loop waits for ever, and the line feeds it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    async def recv(self) -> Frame:
        never: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        return await never


class _Endpoint:
    """One peer connection that answers one offer."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.history = History(self.connection)

    async def answer(self, offer: str, prepare: Callable[[str], None]) -> str:
        """The answer to ``offer``; ``prepare(kind)`` is called for each of its media."""
        try:
            for media in media_of(offer, tuple(CODECS)):
                prepare(media.kind)
            numeric = RTCSessionDescription(without_names(offer), "offer")
            await self.connection.setRemoteDescription(numeric)
            answer = await self.connection.createAnswer()
            await self.connection.setLocalDescription(answer)
        except _SDP_PROBLEMS as error:
            with suppress(*_SDP_PROBLEMS):  # aiortc may be left in the middle
                await self.close()
            raise OfferRefused(str(error) or type(error).__name__) from error
        sdp: str = self.connection.localDescription.sdp
        return sdp

    async def add_candidate(self, candidate: str, mid: str | None, index: int | None) -> None:
        """A candidate of the other side, as RTCIceCandidate has it; nonsense is ignored."""
        found = numeric_candidate(candidate)
        if found is None:
            return  # Kurento's server answers `{}` to them too
        found.sdpMid, found.sdpMLineIndex = mid, index
        with suppress(*_SDP_PROBLEMS):
            await self.connection.addIceCandidate(found)

    async def close(self) -> None:
        await asyncio.wait_for(self.connection.close(), CLOSE_TIMEOUT_S)
        pauses.ended()


class _Line:
    """One kind of media of one publisher: packets come in once and leave to every outlet."""

    def __init__(self, receiver: RTCRtpReceiver, kind: str, faults: MediaFaults) -> None:
        self.outlets: set[Outlet] = set()
        #: Is given every packet as the publisher sent it, while it is recorded.
        self.recorder: Callable[[RtpPacket], None] | None = None
        self._receiver = receiver
        self._faults = faults
        self._is_audio = kind == "audio"
        self._ssrc: int | None = None
        self._loudest = b""
        self._hushed = False
        self._history: dict[int, RtpPacket] = {}
        self._wanted = False
        self._cooling: asyncio.TimerHandle | None = None
        self._request: asyncio.Task[None] | None = None
        tap(receiver, self._forward)

    def follow(self, other: _Line) -> None:
        """Go on, for the same outlets, with what another line would have received."""
        self._receiver = other._receiver
        self._ssrc = None
        self._history.clear()
        tap(self._receiver, self._forward)

    def _forward(self, packet: RtpPacket) -> None:
        self._ssrc = packet.ssrc
        if not self._faults.possible():
            if self.recorder is not None:
                self.recorder(packet)
            self._keep(packet)
            self._send(packet, packet.payload)
            return
        if self._faults.blackhole() or self._withheld(packet):
            return
        if self.recorder is not None:
            self.recorder(packet)
        payload = packet.payload
        if self._is_audio:
            payload = self._spoilt(payload)
        elif self._faults.picture_lost() or (
            self._faults.keyframes_withheld() and begins_key_frame(payload)
        ):
            return
        self._keep(packet)
        if delay := self._delay_s(packet):
            asyncio.get_running_loop().call_later(delay, self._send, packet, payload)
        else:
            self._send(packet, payload)

    def _keep(self, packet: RtpPacket) -> None:
        """For who misses it."""
        if not self._is_audio:
            self._history[packet.sequence_number % HISTORY_PACKETS] = packet

    def _send(self, packet: RtpPacket, payload: bytes) -> None:
        now = clock.current_ntp_time()
        for outlet in self.outlets:
            outlet.send(packet, payload, now)

    def _withheld(self, packet: RtpPacket) -> bool:
        """Whether a fault lets this packet go missing."""
        if self._is_audio:
            return packet.sequence_number % LOST_EVERY == 0 and self._faults.lossy()
        if self._faults.frozen():
            return time.monotonic() % FREEZE_EVERY_S < FREEZE_S
        return packet.timestamp // THIN_TICKS % 3 == 0 and self._faults.thinned()

    def _delay_s(self, packet: RtpPacket) -> float:
        """How much later a fault has this packet leave."""
        if self._faults.late():
            return LATE_S
        uneven = self._is_audio and packet.sequence_number % 2 and self._faults.uneven()
        return UNEVEN_S if uneven else 0.0

    def _spoilt(self, payload: bytes) -> bytes:
        """What faults make of sound. Opus needs more bytes for what has more in it."""
        if self._faults.silence():
            return OPUS_SILENCE
        if self._faults.loud():
            self._loudest = max(self._loudest, payload, key=len)
            return self._loudest
        self._hushed = self._faults.unmute_lost() and (
            self._hushed or len(payload) <= len(OPUS_SILENCE)
        )
        return OPUS_SILENCE if self._hushed else payload

    def resend(self, outlet: Outlet, sequence_number: int) -> None:
        """Send a lost packet once more to one subscriber.

        What the publisher's own leg lost is not here; the receiver has asked for it itself.
        """
        packet = self._history.get(sequence_number % HISTORY_PACKETS)
        if packet is not None and packet.sequence_number == sequence_number:
            outlet.send(packet, packet.payload, clock.current_ntp_time())

    def keyframe(self) -> None:
        """Ask the publisher for a keyframe: at once, or when the last request has cooled."""
        if self._is_audio:
            return
        self._wanted = True
        if self._cooling is None:
            self._ask()

    def _ask(self) -> None:
        self._wanted = False
        self._cooling = asyncio.get_running_loop().call_later(KEYFRAME_INTERVAL_S, self._cooled)
        if self._ssrc is not None:
            self._request = asyncio.create_task(ask_for_keyframe(self._receiver, self._ssrc))

    def _cooled(self) -> None:
        self._cooling = None
        if self._wanted:
            self._ask()

    def close(self) -> None:
        self.outlets.clear()
        if self._cooling is not None:
            self._cooling.cancel()


class Publication(_Endpoint):
    """What one participant publishes. Make it with `MediaPlane.publish`."""

    def __init__(self, faults: MediaFaults) -> None:
        super().__init__()
        self.answer_sdp = ""
        self.lines: dict[str, _Line] = {}
        self._faults = faults

    async def start(self, offer: str) -> None:
        self.answer_sdp = await self.answer(offer, self._receive)
        receive_bursts(self.connection)

    def _receive(self, kind: str) -> None:
        transceiver = self.connection.addTransceiver(kind, direction="recvonly")
        transceiver.setCodecPreferences(_codecs(kind, retransmission=True))
        self.lines.setdefault(kind, _Line(transceiver.receiver, kind, self._faults))

    def take_over(self, former: Publication) -> None:
        """Become the source of what ``former`` was: its subscribers stay, and notice nothing."""
        for kind, line in former.lines.items():
            if kind in self.lines:
                line.follow(self.lines[kind])
            self.lines[kind] = line
        former.lines = {}

    async def subscribe(self, offer: str) -> Subscription:
        """Answer a subscriber's offer; raises `OfferRefused`."""
        subscription = Subscription(self)
        await subscription.start(offer)
        return subscription

    async def close(self) -> None:
        for line in self.lines.values():
            line.close()
        await super().close()


class Subscription(_Endpoint):
    """What one participant receives of one publication. Make it with `Publication.subscribe`."""

    def __init__(self, publication: Publication) -> None:
        super().__init__()
        self.answer_sdp = ""
        self._lines = publication.lines
        self._outlets: list[tuple[_Line, Outlet]] = []
        self.connection.add_listener("connectionstatechange", self._show_picture)

    async def start(self, offer: str) -> None:
        self.answer_sdp = await self.answer(offer, self._send)
        for transceiver in self.connection.getTransceivers():
            line = self._lines.get(transceiver.kind)
            number = payload_type(transceiver, CODECS[transceiver.kind])
            if line is not None and number is not None:
                outlet = Outlet(
                    transceiver.sender,
                    number,
                    clock_rate=CLOCK_RATES[transceiver.kind],
                    keyframe=line.keyframe,
                    lost=line.resend,
                )
                line.outlets.add(outlet)
                self._outlets.append((line, outlet))

    def _send(self, kind: str) -> None:
        if kind in self._lines:
            transceiver = self.connection.addTransceiver(_NeverTrack(kind), direction="sendonly")
            transceiver.setCodecPreferences(_codecs(kind, retransmission=False))
        else:
            self.connection.addTransceiver(kind, direction="inactive")

    def _show_picture(self) -> None:
        if self.connection.connectionState == "connected":
            for line, _ in self._outlets:
                line.keyframe()

    def withhold(self) -> None:
        """Send nothing of it any more; the connection stays."""
        for line, outlet in self._outlets:
            line.outlets.discard(outlet)

    async def close(self) -> None:
        self.withhold()
        await super().close()


def _codecs(kind: str, *, retransmission: bool) -> list[RTCRtpCodecCapability]:
    """The one codec that is forwarded; with RTX only where lost packets come back by it."""
    wanted = {CODECS[kind].lower()} | ({f"{kind}/rtx"} if retransmission else set())
    capabilities = RTCRtpSender.getCapabilities(kind)
    return [codec for codec in capabilities.codecs if codec.mimeType.lower() in wanted]


class MediaPlane:
    """Where publications are made; ``faults`` are looked at for each packet."""

    def __init__(self, faults: MediaFaults) -> None:
        self._faults = faults

    async def publish(self, offer: str) -> Publication:
        """Answer a publisher's offer; raises `OfferRefused`."""
        publication = Publication(self._faults)
        await publication.start(offer)
        return publication
