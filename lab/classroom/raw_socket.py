"""A WebSocket to a classroom on which anything can be sent: garbage, floods, or nothing at all.

Between two calls nothing is read: whoever stops calling is a slow reader. Blocking, on an event
loop of its own: websockets' threaded client reads and writes one TLS connection from two threads
at once, which OpenSSL does not allow before Python 3.13; over TLS 1.3 it hangs now and then.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from lab.classroom.endpoint import WEBSOCKET_LOG
from lab.classroom.signalling_client import Answer, Call, Refusal, SignallingClientCore
from lab.classroom.token import Token
from lab.closing import Closing

T = TypeVar("T")

#: How long each call may take, in seconds.
TIMEOUT_S = 10.0


class RawSocket(Closing):
    """Open at ``url`` (``wss://HOST:PORT/PATH``); use as a context manager, or `close` it.

    ``options`` are websockets' own; raises its `InvalidStatus` when the server refuses, and its
    `ConnectionClosed` from every call after the end. `TimeoutError` after ``timeout`` seconds.
    """

    def __init__(self, url: str, tls: ssl.SSLContext, **options: Any) -> None:
        self.core = SignallingClientCore()
        self._loop = asyncio.new_event_loop()
        self._socket: ClientConnection = self._run(self._open(url, tls, options))

    @staticmethod
    async def _open(url: str, tls: ssl.SSLContext, options: dict[str, Any]) -> ClientConnection:
        return await connect(
            url,
            ssl=tls,
            proxy=None,
            ping_interval=None,
            close_timeout=2,
            logger=WEBSOCKET_LOG,
            **options,
        )

    @property
    def headers(self) -> Headers:
        """What the server's answer to the handshake said."""
        response = self._socket.response
        assert response is not None
        return response.headers

    def ping(self) -> None:
        """Send a WebSocket ping, and wait for the pong."""

        async def answered() -> None:
            await (await self._socket.ping())

        self._run(answered())

    def send(self, message: str | bytes | list[str]) -> None:
        """Send one message; a list leaves in as many fragments."""
        self._run(self._socket.send(message))

    def receive(self, timeout: float = TIMEOUT_S) -> str:
        """The next message."""
        return str(self._run(self._socket.recv(decode=True), timeout))

    def ask(self, call: Call, timeout: float = TIMEOUT_S) -> Answer | Refusal:
        """Send one of the ``core``'s calls; its answer, once all that came before is read."""
        self.send(call.text)
        deadline = time.monotonic() + timeout
        while True:
            received = self.core.receive(self.receive(deadline - time.monotonic()))
            if isinstance(received, Answer | Refusal) and received.call.id == call.id:
                return received

    def serves(self) -> bool:
        """Whether the server still answers a ping here."""
        try:
            return isinstance(self.ask(self.core.ping(time.monotonic())), Answer)
        except ConnectionClosed:
            return False

    def close_code(self, timeout: float = TIMEOUT_S) -> int | None:
        """The code with which the server closes the socket; None if it does not in time.

        1006 is a connection that broke. What comes before is left unread.
        """
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.receive(deadline - time.monotonic())
        except TimeoutError:
            return None
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def join(self, token: Token) -> None:
        """Join the token's session; raises `AssertionError` when that is refused."""
        answer = self.ask(self.core.join_room(token))
        assert isinstance(answer, Answer), "joinRoom was refused"

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._socket.transport.abort()
        self._run(self._socket.wait_closed())

    def shut(self, code: int, reason: str) -> None:
        """Close the connection; what came before can still be received."""
        self._run(self._socket.close(code, reason))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if not self._loop.is_closed():
            self.shut(code, reason)
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T], timeout: float = TIMEOUT_S) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(timeout):
                return await work

        return self._loop.run_until_complete(bounded())
