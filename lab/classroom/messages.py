"""The contents of OpenVidu 2.13's signalling: results and notifications, typed.

`lab.classroom.wire` reads them from JSON and writes them: wire names are the field names in
camel case. Times (``created_at``) are milliseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias, get_args

from lab.classroom.signalling import Notification
from lab.classroom.wire import read, write

# -- parts and results ------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """What a participant publishes. ``video_dimensions`` is a JSON text, as on the wire."""

    id: str
    created_at: int
    has_audio: bool
    has_video: bool
    audio_active: bool | None = None
    video_active: bool | None = None
    type_of_video: str | None = None
    frame_rate: int | None = None
    video_dimensions: str | None = None
    filter: dict[str, Any] | None = None


@dataclass(frozen=True)
class RemoteParticipant:
    """Somebody else in the session, as joinRoom's reply lists them."""

    id: str
    created_at: int
    metadata: str
    streams: tuple[Stream, ...] = ()


@dataclass(frozen=True)
class Joined:
    """joinRoom's result; ``id`` is the connection's, ``session_id`` the rpc session's."""

    id: str
    created_at: int
    metadata: str
    value: tuple[RemoteParticipant, ...]
    session_id: str = ""


@dataclass(frozen=True)
class Published:
    """publishVideo's result; ``id`` is the stream's."""

    sdp_answer: str
    id: str
    created_at: int


@dataclass(frozen=True)
class Receiving:
    """receiveVideoFrom's result."""

    sdp_answer: str


@dataclass(frozen=True)
class Reoffered:
    """reconnectStream's result; ``id`` and ``created_at`` are there for its publisher."""

    sdp_answer: str
    id: str | None = None
    created_at: int | None = None


@dataclass(frozen=True)
class Pong:
    """ping's result; ``session_id`` only if the ping named one."""

    value: str
    session_id: str = ""


@dataclass(frozen=True)
class Resumed:
    """connect's result: ``value`` is "reconnection successful", or "OK" without a session."""

    value: str
    session_id: str


@dataclass(frozen=True)
class Done:
    """The result of every other method: nothing but the rpc session's id."""

    session_id: str = ""


# -- notifications ----------------------------------------------------------------------


class Reason(StrEnum):
    """Why somebody left, was evicted or publishes no more, and why a recording ended."""

    UNSUBSCRIBE = "unsubscribe"
    UNPUBLISH = "unpublish"
    DISCONNECT = "disconnect"
    FORCE_UNPUBLISH_BY_USER = "forceUnpublishByUser"
    FORCE_UNPUBLISH_BY_SERVER = "forceUnpublishByServer"
    FORCE_DISCONNECT_BY_USER = "forceDisconnectByUser"
    FORCE_DISCONNECT_BY_SERVER = "forceDisconnectByServer"
    LAST_PARTICIPANT_LEFT = "lastParticipantLeft"
    NETWORK_DISCONNECT = "networkDisconnect"
    MEDIA_SERVER_DISCONNECT = "mediaServerDisconnect"
    OPENVIDU_SERVER_STOPPED = "openviduServerStopped"
    RECORDING_STOPPED_BY_SERVER = "recordingStoppedByServer"
    AUTOMATIC_STOP = "automaticStop"
    SESSION_CLOSED_BY_SERVER = "sessionClosedByServer"


@dataclass(frozen=True)
class ParticipantJoined:
    METHOD: ClassVar = "participantJoined"
    id: str
    created_at: int
    metadata: str


@dataclass(frozen=True)
class ParticipantPublished:
    METHOD: ClassVar = "participantPublished"
    id: str
    streams: tuple[Stream, ...]


@dataclass(frozen=True)
class ParticipantUnpublished:
    """``reason`` is one of `Reason`, as everywhere below but in a change of a property."""

    METHOD: ClassVar = "participantUnpublished"
    connection_id: str
    reason: str


@dataclass(frozen=True)
class ParticipantLeft:
    METHOD: ClassVar = "participantLeft"
    connection_id: str
    reason: str


@dataclass(frozen=True)
class ParticipantEvicted:
    """Sent to everybody, the evicted one included (who gets it twice from the real server)."""

    METHOD: ClassVar = "participantEvicted"
    connection_id: str
    reason: str


@dataclass(frozen=True)
class Signal:
    """A message in the session. ``sender`` is a connection id, None when REST sent it."""

    METHOD: ClassVar = "sendMessage"
    data: str | None = None
    sender: str | None = field(default=None, metadata={"wire": "from"})
    type: str | None = None


@dataclass(frozen=True)
class StreamPropertyChanged:
    """``new_value`` is a JSON text, but an object when ``property`` is "filter"."""

    METHOD: ClassVar = "streamPropertyChanged"
    connection_id: str
    stream_id: str
    property: str
    new_value: Any
    reason: str


@dataclass(frozen=True)
class IceCandidate:
    """The server's candidate; ``endpoint_name`` is your stream's id when you publish it,
    ``OWNCONNECTION_STREAM`` when you receive it."""

    METHOD: ClassVar = "iceCandidate"
    sender_connection_id: str
    endpoint_name: str
    sdp_m_line_index: int
    sdp_mid: str
    candidate: str


@dataclass(frozen=True)
class MediaError:
    METHOD: ClassVar = "mediaError"
    error: str


@dataclass(frozen=True)
class RecordingStarted:
    METHOD: ClassVar = "recordingStarted"
    id: str
    name: str


@dataclass(frozen=True)
class RecordingStopped:
    METHOD: ClassVar = "recordingStopped"
    id: str
    name: str
    reason: str


@dataclass(frozen=True)
class FilterEventDispatched:
    METHOD: ClassVar = "filterEventDispatched"
    connection_id: str
    stream_id: str
    filter_type: str
    event_type: str
    data: Any


@dataclass(frozen=True)
class Unknown:
    """A notification that this client does not know; newer servers may send some."""

    method: str
    params: Any


Event: TypeAlias = (
    ParticipantJoined
    | ParticipantPublished
    | ParticipantUnpublished
    | ParticipantLeft
    | ParticipantEvicted
    | Signal
    | StreamPropertyChanged
    | IceCandidate
    | MediaError
    | RecordingStarted
    | RecordingStopped
    | FilterEventDispatched
    | Unknown
)

_BY_METHOD: dict[str, type[Any]] = {
    kind.METHOD: kind for kind in get_args(Event) if kind is not Unknown
}


def read_notification(notification: Notification) -> Event:
    """The typed event in a notification; `Malformed` if a field is missing or mistyped."""
    kind = _BY_METHOD.get(notification.method)
    if kind is None:
        return Unknown(notification.method, notification.params)
    event: Event = read(kind, notification.params, where=notification.method)
    return event


def write_notification(event: Event) -> Notification:
    """The notification that carries an event."""
    if isinstance(event, Unknown):
        return Notification(event.method, event.params)
    return Notification(event.METHOD, write(event))
