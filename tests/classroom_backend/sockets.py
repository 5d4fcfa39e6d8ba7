"""A WebSocket client that tests drive step by step.

Not websockets' threaded client: it reads and writes one TLS connection from two threads at once,
which OpenSSL does not allow before Python 3.13; over TLS 1.3 it hangs now and then.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers

from tests.classroom_backend.running import Backend

TIMEOUT_S = 10.0


class Socket:
    """Open on /openvidu; use as a context manager, or `close` it.

    ``options`` are websockets' own; raises its `InvalidStatus` when the server refuses.
    """

    def __init__(self, backend: Backend, path: str = "/openvidu", **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._socket: ClientConnection = self._run(
            connect(
                f"wss://{backend.authority}{path}",
                ssl=backend.tls,
                proxy=None,
                ping_interval=None,
                close_timeout=2,
                **options,
            )
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
        """The next message; raises `TimeoutError`, or `ConnectionClosed` with the close frame."""
        return str(self._run(self._socket.recv(decode=True), timeout))

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

    def _run(self, work: Any, timeout: float = TIMEOUT_S) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(timeout):
                return await work

        return self._loop.run_until_complete(bounded())

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()
