"""What happened in sessions, as OpenVidu 2.13 tells it afterwards: webhooks and CDR lines.

Both carry the same object: a webhook's body has the event's name in it under ``event``, a line
of the CDR (call detail record) is ``{"NAME": {…}}``. The client and the embedded backend both
use this module. Source: recordings of openvidu-server 2.13.0
(``fixtures/recordings/openvidu/webhook``). Times are milliseconds since 1970.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from lab.classroom.wire import Malformed, read, write


class Happening(StrEnum):
    """The events that OPENVIDU_WEBHOOK_EVENTS may name, in the order in which /config has them."""

    SESSION_CREATED = "sessionCreated"
    SESSION_DESTROYED = "sessionDestroyed"
    PARTICIPANT_JOINED = "participantJoined"
    PARTICIPANT_LEFT = "participantLeft"
    CONNECTION_CREATED = "webrtcConnectionCreated"
    CONNECTION_DESTROYED = "webrtcConnectionDestroyed"
    RECORDING_STATUS_CHANGED = "recordingStatusChanged"
    FILTER_EVENT = "filterEventDispatched"
    MEDIA_NODE_STATUS_CHANGED = "mediaNodeStatusChanged"


@dataclass(frozen=True)
class Record:
    """One event. What ends something has ``start_time``, ``duration`` (whole seconds, rounded
    down) and ``reason``; a stream's has ``stream_id`` and ``connection`` (OUTBOUND or INBOUND,
    then with ``receiving_from``); a participant's has ``platform`` and the two data; a
    recording's has what REST tells of it, and the ``duration`` is the file's.
    """

    session_id: str
    timestamp: int
    start_time: int | None = None
    duration: float | None = None
    reason: str | None = None
    stream_id: str | None = None
    participant_id: str | None = None
    location: str | None = None
    platform: str | None = None
    client_data: str | None = None
    server_data: str | None = None
    connection: str | None = None
    receiving_from: str | None = None
    video_source: str | None = None
    video_framerate: int | None = None
    video_dimensions: str | None = None
    audio_enabled: bool | None = None
    video_enabled: bool | None = None
    id: str | None = None
    name: str | None = None
    output_mode: str | None = None
    resolution: str | None = None
    recording_layout: str | None = None
    custom_layout: str | None = None
    has_audio: bool | None = None
    has_video: bool | None = None
    size: int | None = None
    status: str | None = None
    event: Happening | None = None


def webhook_body(record: Record) -> dict[str, Any]:
    """The JSON object that a webhook posts."""
    return write(record)


def cdr_line(record: Record) -> str:
    """The line of the CDR, without its end."""
    line = {str(record.event): write(replace(record, event=None))}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def read_webhook(body: bytes | str) -> Record:
    """The event in a webhook's body; raises `Malformed`."""
    found = _json(body, "a webhook")
    record = read(Record, found, where="webhook")
    if record.event is None:
        raise Malformed("a webhook names no event", found=f"the keys {', '.join(found)}")
    return record


def read_cdr_line(line: str) -> Record:
    """The event in a line of the CDR; raises `Malformed`."""
    return read_cdr_event(_json(line, "a line of the CDR"))


def read_cdr_event(found: Mapping[str, Any]) -> Record:
    """The event in a line of the CDR, read as JSON; raises `Malformed`."""
    if len(found) != 1:
        raise Malformed("a line of the CDR is not one event", found=f"{len(found)} keys")
    ((name, content),) = found.items()
    if not isinstance(content, dict):
        raise Malformed("a line of the CDR is not one event", found=f"{name} without an object")
    return read(Record, {**content, "event": name}, where="CDR")


def _json(text: bytes | str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(f"{what} is no JSON", found=f"{len(text)} characters") from None
    if not isinstance(found, dict):
        raise Malformed(f"{what} is no JSON object", found=f"a {type(found).__name__}")
    return found
