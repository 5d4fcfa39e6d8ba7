"""A participant: joins over wss, publishes, subscribes, hears, signals, leaves (asyncio).

Every wait has a time-out, and its error has the last thing that the server said.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from lab.classroom.endpoint import (
    WEBSOCKET_LOG,
    JoinTiming,
    cannot_connect,
    disconnected,
    socket_url,
)
from lab.classroom.errors import Disconnected, SignallingRefused
from lab.classroom.listener import Listener
from lab.classroom.media import Meter, PictureSource, ToneSource
from lab.classroom.messages import IceCandidate, Joined, Published, RemoteParticipant
from lab.classroom.peer import Peer
from lab.classroom.signalling_client import (
    Answer,
    Call,
    Received,
    Refusal,
    SignallingClientCore,
)
from lab.classroom.tls import trust
from lab.classroom.token import Token, without_tokens
from lab.classroom.wire import Malformed
from lab.errors import LabError, WaitTimeout

E = TypeVar("E")

#: The real client's own time-out for an answer.
ANSWER_TIMEOUT_S = 10.0
#: Events kept for `Participant.expect`.
_HISTORY = 1000


class Participant:
    """Somebody in a session. Made by `join`; `leave` or `close` it.

    ``connection_id`` is its id in the session, ``others`` who else is there now.
    """

    def __init__(self, socket: ClientConnection, core: SignallingClientCore) -> None:
        self.connection_id = ""
        self.timing = JoinTiming(0, 0)
        self._socket = socket
        self._core = core
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._events: deque[Any] = deque(maxlen=_HISTORY)
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._end: LabError | None = None
        self._published: str | None = None
        self._listeners: dict[str, Listener] = {}
        #: By the name that the server's candidates give: our stream's id for what we publish,
        #: ``OURCONNECTION_STREAM`` for what we receive.
        self._peers: dict[str, Peer] = {}
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._ping())]

    # -- in and out ---------------------------------------------------------------------

    @classmethod
    async def join(
        cls,
        api: str,
        token: Token,
        *,
        ca: Path | None = None,
        metadata: str = "",
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Participant:
        """Join with a token at the REST endpoint ``api``; ``timeout`` (s) is for all of it.

        Raises `SystemDown` when the socket does not open, `SignallingRefused` (202 no such
        session, 401 a token that is unknown or used), `WaitTimeout`, `Disconnected`.
        """
        started = time.monotonic()
        url = socket_url(api)
        try:
            socket = await connect(
                url,
                ssl=trust(ca),
                proxy=None,
                open_timeout=timeout,
                close_timeout=2,
                ping_interval=None,  # the protocol has a heartbeat of its own
                logger=WEBSOCKET_LOG,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise cannot_connect(url, error) from error
        participant = cls(socket, SignallingClientCore())
        try:
            connected = time.monotonic() - started
            # The first ping goes ahead, unawaited, as the browser client's does.
            await participant._send(participant._core.ping(time.monotonic()))
            call = participant._core.join_room(token, metadata=metadata)
            joined: Joined = await participant._ask(call, timeout=max(0.1, timeout - connected))
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

    async def leave(self, *, timeout: float = ANSWER_TIMEOUT_S) -> None:
        """Leave the room, wait for the server to close the socket, end all media."""
        try:
            await self._ask(self._core.leave_room(), timeout=timeout)
            await self.ended(timeout=timeout)
        finally:
            await self.close()

    async def ended(self, *, timeout: float) -> LabError:
        """Wait for the socket's end and return how it came: a `Disconnected`, mostly."""
        try:
            async with asyncio.timeout(timeout):
                await self._ended.wait()
        except TimeoutError:
            raise self._too_late("the server did not close the socket", timeout) from None
        assert self._end is not None
        return self._end

    async def close(self) -> None:
        """End everything at once, without leaving first: to the server, a network failure."""
        while self._listeners:
            await self._listeners.popitem()[1].close()
        while self._peers:
            await self._peers.popitem()[1].close()
        await self._socket.close()  # bounded by close_timeout; no reason, which would leave a ghost
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- media --------------------------------------------------------------------------

    async def publish(
        self,
        audio: ToneSource | None,
        video: PictureSource | None = None,
        *,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> str:
        """Publish, and wait until media flows to the server; return the stream's id.

        Raises `SignallingRefused` (401: a SUBSCRIBER), `MediaFailed`, `WaitTimeout`.
        """
        peer, endpoint = Peer(self._server_address()), ""
        tracks = [track for track in (audio, video) if track is not None]
        try:
            offer = await peer.offer_to_send(tracks)
            call = self._core.publish_video(
                offer,
                audio=audio is not None,
                video=video is not None,
                dimensions=video.dimensions if video else (0, 0),
            )
            published: Published = await self._ask(call, timeout=timeout)
            endpoint = published.id
            self._peers[endpoint] = peer
            await self._hand_over(endpoint, peer)
            await peer.accept(published.sdp_answer, timeout=timeout)
        except BaseException:
            self._peers.pop(endpoint, None)
            await peer.close()
            raise
        self._published = endpoint
        return endpoint

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
        peer, meter = Peer(self._server_address()), Meter()
        endpoint = f"{self.connection_id}_{stream}"
        self._peers[endpoint] = peer
        try:
            offer = await peer.offer_to_receive(audio=audio, video=video)
            call = self._core.receive_video_from(stream, offer)
            answer = await self._ask(call, timeout=timeout)
            await peer.accept(answer.sdp_answer, timeout=timeout)
            meter.attach(peer.tracks)
        except BaseException:
            del self._peers[endpoint]
            await peer.close()
            raise
        listener = self._listeners[stream] = Listener(stream, peer, meter, since)
        return listener

    def _server_address(self) -> str:
        return str(self._socket.remote_address[0])

    async def unpublish(self) -> None:
        """Stop publishing. 105: not publishing."""
        await self._ask(self._core.unpublish_video())
        if self._published is not None and (peer := self._peers.pop(self._published, None)):
            await peer.close()
        self._published = None

    async def unsubscribe(self, stream: str) -> None:
        """Stop receiving a stream; the server does not mind when it was not received."""
        owner = stream[stream.find("con_") :]
        await self._ask(self._core.unsubscribe_from_video(owner))
        if listener := self._listeners.pop(stream, None):
            self._peers.pop(f"{self.connection_id}_{stream}", None)
            await listener.close()

    # -- the session --------------------------------------------------------------------

    async def signal(self, kind: str, data: str = "", *, to: Sequence[str] = ()) -> None:
        """Send a signal; ``to`` are connection ids, empty for all (the sender too)."""
        await self._ask(self._core.send_message(kind, data, to=to))

    async def force_disconnect(self, connection: str) -> None:
        """Evict somebody. 401: not a MODERATOR; 102: unknown."""
        await self._ask(self._core.force_disconnect(connection))

    async def force_unpublish(self, stream: str) -> None:
        """End somebody's stream. 401: not a MODERATOR. For an unknown one: `WaitTimeout`."""
        await self._ask(self._core.force_unpublish(stream))

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
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for event in self._events:
                        if isinstance(event, kind) and where(event):
                            return event
                    if self._end is not None:
                        raise self._end
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise self._too_late(f"no {kind.__name__}", timeout) from None

    # -- the socket ---------------------------------------------------------------------

    async def _ask(self, call: Call, *, timeout: float = ANSWER_TIMEOUT_S) -> Any:
        answer = self._answers[call.id] = asyncio.get_running_loop().create_future()
        try:
            if self._end is not None:
                raise self._end
            async with asyncio.timeout(timeout):
                await self._send(call)
                return await answer
        except TimeoutError:
            raise self._too_late(f"no answer to {call.method}", timeout) from None
        finally:
            self._answers.pop(call.id, None)

    async def _send(self, call: Call) -> None:
        try:
            await self._socket.send(call.text)
        except ConnectionClosed as closed:
            raise disconnected(f"{call.method} could not be sent", closed) from None

    def _too_late(self, what: str, timeout: float) -> WaitTimeout:
        seen = without_tokens(repr(self._events[-1])) if self._events else "nothing"
        return WaitTimeout(f"{what} within {timeout:g} s", found=f"last seen: {seen[:300]}")

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                if isinstance(text, bytes):
                    raise Malformed("the server sent a binary frame", expected="text")
                await self._take(self._core.receive(text))
            closed = self._socket.protocol.close_exc
            self._end = disconnected("the signalling has ended", closed)
        except ConnectionClosed as closed:
            self._end = disconnected("the signalling has ended", closed)
        except Malformed as error:
            self._end = error
        finally:
            self._end = self._end or Disconnected("the signalling was given up", None, "")
            self._ended.set()
            self._news.set()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(self._end)

    async def _take(self, received: Received) -> None:
        match received:
            case Answer(call=call, result=result):
                if (waiting := self._answers.get(call.id)) and not waiting.done():
                    waiting.set_result(result)
            case Refusal(call=call, failure=failure):
                if (waiting := self._answers.get(call.id)) and not waiting.done():
                    message = without_tokens(failure.message)
                    waiting.set_exception(SignallingRefused(call.method, failure.code, message))
            case IceCandidate(endpoint_name=endpoint) if endpoint in self._peers:
                await self._peers[endpoint].add_candidate(received)
                self._note(received)
            case event:
                self._note(event)

    def _note(self, event: object) -> None:
        self._events.append(event)
        self._news.set()

    async def _hand_over(self, endpoint: str, peer: Peer) -> None:
        """Give a peer the candidates that came before its stream's id was known."""
        for event in (*self._events,):
            if isinstance(event, IceCandidate) and event.endpoint_name == endpoint:
                await peer.add_candidate(event)

    async def _ping(self) -> None:
        with suppress(Disconnected):  # `_read` sees that too, and says so
            while not self._ended.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._core.ping_due_in(time.monotonic())):
                        await self._ended.wait()
                        return
                await self._send(self._core.ping(time.monotonic()))
