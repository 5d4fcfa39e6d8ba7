"""A participant: joins over wss, publishes, subscribes, mutes, signals, moderates (asyncio).

Every wait has a time-out, and its error has the last thing that the server said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lab.classroom.conversation import ANSWER_TIMEOUT_S, Conversation
from lab.classroom.endpoint import JoinTiming
from lab.classroom.listener import Listener
from lab.classroom.media import PictureSource, ToneSource
from lab.classroom.messages import (
    IceCandidate,
    Joined,
    Published,
    Receiving,
    RemoteParticipant,
    Reoffered,
)
from lab.classroom.peer import Peer
from lab.classroom.token import Token
from lab.errors import LabError

E = TypeVar("E")

#: What a source is called on the wire, and the reason that openvidu-browser gives for a change.
_AUDIO = ("audioActive", "publishAudio")
_VIDEO = ("videoActive", "publishVideo")


@dataclass
class _Publication:
    """What we publish: the sources outlive the media connection ``peer``."""

    stream: str
    peer: Peer
    audio: ToneSource | None
    video: PictureSource | None


class Participant:
    """Somebody in a session. Made by `join`; `leave` or `close` it.

    ``connection_id`` is its id in the session, ``others`` who else is there now.
    """

    def __init__(self, conversation: Conversation) -> None:
        self.connection_id = ""
        self.timing = JoinTiming(0, 0)
        self._conversation = conversation
        self._core = conversation.core
        self._published: _Publication | None = None
        self._listeners: dict[str, Listener] = {}
        #: By the name that the server's candidates give: our stream's id for what we publish,
        #: ``OURCONNECTION_STREAM`` for what we receive.
        self._peers: dict[str, Peer] = {}
        conversation.on_event = self._take
        conversation.resume = self._bring_back_streams

    # -- in and out ---------------------------------------------------------------------

    @classmethod
    async def join(
        cls,
        api: str,
        token: Token,
        *,
        ca: Path | None = None,
        metadata: str = "",
        reconnects: bool = False,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Participant:
        """Join with a token at the REST endpoint ``api``; ``timeout`` (s) is for all of it.

        With ``reconnects`` it comes back by itself when its socket is lost, streams included:
        a `Reconnected` event tells, or the end with `NotReconnected` when it was too late.

        Raises `SystemDown` when the socket does not open, `SignallingRefused` (202 no such
        session, 401 a token that is unknown or used), `WaitTimeout`, `Disconnected`.
        """
        started = time.monotonic()
        conversation = Conversation(api, ca, reconnects=reconnects)
        participant = cls(conversation)
        try:
            await conversation.open(timeout=timeout)
            connected = time.monotonic() - started
            call = conversation.core.join_room(token, metadata=metadata)
            joined: Joined = await conversation.ask(call, timeout=max(0.1, timeout - connected))
        except BaseException:
            await participant.close()
            raise
        participant.connection_id = joined.id
        participant.timing = JoinTiming(connected, time.monotonic() - started)
        return participant

    @property
    def others(self) -> dict[str, RemoteParticipant]:
        """The other participants now, by connection id, as far as the server has told."""
        return dict(self._core.others)

    @property
    def history(self) -> tuple[object, ...]:
        """What the server has told since joining, in its order: the last thousand events."""
        return tuple(self._conversation.events)

    async def leave(self, *, timeout: float = ANSWER_TIMEOUT_S) -> None:
        """Leave the room, wait for the server to close the socket, end all media."""
        self._conversation.leaving()
        try:
            await self._conversation.ask(self._core.leave_room(), timeout=timeout)
            await self.ended(timeout=timeout)
        finally:
            await self.close()

    async def ended(self, *, timeout: float) -> LabError:
        """Wait for the end and return how it came: a `Disconnected`, mostly."""
        return await self._conversation.ended(timeout=timeout)

    @property
    def over(self) -> bool:
        """Whether this participant's signalling has ended for good."""
        return self._conversation.over

    def cut(self) -> None:
        """Break the signalling's connection, as a failing network does; media is not touched."""
        self._conversation.cut()

    async def close(self) -> None:
        """End everything at once, without leaving first: to the server, a network failure."""
        while self._listeners:
            await self._listeners.popitem()[1].close()
        while self._peers:
            await self._peers.popitem()[1].close()
        await self._conversation.close()

    # -- publishing ---------------------------------------------------------------------

    async def publish(
        self,
        audio: ToneSource | None,
        video: PictureSource | None = None,
        *,
        screen: bool = False,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> str:
        """Publish, and wait until media flows to the server; return the stream's id.

        With ``screen`` the picture is announced as a shared screen. Raises `SignallingRefused`
        (401: a SUBSCRIBER; -1: publishing already), `MediaFailed`, `WaitTimeout`.
        """
        peer = self._new_peer()
        endpoint = ""
        try:
            offer = await peer.offer_to_send([track for track in (audio, video) if track])
            call = self._core.publish_video(
                offer,
                audio=audio is not None,
                video=video is not None,
                dimensions=video.dimensions if video else (0, 0),
                screen=screen,
            )
            published: Published = await self._conversation.ask(call, timeout=timeout)
            endpoint = published.id
            self._peers[endpoint] = peer
            await self._hand_over(endpoint, peer)
            await peer.accept(published.sdp_answer, timeout=timeout)
        except BaseException:
            self._peers.pop(endpoint, None)
            await peer.close()
            raise
        self._published = _Publication(endpoint, peer, audio, video)
        return endpoint

    async def restart_publishing(self, *, timeout: float = ANSWER_TIMEOUT_S) -> None:
        """Publish the same stream anew over another media connection (reconnectStream).

        It keeps its id and its subscribers, who are told nothing. Raises as `publish` does.
        """
        published = self._publication()
        peer = self._new_peer()
        await published.peer.close()
        self._peers[published.stream] = published.peer = peer
        tracks = [track for track in (published.audio, published.video) if track]
        offer = await peer.offer_to_send(tracks)
        await self._reconnect(published.stream, peer, offer, timeout)

    async def set_audio(self, active: bool) -> None:
        """Mute what we publish, or let it be heard again, and tell the others."""
        published = self._publication()
        if published.audio is None:
            raise LabError("nothing can be muted", found="no audio is published")
        published.audio.muted = not active
        await self._announce_change(published.stream, *_AUDIO, active)

    async def set_video(self, active: bool) -> None:
        """Blacken the picture that we publish, or show it again, and tell the others."""
        published = self._publication()
        if published.video is None:
            raise LabError("nothing can be hidden", found="no picture is published")
        published.video.muted = not active
        await self._announce_change(published.stream, *_VIDEO, active)

    async def _announce_change(self, stream: str, name: str, reason: str, value: bool) -> None:
        call = self._core.stream_property_changed(stream, name, value, reason=reason)
        await self._conversation.ask(call)

    def _publication(self) -> _Publication:
        if self._published is None:
            raise LabError("there is no stream to change", found="nothing is published")
        return self._published

    async def unpublish(self) -> None:
        """Stop publishing. 105: not publishing."""
        await self._conversation.ask(self._core.unpublish_video())
        if self._published is not None and (peer := self._peers.pop(self._published.stream, None)):
            await peer.close()
        self._published = None

    # -- subscribing --------------------------------------------------------------------

    async def subscribe(
        self,
        stream: str,
        *,
        audio: bool = True,
        video: bool = False,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Listener:
        """Subscribe to a stream, and wait until media can flow.

        Raises `SignallingRefused` (102 unknown, 105 not publishing, 302), `MediaFailed`,
        `WaitTimeout`.
        """
        since = time.monotonic()
        peer = self._new_peer()
        endpoint = self._endpoint(stream)
        self._peers[endpoint] = peer
        try:
            offer = await peer.offer_to_receive(audio=audio, video=video)
            call = self._core.receive_video_from(stream, offer)
            answer: Receiving = await self._conversation.ask(call, timeout=timeout)
            await peer.accept(answer.sdp_answer, timeout=timeout)
        except BaseException:
            del self._peers[endpoint]
            await peer.close()
            raise
        listener = Listener(stream, since, audio=audio, video=video)
        await listener.attach(peer)
        self._listeners[stream] = listener
        return listener

    async def resubscribe(self, stream: str, *, timeout: float = ANSWER_TIMEOUT_S) -> None:
        """Receive a stream anew over another media connection (reconnectStream)."""
        listener = self._listeners[stream]
        peer = self._peers[self._endpoint(stream)] = self._new_peer()
        offer = await peer.offer_to_receive(audio=listener.audio, video=listener.video)
        await self._reconnect(stream, peer, offer, timeout)
        await listener.attach(peer)

    async def unsubscribe(self, stream: str, *, listen_on: bool = False) -> None:
        """Stop receiving a stream; the server does not mind when it was not received.

        With ``listen_on`` our side of the media connection stays open, as a stubborn client's.
        """
        owner = stream[stream.find("con_") :]
        await self._conversation.ask(self._core.unsubscribe_from_video(owner))
        if listen_on:
            return
        if listener := self._listeners.pop(stream, None):
            self._peers.pop(self._endpoint(stream), None)
            await listener.close()

    def _endpoint(self, stream: str) -> str:
        return f"{self.connection_id}_{stream}"

    def _new_peer(self) -> Peer:
        return Peer(self._conversation.server_address)

    async def _reconnect(self, stream: str, peer: Peer, offer: str, timeout: float) -> None:
        call = self._core.reconnect_stream(stream, offer)
        answer: Reoffered = await self._conversation.ask(call, timeout=timeout)
        await peer.accept(answer.sdp_answer, timeout=timeout)

    async def _bring_back_streams(self) -> None:
        """After a reconnection: every stream over a new media connection."""
        if self._published is not None:
            await self.restart_publishing()
        for stream in tuple(self._listeners):
            await self.resubscribe(stream)

    # -- the session --------------------------------------------------------------------

    async def signal(self, kind: str, data: str = "", *, to: Sequence[str] = ()) -> None:
        """Send a signal; ``to`` are connection ids, empty for all (the sender too)."""
        await self._conversation.ask(self._core.send_message(kind, data, to=to))

    async def force_disconnect(self, connection: str) -> None:
        """Evict somebody. 401: not a MODERATOR; 102: unknown."""
        await self._conversation.ask(self._core.force_disconnect(connection))

    async def force_unpublish(self, stream: str) -> None:
        """End somebody's stream. 401: not a MODERATOR. For an unknown one: `WaitTimeout`."""
        await self._conversation.ask(self._core.force_unpublish(stream))

    async def expect(
        self,
        kind: type[E],
        *,
        timeout: float,
        where: Callable[[E], bool] = lambda _: True,
    ) -> E:
        """The first event of class ``kind`` since joining for which ``where`` is true.

        Waits for it up to ``timeout`` seconds; raises `WaitTimeout` with the last thing seen,
        or what ended the socket.
        """
        return await self._conversation.expect(kind, timeout=timeout, where=where)

    async def _take(self, event: object) -> None:
        if isinstance(event, IceCandidate) and event.endpoint_name in self._peers:
            await self._peers[event.endpoint_name].add_candidate(event)

    async def _hand_over(self, endpoint: str, peer: Peer) -> None:
        """Give a peer the candidates that came before its stream's id was known."""
        for event in (*self._conversation.events,):
            if isinstance(event, IceCandidate) and event.endpoint_name == endpoint:
                await peer.add_candidate(event)
