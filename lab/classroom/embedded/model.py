"""The classroom as data: sessions, tokens, participants, and the JSON that REST gives of them.

No socket, loop or clock is in here; the time comes as an argument, in milliseconds since 1970.
Shapes and ids are those of openvidu-server 2.13.0 (``fixtures/recordings/openvidu``).
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

from lab.classroom.messages import RemoteParticipant, Stream
from lab.classroom.token import Role

VERSION = "2.13.0"
#: Every so many seconds, sessions that nobody ever joined are looked for …
GARBAGE_INTERVAL_S = 900.0
#: … and forgotten when they are older than this, in seconds.
GARBAGE_THRESHOLD_S = 3600.0
#: A recording without any publisher stops by itself after so many seconds.
AUTOSTOP_S = 120.0
#: Stands between the client's and the server's part of a participant's metadata.
METADATA_SEPARATOR = "%/%"

_ALPHANUMERIC = string.ascii_letters + string.digits


def random_id(length: int) -> str:
    """Letters and digits, unguessable: ids of sessions, connections, tokens and streams."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))


@dataclass(frozen=True)
class SessionOptions:
    """What POST /api/sessions may choose, with the server's defaults."""

    media_mode: str = "ROUTED"
    recording_mode: str = "MANUAL"
    default_output_mode: str = "COMPOSED"
    default_recording_layout: str = "BEST_FIT"
    default_custom_layout: str = ""
    custom_session_id: str = ""

    def to_json(self) -> dict[str, str]:
        found = {
            "mediaMode": self.media_mode,
            "recordingMode": self.recording_mode,
            "defaultOutputMode": self.default_output_mode,
        }
        if self.default_output_mode == "COMPOSED":
            found["defaultRecordingLayout"] = self.default_recording_layout
            if self.default_recording_layout == "CUSTOM":
                found["defaultCustomLayout"] = self.default_custom_layout
        found["customSessionId"] = self.custom_session_id
        return found


@dataclass(frozen=True)
class Grant:
    """A token that was given and not yet used; ``url`` is what joinRoom must bring."""

    url: str = field(repr=False)
    role: Role
    data: str


@dataclass(frozen=True)
class Receiving:
    """One stream that a participant receives."""

    created_at: int
    stream_id: str


@dataclass
class Participant:
    """One connection in a session. ``receiving`` is by the sender's connection id."""

    id: str
    created_at: int
    platform: str
    token: str = field(repr=False)
    role: Role
    client_data: str
    server_data: str
    stream: Stream | None = None
    receiving: dict[str, Receiving] = field(default_factory=dict)

    @property
    def metadata(self) -> str:
        """``clientData%/%serverData``; the separator only between two non-empty parts."""
        return METADATA_SEPARATOR.join(filter(None, (self.client_data, self.server_data)))

    def as_others_see(self) -> RemoteParticipant:
        streams = (self.stream,) if self.stream else ()
        return RemoteParticipant(self.id, self.created_at, self.metadata, streams)

    def to_json(self) -> dict[str, Any]:
        """REST's Connection."""
        return {
            "connectionId": self.id,
            "createdAt": self.created_at,
            "location": "unknown",
            "platform": self.platform,
            "token": self.token,
            "role": self.role.value,
            "serverData": self.server_data,
            "clientData": self.client_data,
            "publishers": [_publisher_json(self.stream)] if self.stream else [],
            "subscribers": [
                {"createdAt": received.created_at, "streamId": received.stream_id}
                for received in self.receiving.values()
            ],
        }


def _publisher_json(stream: Stream) -> dict[str, Any]:
    options: dict[str, Any] = {"hasAudio": stream.has_audio}
    if stream.has_audio:
        options["audioActive"] = stream.audio_active
    options["hasVideo"] = stream.has_video
    if stream.has_video:
        options |= {
            "videoActive": stream.video_active,
            "typeOfVideo": stream.type_of_video,
            "frameRate": stream.frame_rate,
            "videoDimensions": stream.video_dimensions,
        }
    options["filter"] = stream.filter
    given = {key: value for key, value in options.items() if value is not None}
    return {"createdAt": stream.created_at, "streamId": stream.id, "mediaOptions": given}


@dataclass
class Session:
    """A session from POST /api/sessions until its last participant has left."""

    id: str
    created_at: int
    options: SessionOptions
    grants: dict[str, Grant] = field(default_factory=dict)
    participants: dict[str, Participant] = field(default_factory=dict)
    #: Whether anybody has ever joined; a session without is collected after an hour.
    active: bool = False
    #: The media server once had no room for it, and will not make any.
    broken: bool = False
    #: Whether it is being recorded: it then outlives its last participant for a while.
    recording: bool = False

    def grant(self, public_authority: str, role: Role, data: str, *, shown_role: Role) -> Grant:
        """Give a new token; ``shown_role`` is what its URL says (the same, but for a fault)."""
        url = (
            f"wss://{public_authority}?sessionId={self.id}&token=tok_{random_id(16)}"
            f"&role={shown_role}&version={VERSION}"
        )
        self.grants[url] = Grant(url, role, data)
        return self.grants[url]

    def redeem(self, url: str, *, keep: bool = False) -> Grant | None:
        """Use up the token with exactly this URL; None if there is none (any more)."""
        return self.grants.get(url) if keep else self.grants.pop(url, None)

    def enter(self, grant: Grant, *, platform: str, client_data: str, now_ms: int) -> Participant:
        """Add the participant to whom ``grant`` was given."""
        participant = Participant(
            id=f"con_{random_id(10)}",
            created_at=now_ms,
            platform=platform,
            token=grant.url,
            role=grant.role,
            client_data=client_data,
            server_data=grant.data,
        )
        self.participants[participant.id] = participant
        self.active = True
        return participant

    def leave(self, connection_id: str) -> None:
        """Take a participant out; nobody receives its stream any more."""
        del self.participants[connection_id]
        self.stop_stream(connection_id)

    def stop_stream(self, connection_id: str) -> None:
        """A participant publishes no more: forget its stream and who receives it."""
        if connection_id in self.participants:
            self.participants[connection_id].stream = None
        for participant in self.participants.values():
            participant.receiving.pop(connection_id, None)

    def owner_of(self, stream_id: str) -> Participant | None:
        """Who publishes the stream of that id."""
        for participant in self.participants.values():
            if participant.stream and participant.stream.id == stream_id:
                return participant
        return None

    def to_json(self) -> dict[str, Any]:
        """REST's Session."""
        content = [participant.to_json() for participant in self.participants.values()]
        return {
            "sessionId": self.id,
            "createdAt": self.created_at,
            **self.options.to_json(),
            "connections": {"numberOfElements": len(content), "content": content},
            "recording": self.recording,
        }


class Sessions:
    """All sessions of the server, by id."""

    def __init__(self) -> None:
        self._by_id: dict[str, Session] = {}

    def create(self, options: SessionOptions, now_ms: int) -> Session | None:
        """A new session; None if its custom id is taken."""
        identity = options.custom_session_id or f"ses_{random_id(10)}"
        if identity in self._by_id:
            return None
        self._by_id[identity] = Session(identity, now_ms, options)
        return self._by_id[identity]

    def get(self, identity: str) -> Session | None:
        return self._by_id.get(identity)

    def all(self) -> list[Session]:
        return list(self._by_id.values())

    def remove(self, session: Session) -> None:
        self._by_id.pop(session.id, None)

    def collect_garbage(self, *, created_before_ms: int) -> None:
        """Forget old sessions that nobody has ever joined; no event tells of it."""
        for session in self.all():
            if not session.active and session.created_at < created_before_ms:
                self.remove(session)


def stream_id(stream_kind: str | None, connection_id: str) -> str:
    """``str_CAM_XXXX_con_…``; the kind is typeOfVideo's first three letters, MIC without video."""
    return f"str_{stream_kind[:3] if stream_kind else 'MIC'}_{random_id(4)}_{connection_id}"
