"""What a classroom's server refuses, and how a connection to it ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from lab.errors import LabError


@dataclass(frozen=True)
class ErrorBody:
    """The JSON of a refusal. ``by_controller``: OpenVidu's own code refused, whose time is a
    number; else the framework did (401, 405, 415, unreadable JSON, a missing body), whose time
    is a text."""

    timestamp: datetime
    status: int
    error: str
    message: str
    path: str
    by_controller: bool

    @classmethod
    def parse(cls, text: str) -> ErrorBody | None:
        """Read a body; None for any other: an empty one, a page."""
        try:
            found = json.loads(text)
            stamp = found["timestamp"]
            if isinstance(stamp, int):
                when = datetime.fromtimestamp(stamp / 1000, UTC)
            else:
                when = datetime.fromisoformat(stamp)
            return cls(
                timestamp=when,
                status=int(found["status"]),
                error=str(found["error"]),
                message=str(found["message"]),
                path=str(found["path"]),
                by_controller=isinstance(stamp, int),
            )
        except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
            return None


class RestRefused(LabError):
    """The server answered a REST call with another status than the good one.

    ``status`` is the HTTP status, ``message`` the server's own words ("" when the body was
    empty, as it is for 409, 501 and most 404), ``body`` the error in it, if there was one.
    `evidence` is the body without tokens.
    """

    def __init__(self, call: str, status: int, message: str, *, expected: str, body: str) -> None:
        self.status = status
        self.message = message
        self.body = ErrorBody.parse(body)
        super().__init__(
            f"{call} was refused",
            found=f"{status} {message}".strip(),
            expected=expected,
            advice="check the inventory's secret of the classroom" if status == 401 else None,
            evidence=body or None,
        )


class SignallingRefused(LabError):
    """The server answered a signalling request with an error.

    ``code`` is one of `lab.classroom.signalling.Code`; ``message`` holds no token.
    """

    def __init__(self, method: str, code: int, message: str) -> None:
        self.method = method
        self.code = code
        self.message = message
        super().__init__(f"{method} was refused", found=f"code {code}: {message}")


class Disconnected(LabError):
    """The signalling socket has ended; ``code`` and ``reason`` are the close frame's.

    ``code`` is None when the connection broke without one.
    """

    def __init__(self, what: str, code: int | None, reason: str) -> None:
        self.code = code
        self.reason = reason
        found = "the connection broke" if code is None else f"closed with {code} {reason}".strip()
        super().__init__(what, found=found)


class NotReconnected(LabError):
    """The server knows nothing of this participant any more: error 40007 to ``connect``."""

    def __init__(self) -> None:
        super().__init__(
            "the participant could not come back into its session",
            found="code 40007: reconnection error",
            expected="a socket lost for less than the server's reconnection time (10 s)",
        )
