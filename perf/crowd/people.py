"""Who joins: students that take streams and, as a profile says, send one themselves."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import Literal

from lab.classroom.client import Participant
from lab.classroom.conversation import Conversation
from lab.classroom.listener import Listener
from lab.classroom.messages import IceCandidate, Joined, Published, Receiving
from lab.classroom.token import Token
from lab.errors import LabError, WaitTimeout
from perf.crowd.canned import Loop, picture, tone
from perf.crowd.link import PAYLOAD_TYPES, Link, Offered, Reader, Sink
from perf.crowd.tracks import Received, Sent
from perf.profiles import Picture

Kind = Literal["header", "decrypting", "decoding", "browser"]

_HEADER = Struct("!BBHLL")
_VERSION_2 = 0x80
_MARKER = 0x80
#: Seconds that the first packet of a stream is waited for, before its taker counts as there.
FIRST_PACKET_S = 3.0
#: Seconds that another candidate of the server may take after the one before.
MORE_CANDIDATES_S = 0.2
#: A sender that was kept from running sends what is due at once, but no more than this.
_CATCH_UP_S = 0.2


@dataclass(frozen=True)
class Stream:
    """What a participant sends, and the logs of its tracks by kind."""

    id: str
    sent: dict[str, Sent]


@dataclass
class Subscription:
    """One stream that one participant takes. Moments are `time.monotonic_ns`."""

    stream: str
    kind: Kind
    asked_ns: int
    received: Received = field(default_factory=Received)
    #: When the first picture or sound of each kind was there.
    first_ns: dict[str, int] = field(default_factory=dict)
    media: tuple[str, ...] = ("audio",)
    listener: Listener | None = None


@asynccontextmanager
async def _within(seconds: float, what: str) -> AsyncIterator[None]:
    """Raise `WaitTimeout` when what is inside takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise WaitTimeout(f"{what} within {seconds:g} s") from None


class Sender:
    """Sends canned media over a link, each unit when it is due, and keeps the log."""

    def __init__(self, kind: str, loop: Loop) -> None:
        self.kind = kind
        self.ssrc = secrets.randbits(31) | 1
        self.log = Sent(kind, secrets.randbits(15))
        self._units = loop
        self._next = 0
        self._again = False
        self._stamp = secrets.randbits(31)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._send: Callable[[bytes], bool] = lambda _packet: False

    def start(self, send: Callable[[bytes], bool]) -> None:
        self._send = send
        self._due = asyncio.get_running_loop().time()
        self._tick()

    def keyframe(self) -> None:
        """Somebody needs a picture that stands alone: begin again with the next one."""
        self._again = True

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._due <= now:
            if now - self._due < _CATCH_UP_S:
                self._unit()
            self._due += 1 / self._units.rate
            self._stamp = (self._stamp + self._units.ticks) & 0xFFFFFFFF
        self._timer = loop.call_at(self._due, self._tick)

    def _unit(self) -> None:
        if self._again:
            self._again, self._next = False, 0
        key = self._next == 0
        payloads = self._units.units[self._next]
        self._next += 1
        if self._next == len(self._units.units):
            self._next = 1 if self.kind == "video" else 0
        last = len(payloads) - 1
        number = self.log.first + len(self.log.times)
        for place, payload in enumerate(payloads):
            marker = _MARKER if self.kind == "video" and place == last else 0
            header = _HEADER.pack(
                _VERSION_2,
                marker | PAYLOAD_TYPES[self.kind],
                number + place & 0xFFFF,
                self._stamp,
                self.ssrc,
            )
            self.log.packet(time.monotonic_ns(), self._stamp)
            self._send(header + payload)
        if self.kind == "video":
            self.log.picture(key)


class Student:
    """A participant whose media is links. Made by `join`; `leave` it."""

    def __init__(self, conversation: Conversation, reader: Reader) -> None:
        self.connection_id = ""
        self.join_s = 0.0
        self.subscriptions: list[Subscription] = []
        self._conversation = conversation
        self._reader = reader
        self._links: list[Link] = []
        self._senders: list[Sender] = []

    @classmethod
    async def join(
        cls, api: str, token: Token, reader: Reader, *, ca: Path | None, timeout: float
    ) -> Student:
        """Join within ``timeout`` seconds; raises as `lab.classroom.client.Participant.join`."""
        started = time.monotonic()
        conversation = Conversation(api, ca, reconnects=False)
        student = cls(conversation, reader)
        try:
            await conversation.open(timeout=timeout)
            left = max(0.1, timeout - (time.monotonic() - started))
            call = conversation.core.join_room(token, metadata='{"clientData":"load"}')
            joined: Joined = await conversation.ask(call, timeout=left)
        except BaseException:
            await conversation.close()
            raise
        student.connection_id = joined.id
        student.join_s = time.monotonic() - started
        return student

    async def publish(self, *, audio: bool, video: Picture | None, timeout: float) -> Stream:
        """Send a tone, a picture, or both."""
        senders = [Sender("audio", tone())] if audio else []
        if video is not None:
            senders.append(Sender("video", picture(video)))

        def keyframe() -> None:
            for sender in senders:
                if sender.kind == "video":
                    sender.keyframe()

        link = self._link(keyframe=keyframe)
        async with _within(timeout, "no media connection to publish"):
            offer = await link.offer([Offered(one.kind, one.ssrc) for one in senders])
            call = self._conversation.core.publish_video(
                offer,
                audio=audio,
                video=video is not None,
                dimensions=(video.width, video.height) if video else (0, 0),
            )
            published: Published = await self._conversation.ask(call, timeout=timeout)
            await self._connect(link, published.sdp_answer, published.id, timeout)
        self._senders += senders
        for sender in senders:
            sender.start(link.send)
        return Stream(published.id, {sender.kind: sender.log for sender in senders})

    async def take(
        self, stream: str, media: Sequence[str], *, decrypt: bool, timeout: float
    ) -> Subscription:
        """Subscribe, and keep the headers of what comes; ``decrypt`` to verify each packet."""
        subscription = Subscription(
            stream, "decrypting" if decrypt else "header", time.monotonic_ns(), media=tuple(media)
        )
        received = subscription.received

        def verified(buffer: memoryview, size: int, now: int) -> None:
            if link.decrypted(bytes(buffer[:size])) is not None:
                received.take(buffer, size, now)

        link = self._link(verified if decrypt else received.take)
        async with _within(timeout, "no media connection to receive"):
            offer = await link.offer([Offered(kind) for kind in media])
            call = self._conversation.core.receive_video_from(stream, offer)
            answer: Receiving = await self._conversation.ask(call, timeout=timeout)
            endpoint = f"{self.connection_id}_{stream}"
            await self._connect(link, answer.sdp_answer, endpoint, timeout)
        self.subscriptions.append(subscription)
        await received.first(timeout=FIRST_PACKET_S)  # who gets none, is in the window's figures
        return subscription

    def _link(self, sink: Sink | None = None, keyframe: Callable[[], None] | None = None) -> Link:
        link = Link(self._conversation.server_address, self._reader, sink, keyframe)
        self._links.append(link)
        return link

    async def _connect(self, link: Link, answer: str, endpoint: str, timeout: float) -> None:
        candidates: list[str] = []
        while "a=candidate:" not in answer:  # Kurento tells them one by one
            try:
                found = await self._conversation.expect(
                    IceCandidate,
                    timeout=MORE_CANDIDATES_S if candidates else timeout,
                    where=lambda c: c.endpoint_name == endpoint and c.candidate not in candidates,
                )
            except WaitTimeout:
                if not candidates:
                    raise
                break
            candidates.append(found.candidate)
        await link.connect(answer, [text for text in candidates if text])

    async def leave(self, *, timeout: float) -> float:
        """Leave the room and end all media; the seconds until the server had let go."""
        started = time.monotonic()
        for sender in self._senders:
            sender.stop()
        self._conversation.leaving()
        try:
            call = self._conversation.core.leave_room()
            await self._conversation.ask(call, timeout=timeout)
            await self._conversation.ended(timeout=timeout)
            return time.monotonic() - started
        finally:
            await self.close()

    async def close(self) -> None:
        """End everything at once."""
        for sender in self._senders:
            sender.stop()
        await asyncio.gather(*(link.close() for link in self._links))
        self._links.clear()
        await self._conversation.close()


class Decoding:
    """A participant as criteria use it: aiortc receives, decrypts and decodes everything."""

    def __init__(self, participant: Participant) -> None:
        self.participant = participant
        self.subscriptions: list[Subscription] = []

    @classmethod
    async def join(cls, api: str, token: Token, *, ca: Path | None, timeout: float) -> Decoding:
        return cls(await Participant.join(api, token, ca=ca, timeout=timeout))

    async def take(self, stream: str, media: Sequence[str], *, timeout: float) -> Subscription:
        subscription = Subscription(stream, "decoding", time.monotonic_ns(), media=tuple(media))
        subscription.listener = await self.participant.subscribe(
            stream, audio="audio" in media, video="video" in media, timeout=timeout
        )
        self.subscriptions.append(subscription)
        return subscription

    async def leave(self, *, timeout: float) -> float:
        started = time.monotonic()
        await self.participant.leave(timeout=timeout)
        return time.monotonic() - started

    async def close(self) -> None:
        with suppress(LabError):
            await self.participant.close()
