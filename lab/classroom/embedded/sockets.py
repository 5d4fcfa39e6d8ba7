"""The WebSocket at /openvidu: frames in, one after the other; frames out, in their order."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from lab.classroom.embedded.calls import Call, CallFailed, Silence
from lab.classroom.embedded.methods import METHODS, join_room
from lab.classroom.embedded.rooms import Rooms
from lab.classroom.signalling import (
    CLOSE_BINARY_FRAME,
    CLOSE_FRAME_TOO_LONG,
    CLOSE_REASON_BINARY,
    CLOSE_REASON_NO_PING,
    CLOSE_REASON_TOO_LONG,
    MAX_FRAME_CHARACTERS,
    PING_INTERVALS_UNTIL_CLOSE,
    Code,
    Failure,
    Frame,
    MalformedFrame,
    Notification,
    Request,
    Result,
    format_frame,
    parse_frame,
)
from lab.faultflags import FaultFlags

#: A socket whose peer does not read for this long, in seconds, is given up.
WRITE_TIMEOUT_S = 10.0
#: Characters that may wait for a peer; a socket with more is given up.
OUTBOX_CHARACTERS = 2_000_000
#: What all sockets are written under, when the fault classroom.slow-reader-blocks is on.
_ONE_FOR_ALL = asyncio.Lock()
#: How long a close frame waits for the peer's own, in seconds.
CLOSE_TIMEOUT_S = 2.0


class _Told:
    """The frame that was sent last, and its text: a full classroom is told the same by turns."""

    frame: Frame | None = None
    text = ""


def _text_of(frame: Frame) -> str:
    if frame is not _Told.frame:
        _Told.frame, _Told.text = frame, format_frame(frame)
    return _Told.text


class Outbox:
    """The way out of one socket: whatever is sent leaves in order, by a task of its own."""

    def __init__(
        self, socket: web.WebSocketResponse, faults: FaultFlags, give_up: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._faults = faults
        self._give_up = give_up
        self._waiting: asyncio.Queue[str | tuple[int, str] | None] = asyncio.Queue()
        self._characters = 0
        self._task = asyncio.create_task(self._write())

    def send(self, frame: Frame) -> None:
        text = _text_of(frame)
        self._characters += len(text)
        if self._characters > OUTBOX_CHARACTERS and not self._faults.active(
            "classroom.slow-reader-blocks"
        ):
            self._give_up()
        else:
            self._waiting.put_nowait(text)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket after what was sent before."""
        self._waiting.put_nowait((code, reason))

    async def _write(self) -> None:
        try:
            while True:
                item = await self._waiting.get()
                if item is None:
                    return
                if isinstance(item, tuple):
                    await self._socket.close(code=item[0], message=item[1].encode())
                    return
                together = self._faults.active("classroom.slow-reader-blocks")
                async with _ONE_FOR_ALL if together else nullcontext():
                    async with asyncio.timeout(WRITE_TIMEOUT_S):  # `wait_for` would make a task
                        await self._socket.send_str(item)
                self._characters -= len(item)
        except (OSError, TimeoutError):
            self._give_up()

    def discard(self) -> None:
        """The socket has ended: what still waits fails at once, and the task is over.

        It is not cancelled: aiohttp compresses long messages in a task that would be left alone.
        """
        self._waiting.put_nowait(None)


class Conversation:
    """One client on one socket. ``rpc_session`` is the id that the protocol knows it by."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        rooms: Rooms,
        server_secret: str,
        *,
        give_up: Callable[[], None],
    ) -> None:
        self.rpc_session = _rpc_session_id()
        self._socket = socket
        self._rooms = rooms
        self._server_secret = server_secret
        self._outbox = Outbox(socket, rooms.faults, give_up)
        self._silence_s: float | None = None
        self._pinged = False
        self._alarm: asyncio.TimerHandle | None = None

    async def serve(self) -> None:
        """Serve frames strictly in order until the socket ends."""
        try:
            async for message in self._socket:
                if message.type is WSMsgType.BINARY:
                    self._outbox.close(CLOSE_BINARY_FRAME, CLOSE_REASON_BINARY)
                elif message.type is WSMsgType.TEXT:
                    if len(message.data) > MAX_FRAME_CHARACTERS and not self._rooms.faults.active(
                        "classroom.oversize-taken"
                    ):
                        self._outbox.close(CLOSE_FRAME_TOO_LONG, CLOSE_REASON_TOO_LONG)
                    else:
                        await self._serve_text(message.data)
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            self._rooms.lose(self.rpc_session, self._outbox)
            self._outbox.discard()

    async def _serve_text(self, text: str) -> None:
        try:
            frame = parse_frame(text)
        except MalformedFrame:
            if self._rooms.faults.active("classroom.garbage-fatal"):
                self._outbox.close(WSCloseCode.PROTOCOL_ERROR)
            return  # the real server says nothing and stays
        if isinstance(frame, Request):
            try:
                await self._serve_request(frame)
            except Silence:
                return
            except CallFailed as refusal:
                self._outbox.send(refusal.failure(frame, self.rpc_session))
        elif isinstance(frame, Notification):
            self._outbox.send(Failure.defect(None, "java.lang.NullPointerException", "null"))

    async def _serve_request(self, request: Request) -> None:
        if self._rooms.taken_over(self.rpc_session, self._outbox):
            self.rpc_session = _rpc_session_id()
        if request.method == "ping":
            self._ping(request)
            return
        call = Call(request, self.rpc_session, self._outbox, self._rooms, int(time.time() * 1000))
        if request.method == "joinRoom":
            await join_room(call, self._server_secret)
        elif request.method == "connect":
            self._connect(request)
        elif request.method in METHODS:
            await METHODS[request.method](call)
        else:
            _ = call.seat  # before joining refused like all others, after it never answered
            raise Silence

    def _connect(self, request: Request) -> None:
        wanted = _param(request, "sessionId")
        if not isinstance(wanted, str):
            value = {"value": "OK", "sessionId": self.rpc_session}
        elif not self._rooms.faults.active("classroom.reconnect-refused") and self._rooms.resume(
            wanted, self._outbox
        ):
            self.rpc_session = wanted
            value = {"value": "reconnection successful", "sessionId": wanted}
        else:
            self._outbox.send(Failure(request.id, Code.RECONNECTION.value, "reconnection error"))
            return
        self._outbox.send(Result(request.id, value))

    # -- heartbeat ----------------------------------------------------------------------

    def _ping(self, request: Request) -> None:
        """Answer, and put the alarm off. Only the first ping's interval counts."""
        if not self._pinged:
            self._pinged = True
            interval = _param(request, "interval")
            if isinstance(interval, int) and interval > 0:
                self._silence_s = PING_INTERVALS_UNTIL_CLOSE * interval / 1000
        if self._silence_s is not None:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = asyncio.get_running_loop().call_later(self._silence_s, self._end_silent)
        pong = {"value": "pong"}
        named = _param(request, "sessionId")
        if isinstance(named, str):
            pong["sessionId"] = named
        self._outbox.send(Result(request.id, pong))

    def _end_silent(self) -> None:
        """No ping has come for too long. Only sockets of participants are closed for that."""
        tolerated = self._rooms.faults.active("classroom.silence-tolerated")
        if self._rooms.seat(self.rpc_session) is not None and not tolerated:
            self._outbox.close(WSCloseCode.OK, CLOSE_REASON_NO_PING)


def _param(request: Request, key: str) -> Any:
    return request.params.get(key) if isinstance(request.params, dict) else None


def _rpc_session_id() -> str:
    """26 lower-case letters and digits, as kurento-jsonrpc makes them."""
    return "".join(secrets.choice("0123456789abcdefghijklmnopqrstuv") for _ in range(26))


async def serve_socket(
    request: web.Request, rooms: Rooms, server_secret: str
) -> web.WebSocketResponse:
    """Upgrade a request on /openvidu and hold the conversation."""
    socket = web.WebSocketResponse(
        timeout=CLOSE_TIMEOUT_S, max_msg_size=4 * MAX_FRAME_CHARACTERS + 1, compress=True
    )
    await socket.prepare(request)
    transport = request.transport
    if transport is not None:

        def give_up() -> None:
            with suppress(AttributeError):  # asyncio's TLS transport, when it is closed already
                transport.abort()

        await Conversation(socket, rooms, server_secret, give_up=give_up).serve()
    return socket
