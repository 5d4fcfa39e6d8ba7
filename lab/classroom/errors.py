"""What a classroom's server refuses, and how a connection to it ends."""

from __future__ import annotations

from lab.errors import LabError


class RestRefused(LabError):
    """The server answered a REST call with another status than the good one.

    ``status`` is the HTTP status, ``message`` the server's own words ("" when the body was
    empty, as it is for 409, 501 and most 404). `evidence` is the body without tokens.
    """

    def __init__(self, call: str, status: int, message: str, *, expected: str, body: str) -> None:
        self.status = status
        self.message = message
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
