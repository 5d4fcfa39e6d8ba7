"""Where the signalling answers, and how a socket to it opens: for every client of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.headers import build_authorization_basic
from websockets.sync.client import connect

from lab.classroom.errors import Disconnected
from lab.classroom.signalling import PATH
from lab.classroom.tls import trust_in_threads
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


def handshake(
    api: str,
    *,
    ca: Path | None = None,
    credentials: tuple[str, str] | None = None,
    timeout: float = 5.0,
) -> int:
    """Open and close a signalling socket; return the status: 101, or what refused it.

    ``credentials`` are a user and a secret; none are needed, but wrong ones are 401. Raises
    `SystemDown` when nobody answers within ``timeout`` (s).
    """
    url = socket_url(api)
    headers = (
        {} if credentials is None else {"Authorization": build_authorization_basic(*credentials)}
    )
    try:
        with connect(
            url,
            ssl=trust_in_threads(ca),
            proxy=None,
            additional_headers=headers,
            open_timeout=timeout,
            close_timeout=2,
            logger=WEBSOCKET_LOG,
        ):
            return HTTPStatus.SWITCHING_PROTOCOLS
    except InvalidStatus as refused:
        return refused.response.status_code
    except (OSError, TimeoutError, WebSocketException) as error:
        raise cannot_connect(url, error) from error
