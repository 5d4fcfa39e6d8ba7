"""What REST callers may ask for, read from JSON as openvidu-server 2.13.0 reads it.

Every function raises `Refused` with the server's own status and message.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from lab.classroom.embedded.model import SessionOptions
from lab.classroom.token import Role

_MEDIA_MODES = ("ROUTED", "RELAYED")
_RECORDING_MODES = ("ALWAYS", "MANUAL")
_OUTPUT_MODES = ("COMPOSED", "INDIVIDUAL")
_LAYOUTS = (
    "BEST_FIT", "PICTURE_IN_PICTURE", "VERTICAL_PRESENTATION", "HORIZONTAL_PRESENTATION", "CUSTOM",
)  # fmt: skip
_BANDWIDTHS = (
    "videoMaxRecvBandwidth", "videoMinRecvBandwidth",
    "videoMaxSendBandwidth", "videoMinSendBandwidth",
)  # fmt: skip

#: Width and height of three digits, or of four that begin with 1 (openvidu's FormatChecker).
_RESOLUTION = r"(?:[1-9]\d{2}|1\d{3})x(?:[1-9]\d{2}|1\d{3})"
#: Names of recordings are names of files. The real server takes any, paths out of its folder too.
_FILE_NAME = r"\w[\w .-]{0,199}"

_TYPE_ERROR = "Type error in some parameter"
_NOT_AN_OBJECT = "Error in parameter 'kurentoOptions'. It is not a valid JSON object"
_KURENTO_TYPE_ERROR = "Type error in some parameter of 'kurentoOptions'"


class Refused(Exception):
    """A REST call is refused with ``status``; ``message`` None means an empty body."""

    def __init__(self, status: int, message: str | None = None) -> None:
        self.status = status
        self.message = message
        super().__init__(f"{status} {message or ''}".strip())


def session_options(params: dict[str, Any]) -> SessionOptions:
    """POST /api/sessions. All parameters are optional; a null is as good as nothing."""
    media, recording, output, layout, custom_layout, custom_id = (
        _text(params, key)
        for key in (
            "mediaMode", "recordingMode", "defaultOutputMode",
            "defaultRecordingLayout", "defaultCustomLayout", "customSessionId",
        )
    )  # fmt: skip
    if custom_id and not re.fullmatch(r"[a-zA-Z0-9_-]+", custom_id):
        raise Refused(400, 'Parameter "customSessionId" is wrong. Must be an alphanumeric string')
    chosen = (
        (recording, _RECORDING_MODES),
        (output, _OUTPUT_MODES),
        (layout, _LAYOUTS),
        (media, _MEDIA_MODES),
    )
    if any(value is not None and value not in known for value, known in chosen):
        raise Refused(
            400,
            "RecordingMode {} | Default OutputMode {} | Default RecordingLayout {} | MediaMode {}. "
            "Some parameter is not defined".format(*(_java(value) for value, _ in chosen)),
        )
    default = SessionOptions()
    return SessionOptions(
        media_mode=media or default.media_mode,
        recording_mode=recording or default.recording_mode,
        default_output_mode=output or default.default_output_mode,
        default_recording_layout=layout or default.default_recording_layout,
        default_custom_layout=custom_layout or "",
        custom_session_id=custom_id or "",
    )


@dataclass(frozen=True)
class TokenRequest:
    """``kurento_options`` is None when none were given: the answer then has none either."""

    session: str
    role: str | None
    data: str
    kurento_options: dict[str, Any] | None


def token_request(params: dict[str, Any]) -> TokenRequest:
    """POST /api/tokens. The role is checked after the session: see `role_named`."""
    session = _text(params, "session")
    role, data = _text(params, "role"), _text(params, "data")
    if session is None:
        raise Refused(400, '"session" parameter is mandatory')
    return TokenRequest(session, role, data or "", _kurento_options(params.get("kurentoOptions")))


def role_named(name: str | None) -> Role:
    """The role of that name; PUBLISHER when none was named."""
    if name is None:
        return Role.PUBLISHER
    if name not in Role.__members__:
        raise Refused(400, f"Parameter role {name} is not defined")
    return Role(name)


@dataclass(frozen=True)
class SignalRequest:
    """``content`` goes out as it came: "data" and "type", each only if it was given."""

    session: str
    to: tuple[Any, ...]
    content: dict[str, str]


def signal_request(params: dict[str, Any]) -> SignalRequest:
    """POST /api/signal. No, null and empty ``to`` mean everybody."""
    session, kind, data = (_text(params, key) for key in ("session", "type", "data"))
    to = params.get("to")
    if not isinstance(to, list | None):
        raise Refused(400, _TYPE_ERROR)
    if session is None:
        raise Refused(400, '"session" parameter is mandatory')
    given = {"data": data, "type": kind}
    content = {key: value for key, value in given.items() if value is not None}
    return SignalRequest(session, tuple(to or ()), content)


@dataclass(frozen=True)
class RecordingRequest:
    """How to record a session. ``name`` is empty when the recording's id is its name."""

    session: str
    name: str = ""
    output_mode: str = "COMPOSED"
    has_audio: bool = True
    has_video: bool = True
    resolution: str = "1920x1080"
    layout: str = "BEST_FIT"
    custom_layout: str = ""

    @classmethod
    def of_session(cls, options: SessionOptions, session: str) -> RecordingRequest:
        """How a session is recorded that always is."""
        return cls(
            session,
            output_mode=options.default_output_mode,
            layout=options.default_recording_layout,
            custom_layout=options.default_custom_layout,
        )


def recording_request(params: dict[str, Any]) -> RecordingRequest:
    """POST /api/recordings/start. What only the session knows is "" here: see `completed`."""
    session, name, output, resolution, layout, custom_layout = (
        _text(params, key)
        for key in (
            "session", "name", "outputMode", "resolution", "recordingLayout", "customLayout",
        )
    )  # fmt: skip
    has_audio, has_video = (params.get(key) for key in ("hasAudio", "hasVideo"))
    if not isinstance(has_audio, bool | None) or not isinstance(has_video, bool | None):
        raise Refused(400, _TYPE_ERROR)
    if session is None:
        raise Refused(400, '"session" parameter is mandatory')
    if output and output not in _OUTPUT_MODES:
        raise Refused(400, _TYPE_ERROR)
    if output == "COMPOSED":
        if resolution is not None and not re.fullmatch(_RESOLUTION, resolution):
            raise Refused(
                422,
                'Wrong "resolution" parameter. Acceptable values from 100 to 1999 for both '
                "width and height",
            )
        if layout and layout not in _LAYOUTS:
            raise Refused(400, _TYPE_ERROR)
    if has_audio is False and has_video is False:
        raise Refused(
            422, 'Cannot start a recording with both "hasAudio" and "hasVideo" set to false'
        )
    if name and not re.fullmatch(_FILE_NAME, name):
        raise Refused(400, 'Parameter "name" is wrong. It must be a file\'s name')
    return RecordingRequest(
        session,
        name or "",
        output or "",
        has_audio is not False,
        has_video is not False,
        resolution or RecordingRequest.resolution,
        layout or "",
        custom_layout or "",
    )


def completed(request: RecordingRequest, options: SessionOptions) -> RecordingRequest:
    """The request with the session's defaults where it says nothing."""
    return replace(
        request,
        output_mode=request.output_mode or options.default_output_mode,
        layout=request.layout or options.default_recording_layout,
        custom_layout=request.custom_layout or options.default_custom_layout,
    )


def _text(params: dict[str, Any], key: str) -> str | None:
    value = params.get(key)
    if value is not None and not isinstance(value, str):
        raise Refused(400, _TYPE_ERROR)
    return value


def _java(value: str | None) -> str:
    return "null" if value is None else value


def _kurento_options(value: Any) -> dict[str, Any] | None:
    """What the server echoes of them: unknown keys vanish, numbers become whole."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Refused(400, _NOT_AN_OBJECT) from None
    if not isinstance(value, dict):
        raise Refused(400, _NOT_AN_OBJECT)
    found: dict[str, Any] = {key: _bandwidth(value[key]) for key in _BANDWIDTHS if key in value}
    filters = value.get("allowedFilters", [])
    if not isinstance(filters, list):
        raise Refused(400, _KURENTO_TYPE_ERROR)
    names = [str(name) for name in filters]
    if any(re.search(r"[\s,]", name) for name in names):
        raise Refused(400, _NOT_AN_OBJECT)  # the server takes its own text apart there
    if names:
        found["allowedFilters"] = names
    return found


def _bandwidth(value: Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        raise Refused(400, _KURENTO_TYPE_ERROR) from None
