"""What OpenVidu 2.13's REST interface takes and gives, typed.

`lab.classroom.wire` reads and writes these: wire names are the field names in camel case, a
field with a default may be missing. Times (``created_at``) are milliseconds since 1970.
Source: exchanges recorded from openvidu-server 2.13.0; recordings, which were not recorded, as
its node client 2.12.0 reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lab.classroom.token import Role

# -- what is asked for ------------------------------------------------------------------


class MediaMode(StrEnum):
    ROUTED = "ROUTED"
    RELAYED = "RELAYED"


class RecordingMode(StrEnum):
    #: A recording starts with the session's first stream.
    ALWAYS = "ALWAYS"
    MANUAL = "MANUAL"


class OutputMode(StrEnum):
    #: One file with everybody in it.
    COMPOSED = "COMPOSED"
    #: A file for each stream, in one archive.
    INDIVIDUAL = "INDIVIDUAL"


class Layout(StrEnum):
    """How a composed recording shows the streams."""

    BEST_FIT = "BEST_FIT"
    PICTURE_IN_PICTURE = "PICTURE_IN_PICTURE"
    VERTICAL_PRESENTATION = "VERTICAL_PRESENTATION"
    HORIZONTAL_PRESENTATION = "HORIZONTAL_PRESENTATION"
    CUSTOM = "CUSTOM"


@dataclass(frozen=True)
class SessionProperties:
    """Options of a new session; what is None is left to the server (the first of each enum,
    but MANUAL). A text that no enum has is sent as it is."""

    media_mode: MediaMode | str | None = None
    recording_mode: RecordingMode | str | None = None
    default_output_mode: OutputMode | str | None = None
    default_recording_layout: Layout | str | None = None
    default_custom_layout: str | None = None


@dataclass(frozen=True)
class RecordingProperties:
    """Options of a recording; ``resolution`` reads "1280x720", ``name`` is the file's."""

    name: str | None = None
    output_mode: OutputMode | str | None = None
    recording_layout: Layout | str | None = None
    custom_layout: str | None = None
    resolution: str | None = None
    has_audio: bool | None = None
    has_video: bool | None = None


@dataclass(frozen=True)
class IpCamera:
    """A camera for a session. The server connects only for subscribers unless told otherwise.

    ``data`` is the server's part of its metadata.
    """

    rtsp_uri: str
    #: Spelt so on the wire.
    adaptative_bitrate: bool = True
    only_play_with_subscribers: bool = True
    data: str = ""
    type: str = "IPCAM"


# -- what is answered -------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """GET /config, but for the webhook's headers: these are secrets."""

    version: str = field(metadata={"wire": "VERSION"})
    public_url: str = field(metadata={"wire": "OPENVIDU_PUBLICURL"})
    media_servers: tuple[str, ...] = field(metadata={"wire": "KMS_URIS"})
    cdr: bool = field(metadata={"wire": "OPENVIDU_CDR"})
    recording: bool = field(metadata={"wire": "OPENVIDU_RECORDING"})
    webhook: bool = field(metadata={"wire": "OPENVIDU_WEBHOOK"})
    #: In seconds: how often sessions that nobody joined are looked for, how old they may get.
    garbage_interval_s: int = field(metadata={"wire": "OPENVIDU_SESSIONS_GARBAGE_INTERVAL"})
    garbage_threshold_s: int = field(metadata={"wire": "OPENVIDU_SESSIONS_GARBAGE_THRESHOLD"})
    #: Bandwidths of video in kbit/s; "receive" and "send" are the server's.
    max_receive: int = field(metadata={"wire": "OPENVIDU_STREAMS_VIDEO_MAX_RECV_BANDWIDTH"})
    min_receive: int = field(metadata={"wire": "OPENVIDU_STREAMS_VIDEO_MIN_RECV_BANDWIDTH"})
    max_send: int = field(metadata={"wire": "OPENVIDU_STREAMS_VIDEO_MAX_SEND_BANDWIDTH"})
    min_send: int = field(metadata={"wire": "OPENVIDU_STREAMS_VIDEO_MIN_SEND_BANDWIDTH"})
    webhook_endpoint: str = field(default="", metadata={"wire": "OPENVIDU_WEBHOOK_ENDPOINT"})
    webhook_events: tuple[str, ...] = field(
        default=(), metadata={"wire": "OPENVIDU_WEBHOOK_EVENTS"}
    )


@dataclass(frozen=True)
class NewSession:
    """A session just created, or found when that was allowed."""

    id: str
    created_at: int


@dataclass(frozen=True)
class NewToken:
    """A token just made; ``kurento_options`` as the server understood them."""

    token: str = field(repr=False)
    session: str
    role: Role
    data: str
    kurento_options: dict[str, Any] | None = None


@dataclass(frozen=True)
class Endpoint:
    """One end of a stream at the media server. What stands below ``created_at`` is empty
    unless statistics were asked for."""

    stream_id: str
    created_at: int
    webrtc_endpoint_name: str = ""
    local_candidate: str = ""
    remote_candidate: str = ""
    local_sdp: str = field(default="", repr=False)
    remote_sdp: str = field(default="", repr=False)
    events: tuple[dict[str, Any], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class PublishedStream(Endpoint):
    """A stream that a connection publishes; ``media_options`` as on the wire."""

    media_options: dict[str, Any] | None = None
    #: An IP camera's.
    rtsp_uri: str | None = None


@dataclass(frozen=True)
class SubscribedStream(Endpoint):
    """A stream that a connection receives."""


@dataclass(frozen=True)
class Connection:
    """A participant (or IP camera, which has no token)."""

    connection_id: str
    created_at: int
    location: str
    platform: str
    role: Role
    server_data: str
    client_data: str
    publishers: tuple[PublishedStream, ...]
    subscribers: tuple[SubscribedStream, ...]
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Connections:
    """A page of connections; the order is not fixed."""

    number_of_elements: int
    content: tuple[Connection, ...]


@dataclass(frozen=True)
class Session:
    """A session with who is in it."""

    id: str = field(metadata={"wire": "sessionId"})
    created_at: int
    media_mode: str
    recording_mode: str
    default_output_mode: str
    custom_session_id: str
    connections: Connections
    recording: bool
    default_recording_layout: str | None = None
    default_custom_layout: str | None = None


@dataclass(frozen=True)
class Sessions:
    """All sessions."""

    number_of_elements: int
    content: tuple[Session, ...]


class RecordingStatus(StrEnum):
    STARTING = "starting"
    STARTED = "started"
    STOPPED = "stopped"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Recording:
    """A recording. ``size`` (bytes) and ``duration`` (s) are 0 until it has stopped, ``url``
    is where its file is once it is ready."""

    id: str
    session_id: str
    name: str
    status: RecordingStatus
    created_at: int
    size: int
    duration: float
    has_audio: bool
    has_video: bool
    output_mode: OutputMode = OutputMode.COMPOSED
    url: str | None = None
    resolution: str | None = None
    recording_layout: str | None = None
    custom_layout: str | None = None


@dataclass(frozen=True)
class Recordings:
    """All recordings."""

    count: int
    items: tuple[Recording, ...]
