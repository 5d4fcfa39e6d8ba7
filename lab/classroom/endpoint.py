"""Where the signalling answers, and how a socket to it opens: for every client of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed, InvalidStatus

from lab.classroom.errors import Disconnected
from lab.classroom.signalling import PATH
from lab.errors import SystemDown

#: websockets writes frames, and with them tokens, at DEBUG; this logger never does.
WEBSOCKET_LOG = logging.getLogger("lab.classroom.websocket")
WEBSOCKET_LOG.setLevel(logging.INFO)


def socket_url(api: str) -> str:
    """The signalling's URL at the REST endpoint ``https://HOST:PORT``.

    The host in a token is the server's idea of its public address; it is not used, so that
    a tunnel or proxy in between works.
    """
    return "wss://" + api.rstrip("/").removeprefix("https://") + PATH


def cannot_connect(url: str, error: Exception) -> SystemDown:
    """The error for a signalling socket that did not open."""
    if isinstance(error, InvalidStatus):
        found = f"HTTP {error.response.status_code} instead of 101"
    else:
        found = str(error) or type(error).__name__
    return SystemDown(
        f"the signalling at {url} cannot be reached",
        found=found,
        expected="a WebSocket of openvidu-server 2.13",
        advice="check that the classroom is deployed, its endpoint and its CA file",
    )


@dataclass(frozen=True)
class JoinTiming:
    """Seconds: until the socket was open, and from the start until joinRoom's reply."""

    connect_s: float
    join_s: float


def disconnected(what: str, closed: ConnectionClosed) -> Disconnected:
    """The error for a socket that has closed, by whichever side."""
    frame = closed.rcvd or closed.sent
    return Disconnected(what, frame.code if frame else None, frame.reason if frame else "")
