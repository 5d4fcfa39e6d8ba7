"""One signalling call: its parameters as the real server reads them, its answer, its refusals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lab.classroom.embedded.rooms import Link, Rooms, Seat
from lab.classroom.signalling import ABSENT, Code, Failure, Request, Result

T = TypeVar("T")


class CallFailed(Exception, ABC):
    """A call is answered by an error."""

    @abstractmethod
    def failure(self, request: Request, rpc_session: str) -> Failure:
        """The frame that answers."""


class Thrown(CallFailed):
    """The plain shape: code and message."""

    def __init__(self, code: Code, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(text)

    def failure(self, request: Request, rpc_session: str) -> Failure:  # noqa: ARG002
        return Failure.thrown(request.id, self.code, self.text)


class Reported(Thrown):
    """The shape with the rpc session id and a top-level ``"data": {}``."""

    #: The error's own ``data``, where it has one.
    data: Any = ABSENT

    def failure(self, request: Request, rpc_session: str) -> Failure:
        return Failure.reported(request.id, self.code, self.text, rpc_session, data=self.data)


class NotReconnected(Reported):
    """reconnectStream's refusals carry a text as ``data``, too."""

    data = "{}"


class Defect(CallFailed):
    """The shape of a Java exception: code -1, ``CLASS:TEXT``."""

    def __init__(self, exception: str, text: str) -> None:
        self.exception, self.text = exception, text
        super().__init__(f"{exception}:{text}")

    def failure(self, request: Request, rpc_session: str) -> Failure:  # noqa: ARG002
        return Failure.defect(request.id, self.exception, self.text)


class Silence(Exception):
    """The real server never answers this call."""


@dataclass
class Call:
    """A request on one socket; ``rpc_session`` is the socket's private id."""

    request: Request
    rpc_session: str
    link: Link
    rooms: Rooms
    now_ms: int

    @property
    def seat(self) -> Seat:
        """The caller's seat; every method but three is refused without one."""
        seat = self.rooms.seat(self.rpc_session)
        if seat is None or self._params().get("sessionId", self.rpc_session) != self.rpc_session:
            raise Thrown(
                Code.NOT_JOINED,
                f"No connection found for participant with privateId {self.rpc_session}. "
                "Method 'Session.connect()' must be the first operation called in any session",
            )
        return seat

    def answer(self, value: Mapping[str, Any] | None = None) -> None:
        """Answer the call; the rpc session id is added, as to every answer but pong."""
        self.link.send(Result(self.request.id, {**(value or {}), "sessionId": self.rpc_session}))

    # -- parameters, read as openvidu-server's RpcHandler reads them --------------------

    def text(self, key: str) -> str:
        """A mandatory string; numbers and booleans pass as text."""
        return as_text(self._present(key))

    def flag(self, key: str) -> bool:
        """A mandatory boolean."""
        value = self._demand(key)
        if isinstance(value, dict | list | None):
            raise _unsupported(value)
        return value is True or str(value).lower() == "true"

    def number(self, key: str) -> int:
        """A mandatory whole number."""
        value = self._demand(key)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise Defect(
                "java.lang.NumberFormatException", f'For input string: "{value}"'
            ) from None

    def optional(self, key: str, kind: type[T]) -> T | None:
        """A value that may be left out; one of another type counts as left out."""
        value = self._params().get(key)
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        return None

    def scalar(self, key: str) -> str | int | float | bool:
        """A mandatory string, number or boolean, as it came."""
        value = self._present(key)
        if isinstance(value, dict | list | None):
            raise _unsupported(value)
        found: str | int | float | bool = value
        return found

    def _present(self, key: str) -> Any:
        if key not in self._params():
            raise Defect("java.lang.RuntimeException", self.request.method)
        return self._params()[key]

    def _demand(self, key: str) -> Any:
        if key not in self._params():
            raise Defect(
                "java.lang.RuntimeException",
                f"Request element '{key}' is missing in method '{self.request.method}'. CHECK THAT "
                "'openvidu-server' AND 'openvidu-browser' SHARE THE SAME VERSION NUMBER",
            )
        return self._params()[key]

    def _params(self) -> Mapping[str, Any]:
        params = self.request.params
        if params is ABSENT:
            return {}
        if not isinstance(params, dict):
            raise Defect(
                "com.google.gson.JsonSyntaxException",
                "Expected a com.google.gson.JsonObject but was "
                f"com.google.gson.{_gson_kind(params)}",
            )
        return params


def as_text(value: Any) -> str:
    """A scalar as text, like Gson's ``getAsString``; raises `Defect` for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | None):
        raise _unsupported(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unsupported(value: dict[str, Any] | list[Any] | None) -> Defect:
    return Defect("java.lang.UnsupportedOperationException", _gson_kind(value))


def _gson_kind(value: Any) -> str:
    """The class that Gson reads a JSON value into."""
    kinds = {dict: "JsonObject", list: "JsonArray", type(None): "JsonNull"}
    return kinds.get(type(value), "JsonPrimitive")
