"""The contents of OpenVidu 2.13's signalling: results and notifications, typed.

Every class reads itself from JSON with `read` and turns into JSON with `write`; wire names
are the field names in camel case. A field that is None or empty by default is left out on
the wire. Times (``created_at``) are milliseconds since 1970.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from lab.classroom.signalling import MalformedFrame, Notification

M = TypeVar("M")

#: Why a participant, a stream or a session ended.
REASONS = frozenset({
    "unsubscribe", "unpublish", "disconnect", "forceUnpublishByUser", "forceUnpublishByServer",
    "forceDisconnectByUser", "forceDisconnectByServer", "lastParticipantLeft",
    "networkDisconnect", "mediaServerDisconnect", "openviduServerStopped",
    "recordingStoppedByServer", "automaticStop", "sessionClosedByServer",
})  # fmt: skip


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
    value: tuple[RemoteParticipant, ...] = field(metadata={"always": True})
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


# -- notifications ----------------------------------------------------------------------


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
    streams: tuple[Stream, ...] = field(metadata={"always": True})


@dataclass(frozen=True)
class ParticipantUnpublished:
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
    """The typed event in a notification; `MalformedFrame` if a field is missing or mistyped."""
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


# -- dataclasses to and from JSON -------------------------------------------------------


def write(message: Any) -> dict[str, Any]:
    """A message as a JSON object."""
    found = {}
    for spec in fields(message):
        value = getattr(message, spec.name)
        if value == spec.default and value in (None, ()):
            continue
        if isinstance(value, tuple):
            value = [write(item) for item in value]
        found[_wire_name(spec)] = value
    return found


def read(kind: type[M], params: object, *, where: str) -> M:
    """A message of class ``kind`` from a JSON object; unknown keys are ignored.

    Raises `MalformedFrame` that names ``where`` (the method) and the field.
    """
    if not isinstance(params, Mapping):
        raise _mistyped(where, "params", "an object", params)
    values = {}
    cacheable: Any = kind
    for name, wire, hint, default in _plan(cacheable):
        if wire in params:
            values[name] = _value(hint, params[wire], f"{where}.{wire}")
        elif default is MISSING:
            raise _mistyped(where, wire, "present", None)
    return kind(**values)


@cache
def _plan(kind: type[Any]) -> tuple[tuple[str, str, Any, Any], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (spec.name, _wire_name(spec), hints[spec.name], spec.default) for spec in fields(kind)
    )


def _wire_name(spec: Field[Any]) -> str:
    given = spec.metadata.get("wire")
    return given or re.sub(r"_(.)", lambda match: match[1].upper(), spec.name)


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        hint = next(option for option in get_args(hint) if option is not type(None))
        if value is None:
            return None
        return _value(hint, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _mistyped(where, "value", "a list", value)
        return tuple(read(get_args(hint)[0], item, where=where) for item in value)
    wanted = origin or hint
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise _mistyped(where, "value", wanted.__name__, value)
    return value


def _mistyped(where: str, key: str, expected: str, found: object) -> MalformedFrame:
    return MalformedFrame(
        f"{where}: {key} is not as the protocol has it",
        found="nothing" if found is None else f"a {type(found).__name__}",
        expected=expected,
    )
