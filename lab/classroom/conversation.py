"""The signalling of one participant over wss, which can outlive its socket (asyncio).

Every wait has a time-out, and its error has the last thing that the server said. With
``reconnects``, a socket that breaks or whose heartbeat stays unanswered is followed by another,
as openvidu-browser does it: at once, then every 3 s, ``connect`` with the rpc session's id.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from lab.classroom.endpoint import WEBSOCKET_LOG, cannot_connect, disconnected, socket_url
from lab.classroom.errors import Disconnected, NotReconnected, SignallingRefused
from lab.classroom.signalling import Code
from lab.classroom.signalling_client import (
    Answer,
    Call,
    Received,
    Refusal,
    SignallingClientCore,
)
from lab.classroom.tls import trust
from lab.classroom.token import without_tokens
from lab.classroom.wire import Malformed
from lab.errors import LabError, SystemDown, WaitTimeout

E = TypeVar("E")

#: The real client's own time-out for an answer, a ping's included.
ANSWER_TIMEOUT_S = 10.0
#: The real client's pause between two attempts to open a socket again.
RETRY_S = 3.0
#: After that long without a socket no server waits any more: the real one's grace, and a retry.
GIVE_UP_S = 15.0
#: Events kept for `Conversation.expect`.
_HISTORY = 1000


@dataclass(frozen=True)
class Reconnected:
    """An event of our own: the session went on over a new socket, ``after_s`` after the loss."""

    after_s: float


class Conversation:
    """Calls and their answers, events, heartbeat. Made by `open`; ``core`` is what it speaks.

    ``on_event`` is awaited for each event before `expect` sees it; ``resume`` after a
    reconnection, to bring the streams back.
    """

    def __init__(self, api: str, ca: Path | None, *, reconnects: bool) -> None:
        self.core = SignallingClientCore()
        self.on_event: Callable[[object], Awaitable[None]] | None = None
        self.resume: Callable[[], Awaitable[None]] | None = None
        self.events: deque[Any] = deque(maxlen=_HISTORY)
        self._url = socket_url(api)
        self._ca = ca
        self._reconnects = reconnects
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._end: LabError | None = None
        self._leaving = False
        self._socket: ClientConnection | None = None
        self._heart: asyncio.Task[None] | None = None
        self._life: asyncio.Task[None] | None = None

    async def open(self, *, timeout: float) -> None:
        """Open the socket within ``timeout`` (s) and begin the heartbeat; `SystemDown` if not."""
        self._socket = await self._connect(timeout)
        self._life = asyncio.create_task(self._live(self._socket))
        await self._begin_heartbeat()

    @property
    def server_address(self) -> str:
        """The server's numeric address."""
        return str(self._connected().remote_address[0])

    async def ask(self, call: Call, *, timeout: float = ANSWER_TIMEOUT_S) -> Any:
        """Send a call and return its answer.

        Raises `SignallingRefused`, `WaitTimeout`, `Disconnected` when the socket is lost.
        """
        answer = self._answer_of(call)
        try:
            if self._end is not None:
                raise self._end
            async with asyncio.timeout(timeout):
                await self._send(call)
                return await answer
        except TimeoutError:
            raise self._too_late(f"no answer to {call.method}", timeout) from None
        finally:
            self._answers.pop(call.id, None)

    async def expect(
        self, kind: type[E], *, timeout: float, where: Callable[[E], bool] = lambda _: True
    ) -> E:
        """The first event of class ``kind`` since the beginning for which ``where`` is true.

        Waits for it up to ``timeout`` seconds; raises `WaitTimeout` with the last thing seen,
        or what ended the conversation.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for event in self.events:
                        if isinstance(event, kind) and where(event):
                            return event
                    if self._end is not None:
                        raise self._end
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise self._too_late(f"no {kind.__name__}", timeout) from None

    async def ended(self, *, timeout: float) -> LabError:
        """Wait for the end and return how it came: a `Disconnected`, mostly."""
        try:
            async with asyncio.timeout(timeout):
                await self._over.wait()
        except TimeoutError:
            raise self._too_late("the server did not close the socket", timeout) from None
        assert self._end is not None
        return self._end

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def leaving(self) -> None:
        """The next end of the socket is wanted: nothing comes back after it."""
        self._leaving = True

    def cut(self) -> None:
        """Break the connection as a failing network does: no close frame, no goodbye."""
        self._connected().transport.abort()

    async def close(self) -> None:
        """End everything at once."""
        self._leaving = True
        if self._socket is not None:
            await self._socket.close()  # within close_timeout; no reason, it would leave a ghost
        tasks = [task for task in (self._life, self._heart) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- the socket ---------------------------------------------------------------------

    def _connected(self) -> ClientConnection:
        if self._socket is None:
            raise ValueError("the conversation is not open")
        return self._socket

    async def _connect(self, timeout: float) -> ClientConnection:
        try:
            return await connect(
                self._url,
                ssl=trust(self._ca),
                proxy=None,
                open_timeout=timeout,
                close_timeout=2,
                ping_interval=None,  # the protocol has a heartbeat of its own
                logger=WEBSOCKET_LOG,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise cannot_connect(self._url, error) from error

    async def _send(self, call: Call) -> None:
        try:
            await self._connected().send(call.text)
        except ConnectionClosed as closed:
            raise disconnected(f"{call.method} could not be sent", closed) from None

    def _answer_of(self, call: Call) -> asyncio.Future[Any]:
        answer = self._answers[call.id] = asyncio.get_running_loop().create_future()
        return answer

    async def _live(self, socket: ClientConnection) -> None:
        """Read one socket after the other until the end."""
        reading: asyncio.Task[LabError] | None = None
        try:
            end = await self._read(socket)
            while self._reconnects and self.core.joined and not self._final(end):
                lost = time.monotonic()
                socket = await self._open_again(end)
                reading = asyncio.create_task(self._read(socket))
                await self._take_up()
                self._note(Reconnected(time.monotonic() - lost))
                end = await reading
            self._finish(end)
        except LabError as error:
            self._finish(error)
        finally:
            if reading is not None:
                reading.cancel()
            self._finish(Disconnected("the signalling was given up", None, ""))

    def _final(self, end: LabError) -> bool:
        """Whether nothing is to follow a socket that ended so."""
        return self._leaving or self.core.evicted or not isinstance(end, Disconnected)

    def _finish(self, end: LabError) -> None:
        self._end = self._end or end
        self._over.set()
        self._news.set()
        self._fail_what_waits(self._end)

    def _fail_what_waits(self, end: LabError) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(end)
                answer.exception()  # for a ping that nobody waits for: asyncio would complain

    async def _open_again(self, end: LabError) -> ClientConnection:
        """A new socket; raises ``end``, which took the old one, when none can be had in time."""
        try:
            async with asyncio.timeout(GIVE_UP_S):
                while True:
                    try:
                        self._socket = await self._connect(RETRY_S)
                    except SystemDown:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(RETRY_S):
                                await self._over.wait()
                    else:
                        return self._socket
        except TimeoutError:
            raise end from None

    async def _take_up(self) -> None:
        """Go on with the session over the new socket."""
        try:
            await self.ask(self.core.reconnect())
        except SignallingRefused as refused:
            if refused.code == Code.RECONNECTION:
                raise NotReconnected from None
            raise
        await self._begin_heartbeat()
        if self.resume is not None:
            await self.resume()

    async def _read(self, socket: ClientConnection) -> LabError:
        """Take what the server says until the socket ends; return how."""
        try:
            async for text in socket:
                if isinstance(text, bytes):
                    raise Malformed("the server sent a binary frame", expected="text")
                await self._take(self.core.receive(text))
            end: LabError = disconnected("the signalling has ended", socket.protocol.close_exc)
        except ConnectionClosed as closed:
            end = disconnected("the signalling has ended", closed)
        except Malformed as error:
            end = error
        if self._heart is not None:
            self._heart.cancel()
        self._fail_what_waits(end)
        return end

    async def _take(self, received: Received) -> None:
        match received:
            case Answer(call=call, result=result):
                if (waiting := self._answers.get(call.id)) and not waiting.done():
                    waiting.set_result(result)
            case Refusal(call=call, failure=failure):
                if (waiting := self._answers.get(call.id)) and not waiting.done():
                    message = without_tokens(failure.message)
                    waiting.set_exception(SignallingRefused(call.method, failure.code, message))
            case event:
                if self.on_event is not None:
                    await self.on_event(event)
                self._note(event)

    def _note(self, event: object) -> None:
        self.events.append(event)
        self._news.set()

    def _too_late(self, what: str, timeout: float) -> WaitTimeout:
        seen = without_tokens(repr(self.events[-1])) if self.events else "nothing"
        return WaitTimeout(f"{what} within {timeout:g} s", found=f"last seen: {seen[:300]}")

    # -- heartbeat ----------------------------------------------------------------------

    async def _begin_heartbeat(self) -> None:
        """Send the first ping, which names the interval, and go on by a task."""
        first = self.core.ping(time.monotonic())
        self._answer_of(first)
        await self._send(first)
        self._heart = asyncio.create_task(self._beat(first))

    async def _beat(self, ping: Call) -> None:
        """Wait for each pong; without one the connection counts as lost."""
        with suppress(LabError):  # `_read` sees that the socket has ended, and says so
            while True:
                try:
                    async with asyncio.timeout(ANSWER_TIMEOUT_S):
                        await self._answers[ping.id]
                except TimeoutError:
                    self.cut()
                    return
                finally:
                    self._answers.pop(ping.id, None)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.core.ping_due_in(time.monotonic())):
                        await self._over.wait()
                        return
                ping = self.core.ping(time.monotonic())
                self._answer_of(ping)
                await self._send(ping)
