"""The client's half of the signalling, without socket, loop or clock.

Calls go in and texts come out; texts go in and answers and events come out. Time is an
argument, in seconds of any monotonic clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lab.classroom.messages import (
    Done,
    Event,
    Joined,
    ParticipantEvicted,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantPublished,
    ParticipantUnpublished,
    Pong,
    Published,
    Receiving,
    RemoteParticipant,
    Reoffered,
    Resumed,
    read_notification,
)
from lab.classroom.signalling import (
    PING_INTERVAL_MS,
    Failure,
    Frame,
    Notification,
    Request,
    Result,
    format_frame,
    parse_frame,
)
from lab.classroom.token import Token
from lab.classroom.wire import read

#: What the real browser client of that time called itself; servers show it by REST.
PLATFORM = "iec4"

_RESULTS: dict[str, type[Any]] = {
    "joinRoom": Joined,
    "publishVideo": Published,
    "receiveVideoFrom": Receiving,
    "reconnectStream": Reoffered,
    "ping": Pong,
    "connect": Resumed,
}


@dataclass(frozen=True)
class Call:
    """A request on its way: ``text`` goes to the server, ``id`` comes back in its answer."""

    id: int
    method: str
    text: str


@dataclass(frozen=True)
class Answer:
    """A call succeeded. ``result`` is of the class in `_RESULTS`, `Done` for all others."""

    call: Call
    result: Any


@dataclass(frozen=True)
class Refusal:
    """A call failed."""

    call: Call
    failure: Failure


@dataclass(frozen=True)
class Stray:
    """A frame that answers nothing: the real server sends two errors for a bad filter."""

    frame: Frame


Received: TypeAlias = Answer | Refusal | Event | Stray


class SignallingClientCore:
    """One participant's calls, their answers, and who else is in the session.

    ``others`` holds the other participants by connection id, kept up by what is received;
    ``joined`` is joinRoom's result once it came; ``evicted`` whether the server said that it
    throws this participant out. ``ping_interval_ms`` is what its first ping will name.
    """

    def __init__(self, *, ping_interval_ms: int = PING_INTERVAL_MS) -> None:
        self.ping_interval_ms = ping_interval_ms
        self.joined: Joined | None = None
        self.evicted = False
        self.others: dict[str, RemoteParticipant] = {}
        self._last_id = 0
        self._open: dict[int, Call] = {}
        self._ping_due: float | None = None

    # -- calls --------------------------------------------------------------------------

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Call:
        """Any method; None leaves ``params`` empty."""
        self._last_id += 1
        text = format_frame(Request(method, dict(params or {}), self._last_id))
        made = self._open[self._last_id] = Call(self._last_id, method, text)
        return made

    def join_room(self, token: Token, *, metadata: str = "") -> Call:
        """Join with a token, once; ``metadata`` is the client's part, a text."""
        return self._join(token.session, metadata, token=token.url)

    def join_with_secret(
        self, session: str, secret: str, *, metadata: str = "", recorder: bool = False
    ) -> Call:
        """Join a session that exists with the server's secret, as its recorder does.

        A ``recorder`` is not announced to anybody, nor listed by REST.
        """
        return self._join(session, metadata, secret=secret, recorder=recorder)

    def _join(
        self,
        session: str,
        metadata: str,
        *,
        token: str = "",
        secret: str = "",
        recorder: bool = False,
    ) -> Call:
        return self.call(
            "joinRoom",
            {
                "token": token,
                "session": session,
                "platform": PLATFORM,
                "metadata": metadata,
                "secret": secret,
                "recorder": recorder,
            },
        )

    def publish_video(
        self,
        sdp_offer: str,
        *,
        audio: bool,
        video: bool,
        dimensions: tuple[int, int] = (320, 240),
        screen: bool = False,
    ) -> Call:
        """Publish a sendonly offer. Width, height and ``screen`` count only with video."""
        params: dict[str, Any] = {
            "sdpOffer": sdp_offer,
            "doLoopback": False,
            "hasAudio": audio,
            "hasVideo": video,
            "audioActive": audio,
            "videoActive": video,
        }
        if video:
            width, height = dimensions
            params |= {
                "typeOfVideo": "SCREEN" if screen else "CAMERA",
                "frameRate": -1,
                "videoDimensions": json.dumps({"width": width, "height": height}),
            }
        return self.call("publishVideo", params)

    def receive_video_from(self, stream: str, sdp_offer: str) -> Call:
        """Subscribe to a stream by a recvonly offer."""
        return self.call("receiveVideoFrom", {"sender": stream, "sdpOffer": sdp_offer})

    def stream_property_changed(
        self, stream: str, name: str, value: bool | str, *, reason: str
    ) -> Call:
        """Tell the others of a change of our own stream; the media is for us to change."""
        return self.call(
            "streamPropertyChanged",
            {"streamId": stream, "property": name, "newValue": value, "reason": reason},
        )

    def reconnect_stream(self, stream: str, sdp_offer: str) -> Call:
        """A new offer for a stream that we publish or receive already."""
        return self.call("reconnectStream", {"stream": stream, "sdpOffer": sdp_offer})

    def on_ice_candidate(
        self, endpoint: str, candidate: str, sdp_mid: str, sdp_m_line_index: int
    ) -> Call:
        """Our candidate. ``endpoint``: our connection id for what we publish, the
        publisher's for what we receive. Before receiveVideoFrom the real server takes it
        badly (error 304), before publishVideo it keeps it."""
        return self.call(
            "onIceCandidate",
            {
                "endpointName": endpoint,
                "candidate": candidate,
                "sdpMid": sdp_mid,
                "sdpMLineIndex": sdp_m_line_index,
            },
        )

    def send_message(self, kind: str, data: str = "", *, to: Sequence[str] = ()) -> Call:
        """A signal to connections, to everybody (the sender too) when ``to`` is empty."""
        message = json.dumps({"to": list(to), "data": data, "type": kind})
        return self.call("sendMessage", {"message": message})

    def unpublish_video(self) -> Call:
        return self.call("unpublishVideo")

    def unsubscribe_from_video(self, connection: str) -> Call:
        return self.call("unsubscribeFromVideo", {"sender": connection})

    def leave_room(self) -> Call:
        """Leave; the server closes the socket after its answer."""
        return self.call("leaveRoom")

    def force_disconnect(self, connection: str) -> Call:
        """Evict somebody (MODERATOR)."""
        return self.call("forceDisconnect", {"connectionId": connection})

    def force_unpublish(self, stream: str) -> Call:
        """End somebody's stream (MODERATOR). For an unknown one the server never answers."""
        return self.call("forceUnpublish", {"streamId": stream})

    # -- filters ------------------------------------------------------------------------

    def apply_filter(self, stream: str, kind: str, options: Mapping[str, Any]) -> Call:
        """Put a filter on a stream: our own, or anybody's for a MODERATOR.

        401: not allowed by our token; 405: it has one already.
        """
        params = {"streamId": stream, "type": kind, "options": json.dumps(options)}
        return self.call("applyFilter", params)

    def exec_filter_method(self, stream: str, method: str, params: Mapping[str, Any]) -> Call:
        """Call a method of a stream's filter. 406: it has none."""
        sent = {"streamId": stream, "method": method, "params": json.dumps(params)}
        return self.call("execFilterMethod", sent)

    def remove_filter(self, stream: str) -> Call:
        """Take a stream's filter off. 406: it has none."""
        return self.call("removeFilter", {"streamId": stream})

    def add_filter_event_listener(self, stream: str, event: str) -> Call:
        """Be told of a filter's events, by `FilterEventDispatched`."""
        return self.call("addFilterEventListener", {"streamId": stream, "eventType": event})

    def remove_filter_event_listener(self, stream: str, event: str) -> Call:
        return self.call("removeFilterEventListener", {"streamId": stream, "eventType": event})

    # -- another socket -----------------------------------------------------------------

    def reconnect(self) -> Call:
        """The first call on a new socket, which is to go on for one that was lost after joining.

        What was under way is never answered, and the heartbeat begins anew. 40007: too late.
        """
        if self.joined is None:
            raise ValueError("only who has joined can come back")
        self._open.clear()
        self._ping_due = None
        return self.call("connect", {"sessionId": self.joined.session_id})

    # -- heartbeat ----------------------------------------------------------------------

    def ping_due_in(self, now: float) -> float:
        """Seconds until the next ping is due: 0 at once, then every interval."""
        return 0.0 if self._ping_due is None else max(0.0, self._ping_due - now)

    def ping(self, now: float) -> Call:
        """The ping that is due; the first names the interval, and only that counts."""
        params = {"interval": self.ping_interval_ms} if self._ping_due is None else {}
        self._ping_due = now + self.ping_interval_ms / 1000
        return self.call("ping", params)

    # -- what comes in ------------------------------------------------------------------

    def receive(self, text: str) -> Received:
        """What one text message from the server says; raises `Malformed`."""
        frame = parse_frame(text)
        match frame:
            case Result(id=number, value=value) if number in self._open:
                call = self._open.pop(number)
                result = read(_RESULTS.get(call.method, Done), value, where=call.method)
                if isinstance(result, Joined):
                    self.joined = result
                    self.others |= {other.id: other for other in result.value}
                return Answer(call, result)
            case Failure(id=int(number)) if number in self._open:
                return Refusal(self._open.pop(number), frame)
            case Notification():
                event = read_notification(frame)
                self._keep_up(event)
                return event
            case _:
                return Stray(frame)

    def _keep_up(self, event: Event) -> None:
        match event:
            case ParticipantJoined(id=who, created_at=since, metadata=metadata):
                self.others.setdefault(who, RemoteParticipant(who, since, metadata))
            case ParticipantPublished(id=who, streams=streams) if who in self.others:
                self.others[who] = replace(self.others[who], streams=streams)
            case ParticipantUnpublished(connection_id=who) if who in self.others:
                self.others[who] = replace(self.others[who], streams=())
            case ParticipantLeft(connection_id=who) | ParticipantEvicted(connection_id=who):
                self.others.pop(who, None)
                self.evicted = self.evicted or (self.joined is not None and who == self.joined.id)
            case _:
                pass
