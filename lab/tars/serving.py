"""Servants: functions by name, and what a call of one is answered with.

No socket and no clock; `server` brings the calls. Codes as TarsCpp 3.0.22 gives them: -4 for an
unknown servant, -3 for an unknown function, -1 for arguments that cannot be read (in JSON, and
for a TUP attribute that lacks: -99), -99 when the servant fails; @tars/rpc says -1 to all of
these but an unknown function. ``tars_ping`` is answered for every servant.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from lab.tars.body import Empty, Function, Struct
from lab.tars.encodings import decode_arguments, encode_results
from lab.tars.errors import MalformedBody, MissingArgument, NotEncodable
from lab.tars.packets import Dialect, PacketType, RequestPacket, Version, answer_frame

_log = logging.getLogger(__name__)

SERVER_DECODE = -1
SERVER_ENCODE = -2
NO_FUNCTION = -3
NO_SERVANT = -4
QUEUE_TIMEOUT = -6
INVOKE_TIMEOUT = -7
OVERLOAD = -9
UNKNOWN = -99

#: The int 0 that @tars/rpc returns for tars_ping.
_ZERO = b"\x0c"
_ZERO_IN_TUP = bytes.fromhex("08000106001d0000010c")
_NO_ATTRIBUTES = bytes.fromhex("080c")

A = TypeVar("A", bound=Struct)
R = TypeVar("R", bound=Struct)


class Peer(Protocol):
    """Who called."""

    @property
    def host(self) -> str:
        """The caller's address."""

    def send(self, frame: bytes) -> None:
        """Send an answer."""

    def abort(self) -> None:
        """End the connection at once."""

    def push(self, function: str, body: bytes) -> None:
        """Send what the caller did not ask for."""

    def on_close(self, told: Callable[[], None]) -> None:
        """Have ``told`` called when the caller is gone."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, and who sent it."""

    packet: RequestPacket
    peer: Peer

    @property
    def body(self) -> bytes:
        return self.packet.body


class Refusal(Exception):
    """Raised by a handler: answer with this iRet and text."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(f"iRet {code} {text}".strip())
        self.code = code
        self.text = text


class Silence(Exception):
    """Raised by a handler: leave the caller without an answer."""


#: Takes the arguments and the call; returns the results, at once or awaited.
Handler = Callable[[A, Call], R | Awaitable[R]]


class Servant:
    """What one object offers.

    servant = Servant()

    @servant.offers(REPEAT)
    def repeat(asked: Repeat, call: Call) -> Repeated: ...
    """

    def __init__(self) -> None:
        self._offers: dict[str, tuple[Function[Any, Any], Handler[Any, Any]]] = {}

    def offer(self, function: Function[A, R], handler: Handler[A, R]) -> None:
        """Have calls of ``function`` handled; an async handler holds no other call."""
        self._offers[function.name] = function, handler

    def offers(self, function: Function[A, R]) -> Callable[[Handler[A, R]], Handler[A, R]]:
        """`offer` as a decorator."""

        def taken(handler: Handler[A, R]) -> Handler[A, R]:
            self.offer(function, handler)
            return handler

        return taken

    def find(self, name: str) -> tuple[Function[Any, Any], Handler[Any, Any]] | None:
        """The function of that name and its handler."""
        return self._offers.get(name)


class Dispatcher:
    """Servants by name, in the dialect of one of the real servers."""

    def __init__(
        self, servants: Mapping[str, Servant], *, dialect: Dialect = Dialect.TARSCPP
    ) -> None:
        self._servants = servants
        self.dialect = dialect

    def begin(self, call: Call) -> bytes | Awaitable[bytes | None] | None:
        """The frame that answers ``call``, None for no answer; awaited if its handler is."""
        packet = call.packet
        servant = self._servants.get(packet.servant)
        if servant is None:
            return self.refuse(call, NO_SERVANT)
        found = servant.find(packet.function)
        if found is None:
            if packet.function == "tars_ping":
                return self.accept(call, self._pong(packet.version))
            return self.refuse(call, NO_FUNCTION)
        function, handler = found
        try:
            result = handler(self._arguments(function, packet), call)
        except Exception as error:  # noqa: BLE001 - whatever a servant throws is answered
            return self.fail(call, error)
        if inspect.isawaitable(result):
            return self._finish(call, result)
        return self._answered(call, result)

    def accept(self, call: Call, body: bytes) -> bytes | None:
        """The frame that answers ``call`` with success, None for a one-way call."""
        return self._frame(call, body)

    def refuse(self, call: Call, code: int, text: str = "") -> bytes | None:
        """The frame that answers ``call`` with another iRet than 0."""
        empty_map = self.dialect is Dialect.TARSJS and self.dialect.is_tup(call.packet.version)
        return self._frame(call, _NO_ATTRIBUTES if empty_map else b"", ret=code, text=text)

    def _arguments(self, function: Function[Any, Any], packet: RequestPacket) -> Struct:
        if function.arguments is Empty and self.dialect is Dialect.TARSJS:
            return Empty()  # it does not look at the body then
        kind: type[Struct] = function.arguments
        return decode_arguments(kind, packet.body, self._version(packet))

    async def _finish(self, call: Call, result: Awaitable[Struct]) -> bytes | None:
        try:
            return self._answered(call, await result)
        except Exception as error:  # noqa: BLE001 - whatever a servant throws is answered
            return self.fail(call, error)

    def _answered(self, call: Call, result: Struct) -> bytes | None:
        try:
            body = encode_results(result, self._version(call.packet), self.dialect)
        except NotEncodable as error:
            return self.refuse(call, SERVER_ENCODE, str(error))
        return self.accept(call, body)

    def fail(self, call: Call, error: Exception) -> bytes | None:
        """The frame that answers ``call`` when its handler has raised ``error``."""
        if isinstance(error, Silence):
            return None
        if isinstance(error, Refusal):
            return self.refuse(call, error.code, error.text)
        if not isinstance(error, MalformedBody):
            _log.warning("%s.%s failed", call.packet.servant, call.packet.function, exc_info=error)
        return self.refuse(call, self._code(call.packet, error), self._words(error))

    def _code(self, packet: RequestPacket, error: Exception) -> int:
        if self.dialect is Dialect.TARSJS:
            return SERVER_DECODE
        readable = packet.version == Version.JSON or isinstance(error, MissingArgument)
        return SERVER_DECODE if isinstance(error, MalformedBody) and not readable else UNKNOWN

    def _words(self, error: Exception) -> str:
        prefix = "BindAdapter Exception:" if self.dialect is Dialect.TARSJS else ""
        return f"{prefix}{error}"

    def _pong(self, version: int) -> bytes:
        """The body that answers tars_ping."""
        if self.dialect is Dialect.TARSCPP:
            return b""
        return _ZERO_IN_TUP if self.dialect.is_tup(version) else _ZERO

    def _version(self, packet: RequestPacket) -> int:
        """How the body is written; a version that the dialect does not know is TARS."""
        known = packet.version == Version.JSON or self.dialect.is_tup(packet.version)
        return packet.version if known else Version.TARS

    def _frame(self, call: Call, body: bytes, *, ret: int = 0, text: str = "") -> bytes | None:
        if call.packet.packet_type == PacketType.ONE_WAY:
            return None
        return answer_frame(call.packet, body, ret=ret, result_desc=text, dialect=self.dialect)
