"""A connection to a servant, mostly a node's to its master: calls, and pushes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from lab.tars.body import Function, Struct, decode_body, encode_body
from lab.tars.errors import CallFailed, ConnectionLost, NoAnswer
from lab.tars.framing import FrameSplitter
from lab.tars.packets import PUSH_ID, PacketType, ResponsePacket, request

A = TypeVar("A", bound=Struct)
R = TypeVar("R", bound=Struct)

_READ_SIZE = 64 * 1024
_CONNECT_TIMEOUT_S = 3.0


class Link:
    """One connection. ``on_push`` gets what the master sends unasked."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_push: Callable[[ResponsePacket], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_push = on_push
        self._peer = "{}:{}".format(*writer.get_extra_info("peername")[:2])
        self._last_id = PUSH_ID
        self._waiting: dict[int, asyncio.Future[ResponsePacket]] = {}

    @classmethod
    async def open(
        cls, address: tuple[str, int], on_push: Callable[[ResponsePacket], None]
    ) -> Link:
        """Connect; raises `OSError` (`TimeoutError` too)."""
        streams = await asyncio.wait_for(asyncio.open_connection(*address), _CONNECT_TIMEOUT_S)
        return cls(*streams, on_push)

    async def listen(self) -> None:
        """Read until the connection ends; raises `MalformedTars`."""
        frames = FrameSplitter()
        with suppress(ConnectionError):
            while data := await self._reader.read(_READ_SIZE):
                for frame in frames.feed(data):
                    self._take(ResponsePacket.from_frame(frame))

    def _take(self, packet: ResponsePacket) -> None:
        if packet.request_id == PUSH_ID:
            self._on_push(packet)
        elif (waiting := self._waiting.get(packet.request_id)) and not waiting.done():
            waiting.set_result(packet)

    def close(self) -> None:
        """End the connection; who waits for an answer is told so."""
        self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionLost(f"the connection to {self._peer} has ended"))

    @classmethod
    async def ask(
        cls,
        address: tuple[str, int],
        servant: str,
        function: Function[A, R],
        arguments: A,
        *,
        timeout: float,
    ) -> R:
        """One call on a connection of its own; raises `OSError`, `TarsError`."""
        link = await cls.open(address, lambda _: None)
        listening = asyncio.create_task(link.listen())
        try:
            return await link.call(servant, function, arguments, timeout=timeout)
        finally:
            link.close()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def tell(
        self, servant: str, function: Function[A, R], arguments: A, *, one_way: bool = False
    ) -> int:
        """Send a request and wait for nothing; requests arrive in order. Returns its id."""
        self._last_id += 1
        kind = PacketType.ONE_WAY if one_way else PacketType.NORMAL
        body = encode_body(arguments)
        packet = request(self._last_id, servant, function.name, body, packet_type=kind)
        self._writer.write(packet.to_frame())
        return self._last_id

    async def call(
        self, servant: str, function: Function[A, R], arguments: A, *, timeout: float = 3.0
    ) -> R:
        """Call and return the results; raises `TarsError`, after ``timeout`` s at the latest."""
        request_id = self.tell(servant, function, arguments)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = waiting
        try:
            answer = await asyncio.wait_for(waiting, timeout)
        except TimeoutError:
            raise NoAnswer(
                f"{servant}.{function.name} was not answered",
                expected=f"an answer within {timeout:g} s",
            ) from None
        finally:
            del self._waiting[request_id]
        if answer.ret != 0:
            raise CallFailed.of(
                answer.ret,
                servant=servant,
                function=function.name,
                endpoint=self._peer,
                description=answer.result_desc or "",
            )
        return decode_body(function.results, answer.body)
