"""OpenVidu 2.13's signalling envelope: JSON-RPC 2.0 frames as kurento-jsonrpc speaks it.

No socket, loop or clock is in here; the client and the embedded backend both use it.
Source of every fact: recordings of openvidu-server 2.13.0 (``fixtures/recordings/openvidu``).

Frames: a request ``{"jsonrpc","method","params","id"}``, its answer ``{"id","result"}`` or
``{"id","error"}``, and a notification ``{"method","params"}`` without id. The typed contents
of results and notifications are in `lab.classroom.messages`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, TypeAlias

from lab.classroom.wire import Malformed

#: The WebSocket's path; ``/openvidu/`` is 404.
PATH = "/openvidu"
#: A longer text frame (in characters, not bytes) makes the server close with 1009.
MAX_FRAME_CHARACTERS = 51_200
CLOSE_FRAME_TOO_LONG = 1009
CLOSE_REASON_TOO_LONG = (
    "The decoded text message was too big for the output buffer and the endpoint does not "
    "support partial messages"
)
#: A binary frame makes the server close with 1003.
CLOSE_BINARY_FRAME = 1003
CLOSE_REASON_BINARY = "Binary messages not supported"
#: The server closes with 1000 and this reason when pings stay away.
CLOSE_REASON_NO_PING = "Close for not receive ping from client"
#: The interval that a client's first ping names; the server closes after three of them.
PING_INTERVAL_MS = 5000
PING_INTERVALS_UNTIL_CLOSE = 3
#: From the end of a socket until the others are told that its participant has left.
RECONNECTION_GRACE_S = 10.0


class Code(IntEnum):
    """Error codes that openvidu-server 2.13 gives."""

    #: Every missing or mistyped parameter, and real defects.
    DEFECT = -1
    USER_NOT_FOUND = 102
    NOT_STREAMING = 105
    SESSION_NOT_FOUND = 202
    SESSION_CLOSED = 203
    SESSION_NOT_CREATED = 204
    SDP = 302
    ENDPOINT = 303
    ICE_CANDIDATE = 304
    #: A token that is unknown or used, or a role that does not allow the call.
    UNAUTHORIZED = 401
    FILTER_ALREADY_APPLIED = 405
    FILTER = 406
    METADATA = 500
    SIGNAL_FORMAT = 600
    SIGNAL_RECEIVER = 601
    #: Any method but ping, joinRoom and connect before joining.
    NOT_JOINED = 803
    GENERIC = 999
    RECONNECTION = 40007


class Absent(Enum):
    """The value of a key that is not there, which is not the same as null."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


class MalformedFrame(Malformed):
    """A text is no frame of this protocol.

    The real server answers such a text with silence and keeps the socket open.
    """


@dataclass(frozen=True)
class Request:
    """A call. ``params`` is `ABSENT` when the key is missing, else any JSON value."""

    method: str
    params: Any
    id: int

    def to_json(self) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "method": self.method}
        middle = {} if self.params is ABSENT else {"params": self.params}
        return {**head, **middle, "id": self.id}


@dataclass(frozen=True)
class Notification:
    """A call that expects no answer; from a client the real server takes it for a defect."""

    method: str
    params: Any

    def to_json(self) -> dict[str, Any]:
        middle = {} if self.params is ABSENT else {"params": self.params}
        return {"method": self.method, **middle, "jsonrpc": "2.0"}


@dataclass(frozen=True)
class Result:
    """A good answer. Every value but pong's carries ``sessionId``, the rpc session's id."""

    id: int
    value: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "result": dict(self.value), "jsonrpc": "2.0"}


@dataclass(frozen=True)
class Failure:
    """A bad answer, in one of the server's three shapes: see `thrown`, `reported`, `defect`.

    ``id`` is None when the request had none. ``session_id`` is there in the reported shape
    only, and brings a top-level ``"data": {}`` with it. ``data`` is the error's own.
    """

    id: int | None
    code: int
    message: str
    session_id: str | None = None
    data: Any = ABSENT

    @classmethod
    def thrown(cls, request_id: int | None, code: int, text: str) -> Failure:
        """A refusal: ``{"code","message"}``, the message ending in ". Code: N"."""
        return cls(request_id, int(code), f"{text}. Code: {int(code)}")

    @classmethod
    def reported(
        cls, request_id: int | None, code: int, text: str, session_id: str, *, data: Any = ABSENT
    ) -> Failure:
        """What failed behind the door (102, 105, 204, 302, 304 …).

        ``session_id`` is the rpc session's; reconnectStream adds the text "{}" as ``data``.
        """
        return cls(request_id, int(code), f"{text}. Code: {int(code)}", session_id, data)

    @classmethod
    def defect(cls, request_id: int | None, exception: str, text: str) -> Failure:
        """A missing or mistyped parameter: code -1, ``CLASS:TEXT``, a stack trace as data."""
        return cls(
            request_id,
            Code.DEFECT.value,
            f"{exception}:{text}",
            data=f"{exception}: {text}\n\tat embedded",
        )

    def to_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not ABSENT:
            error["data"] = self.data
        if self.session_id is not None:
            error["sessionId"] = self.session_id
        head = {} if self.id is None else {"id": self.id}
        tail: dict[str, Any] = {} if self.session_id is None else {"data": {}}
        return {**head, "error": error, "jsonrpc": "2.0", **tail}


Frame: TypeAlias = Request | Notification | Result | Failure


def format_frame(frame: Frame) -> str:
    """A frame as the text that goes into one WebSocket message."""
    text = json.dumps(frame.to_json(), ensure_ascii=False, separators=(",", ":"))
    # What UTF-8 cannot carry (a lone surrogate) leaves as "?", as it does from Java.
    return text if text.isascii() else text.encode(errors="replace").decode()


def parse_frame(text: str) -> Frame:
    """The frame in one WebSocket text message; raises `MalformedFrame` for anything else.

    As the real server does, unknown keys and the jsonrpc version are not looked at, and an
    id that is a numeral in a string, a fraction or too large becomes a Java int.
    """
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _malformed("not JSON") from None
    if not isinstance(found, dict):
        raise _malformed(f"a JSON {type(found).__name__}")
    if "method" in found:
        method = found["method"]
        if not isinstance(method, str):
            raise _malformed("a method that is no string")
        params = found.get("params", ABSENT)
        if "id" not in found:
            return Notification(method, params)
        return Request(method, params, _id_of(found["id"]))
    if "error" in found:
        return _failure(found)
    if "result" in found:
        if not isinstance(found["result"], dict) or "id" not in found:
            raise _malformed("a result that is no object, or has no id")
        return Result(_id_of(found["id"]), found["result"])
    raise _malformed("an object without method, result or error")


def _failure(found: dict[str, Any]) -> Failure:
    error = found["error"]
    if not isinstance(error, dict):
        raise _malformed("an error that is no object")
    code, message, session_id = error.get("code"), error.get("message"), error.get("sessionId")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        raise _malformed("an error without a numeric code and a message")
    if session_id is not None and not isinstance(session_id, str):
        raise _malformed("an error whose sessionId is no string")
    request_id = _id_of(found["id"]) if "id" in found else None
    return Failure(request_id, code, message, session_id, error.get("data", ABSENT))


def _id_of(value: object) -> int:
    """An id as the server's ``JsonElement.getAsInt`` reads it (2**40 is 0, 1.5 is 1)."""
    try:
        if isinstance(value, str):
            number = int(value) if value.isascii() and len(value) <= 20 else None
        elif isinstance(value, int | float) and not isinstance(value, bool):
            number = int(value)
        else:
            number = None
    except (ValueError, OverflowError):
        number = None
    if number is None:
        raise _malformed("an id that is no number")
    return (number + 2**31) % 2**32 - 2**31


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _malformed(found: str) -> MalformedFrame:
    return MalformedFrame(
        "a text is no signalling frame",
        found=found,
        expected="a JSON object with method, result or error",
    )
