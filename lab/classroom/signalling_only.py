"""A participant without media or an asyncio loop: for load, also under gevent.

It blocks on one socket and starts the one thread that ``websockets.sync`` needs, which
gevent's monkey patch turns into a greenlet.
"""

from __future__ import annotations

import ssl
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from lab.classroom.endpoint import (
    WEBSOCKET_LOG,
    JoinTiming,
    cannot_connect,
    disconnected,
    socket_url,
)
from lab.classroom.errors import Disconnected, SignallingRefused
from lab.classroom.messages import Joined
from lab.classroom.signalling import PING_INTERVAL_MS
from lab.classroom.signalling_client import Answer, Call, Refusal, SignallingClientCore
from lab.classroom.tls import trust_in_threads
from lab.classroom.token import Token, without_tokens
from lab.closing import Closing
from lab.errors import WaitTimeout


class SilentParticipant(Closing):
    """Joins a session and stays, without media. Made by `join`; use as a context manager.

    Stay only as long as it is called: it pings when `stay` is called, not by itself.
    ``others`` counts the other participants.
    """

    def __init__(
        self,
        socket: ClientConnection,
        closing: ExitStack,
        core: SignallingClientCore,
        timeout: float,
    ) -> None:
        self.timing = JoinTiming(0, 0)
        self.connection_id = ""
        self._socket = socket
        self._closing = closing
        self._core = core
        self._timeout = timeout

    @classmethod
    def join(
        cls,
        api: str,
        token: Token,
        *,
        ca: Path | ssl.SSLContext | None = None,
        metadata: str = "",
        ping_interval_ms: int = PING_INTERVAL_MS,
        timeout: float = 10.0,
    ) -> SilentParticipant:
        """Join with a token at the REST endpoint ``api``; ``timeout`` (s) is for each wait.

        The server gives it up three ``ping_interval_ms`` after its last ping.

        ``ca`` may be a context made by `lab.classroom.tls.trust`, to make it once for many
        joins. Raises `SystemDown`, `SignallingRefused`, `WaitTimeout`, `Disconnected`.
        """
        started = time.monotonic()
        url = socket_url(api)
        opening = connect(
            url,
            ssl=ca if isinstance(ca, ssl.SSLContext) else trust_in_threads(ca),
            proxy=None,
            compression=None,
            open_timeout=timeout,
            close_timeout=2,
            ping_interval=None,  # the protocol has a heartbeat of its own
            logger=WEBSOCKET_LOG,
            legacy=False,  # connects when entered, not now
        )
        closing = ExitStack()
        try:
            socket = closing.enter_context(opening)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise cannot_connect(url, error) from error
        core = SignallingClientCore(ping_interval_ms=ping_interval_ms)
        participant = cls(socket, closing, core, timeout)
        try:
            connected = time.monotonic() - started
            participant._send(core.ping(time.monotonic()))  # unawaited, as the browser client's
            joined: Joined = participant._ask(core.join_room(token, metadata=metadata))
        except BaseException:
            participant.close()
            raise
        participant.connection_id = joined.id
        participant.timing = JoinTiming(connected, time.monotonic() - started)
        return participant

    @property
    def others(self) -> int:
        """How many others are in the session, as far as what was read tells."""
        return len(self._core.others)

    def stay(self, seconds: float) -> None:
        """Stay for ``seconds``: ping when it is time, take what the server says."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if (due := self._core.ping_due_in(time.monotonic())) <= 0:
                self._ask(self._core.ping(time.monotonic()))
                continue
            self._take(min(left, due))

    def until_closed(self, timeout: float) -> Disconnected:
        """Neither ping nor say anything until the server closes the socket; return how.

        Raises `WaitTimeout` when it has not within ``timeout`` (s).
        """
        end = time.monotonic() + timeout
        try:
            while (left := end - time.monotonic()) > 0:
                self._take(left)
        except Disconnected as closed:
            return closed
        raise WaitTimeout(f"the server did not close the socket within {timeout:g} s")

    def signal(self, kind: str, data: str = "") -> float:
        """Send a signal to everybody; return the seconds until the server's answer."""
        started = time.monotonic()
        self._ask(self._core.send_message(kind, data))
        return time.monotonic() - started

    def leave(self, *, timeout: float | None = None) -> None:
        """Leave the room, and close; None means the time-out given to `join`."""
        try:
            self._ask(self._core.leave_room(), timeout=timeout)
        finally:
            self.close()

    def close(self) -> None:
        """Close the socket without leaving."""
        self._closing.close()

    def _send(self, call: Call) -> None:
        try:
            self._socket.send(call.text)
        except ConnectionClosed as closed:
            raise disconnected(f"{call.method} could not be sent", closed) from None

    def _ask(self, call: Call, *, timeout: float | None = None) -> Any:
        """Send, and take what comes until it is the answer."""
        patience = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + patience
        self._send(call)
        last: object = "nothing"
        while (left := deadline - time.monotonic()) > 0:
            match received := self._take(left):
                case Answer(call=answered, result=result) if answered.id == call.id:
                    return result
                case Refusal(call=answered, failure=failure) if answered.id == call.id:
                    message = without_tokens(failure.message)
                    raise SignallingRefused(call.method, failure.code, message)
                case _:
                    last = received or last
        raise WaitTimeout(
            f"no answer to {call.method} within {patience:g} s",
            found=f"last seen: {without_tokens(repr(last))[:300]}",
        )

    def _take(self, seconds: float) -> object | None:
        """One thing that the server says within ``seconds``; None when it says nothing."""
        try:
            text = self._socket.recv(seconds, decode=True)
        except TimeoutError:
            return None
        except ConnectionClosed as closed:
            raise disconnected("the signalling has ended", closed) from None
        return self._core.receive(text)
