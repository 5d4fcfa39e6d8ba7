"""A connection to a servant, mostly a node's to its master: calls, and pushes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from lab.tars.aio import AsyncProxy, AsyncTarsClient
from lab.tars.body import Function, Struct, decode_body, encode_body
from lab.tars.connection import Answered, Connection, Sent
from lab.tars.errors import ConnectionLost
from lab.tars.packets import ResponsePacket

A = TypeVar("A", bound=Struct)
R = TypeVar("R", bound=Struct)

_READ_SIZE = 64 * 1024
_CONNECT_TIMEOUT_S = 3.0
#: How long a call may take, and how long an answer that nobody waits for is expected.
_TIMEOUT_S = 3.0


class Link:
    """One TCP connection, for as long as it lasts. ``on_push`` gets what comes unasked.

    Unlike an `AsyncTarsClient` it never connects again: who registers on a connection must know
    when that has ended (`listen`). What is sent leaves in order.
    """

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
        self._connection = Connection(self._peer)
        self._waiting: dict[int, asyncio.Future[Answered]] = {}

    @classmethod
    async def open(
        cls, address: tuple[str, int], on_push: Callable[[ResponsePacket], None]
    ) -> Link:
        """Connect; raises `OSError` (`TimeoutError` too)."""
        streams = await asyncio.wait_for(asyncio.open_connection(*address), _CONNECT_TIMEOUT_S)
        return cls(*streams, on_push)

    async def listen(self) -> None:
        """Read until the connection ends; raises `MalformedTars`."""
        with suppress(ConnectionError):
            while data := await self._reader.read(_READ_SIZE):
                for event in self._connection.receive(data):
                    if not isinstance(event, Answered):
                        self._on_push(event.packet)
                        continue
                    waiting = self._waiting.get(event.sent.request_id)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(event)

    def close(self) -> None:
        """End the connection; who waits for an answer is told so."""
        self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionLost(f"the connection to {self._peer} has ended"))

    @staticmethod
    async def ask(
        address: tuple[str, int],
        servant: str,
        function: Function[A, R],
        arguments: A,
        *,
        timeout: float,
    ) -> R:
        """One call on a connection of its own; raises `TarsError`."""
        async with AsyncTarsClient(address, timeout=timeout) as client:
            return await AsyncProxy(client, servant).invoke(function, arguments)

    def tell(
        self, servant: str, function: Function[A, R], arguments: A, *, one_way: bool = False
    ) -> None:
        """Send a request and wait for nothing."""
        body = encode_body(arguments)
        if one_way:
            self._writer.write(self._connection.one_way(servant, function.name, body))
        else:
            self._send(servant, function.name, body, _TIMEOUT_S)

    async def call(
        self,
        servant: str,
        function: Function[A, R],
        arguments: A,
        *,
        timeout: float = _TIMEOUT_S,
    ) -> R:
        """Call and return the results; raises `TarsError`, after ``timeout`` s at the latest."""
        sent = self._send(servant, function.name, encode_body(arguments), timeout)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[sent.request_id] = waiting
        try:
            _, answer = await asyncio.wait_for(waiting, timeout)
        except TimeoutError:
            raise sent.unanswered() from None
        finally:
            del self._waiting[sent.request_id]
            self._connection.give_up(sent.request_id)
        return decode_body(function.results, sent.body_of(answer))

    def _send(self, servant: str, function: str, body: bytes, timeout: float) -> Sent:
        now = asyncio.get_running_loop().time()
        self._connection.expired(now)  # answers that never came, and nobody waited for
        sent, frame = self._connection.request(servant, function, body, now=now, timeout=timeout)
        self._writer.write(frame)
        return sent
