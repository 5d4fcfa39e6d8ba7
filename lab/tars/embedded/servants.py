"""Tars servants over asyncio: frames in, answers out, pushes in between.

Return codes as TarsCpp gives them: -4 for an unknown servant, -3 for an unknown function,
-1 for arguments that cannot be read, -99 when the servant fails. ``tars_ping`` is answered
for every servant.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lab.tars.errors import MalformedBody, MalformedFrame, MalformedPacket
from lab.tars.framing import FrameSplitter
from lab.tars.packets import PacketType, RequestPacket, ResponsePacket, answer, push

_log = logging.getLogger(__name__)

_READ_SIZE = 64 * 1024
#: What a peer may leave unread before its connection is ended, bytes.
_BACKLOG = 64 * 1024 * 1024

SERVER_DECODE = -1
NO_FUNCTION = -3
NO_SERVANT = -4
UNKNOWN = -99


class Connection:
    """A peer of a servant."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.peer: str = writer.get_extra_info("peername")[0]
        self._on_close: list[Callable[[], None]] = []

    def send(self, packet: ResponsePacket) -> None:
        if self._writer.transport.get_write_buffer_size() > _BACKLOG:
            self._writer.transport.abort()
        else:
            self._writer.write(packet.to_frame())

    def push(self, function: str, body: bytes) -> None:
        """Send what the peer did not ask for."""
        self.send(push(function, body))

    def on_close(self, told: Callable[[], None]) -> None:
        """Have ``told`` called when the peer is gone."""
        self._on_close.append(told)

    def closed(self) -> None:
        for told in self._on_close:
            told()
        self._on_close.clear()

    def abort(self) -> None:
        self._writer.transport.abort()


@dataclass(frozen=True)
class Call:
    """A request, and who sent it."""

    packet: RequestPacket
    connection: Connection

    @property
    def body(self) -> bytes:
        return self.packet.body


#: Returns the answer's body. Raising `Dropped` leaves the caller without an answer.
Function = Callable[[Call], bytes]


class Dropped(Exception):
    """The request shall not be answered."""


class ServantServer:
    """Servants by name, each with its functions by name, on one port."""

    def __init__(
        self,
        servants: Mapping[str, Mapping[str, Function]],
        *,
        faulty: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._servants = servants
        self._faulty = faulty
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (``port`` 0: one that is free)."""
        self._server = await asyncio.start_server(self._serve, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """End listening and every connection."""
        assert self._server is not None, "close follows start"
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        self._connections.add(connection)
        frames = FrameSplitter()
        try:
            while data := await reader.read(_READ_SIZE):
                for frame in frames.feed(data):
                    self._answer(RequestPacket.from_frame(frame), connection)
        except (MalformedFrame, MalformedPacket) as error:
            _log.warning("%s: %s", connection.peer, error)
            if self._faulty("tars.garbage-spreads"):
                for other in list(self._connections):
                    other.abort()
        except ConnectionError:
            pass  # the peer is gone; whom it concerns is told below
        finally:
            self._connections.discard(connection)
            connection.closed()
            with suppress(ConnectionError):
                writer.close()

    def _answer(self, packet: RequestPacket, connection: Connection) -> None:
        try:
            ret, body = self._call(packet, connection)
        except Dropped:
            return
        if packet.packet_type != PacketType.ONE_WAY:
            connection.send(answer(packet, body, ret=ret))

    def _call(self, packet: RequestPacket, connection: Connection) -> tuple[int, bytes]:
        functions = self._servants.get(packet.servant)
        if functions is None:
            return 0 if self._faulty("tars.servant-ignored") else NO_SERVANT, b""
        function = functions.get(packet.function)
        if function is None:
            known = packet.function == "tars_ping" or self._faulty("tars.function-ignored")
            return 0 if known else NO_FUNCTION, b""
        try:
            return 0, function(Call(packet, connection))
        except MalformedBody as error:
            _log.warning("%s.%s: %s", packet.servant, packet.function, error)
            return SERVER_DECODE, b""
        except Dropped:
            raise
        except Exception:  # noqa: BLE001 - whatever a servant throws is answered
            _log.exception("%s.%s failed", packet.servant, packet.function)
            return UNKNOWN, b""
