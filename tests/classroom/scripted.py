"""A WebSocket server whose conduct a test writes down: for what a good backend never does."""

from __future__ import annotations

import http
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from lab.classroom.messages import Joined, Resumed, write
from lab.classroom.signalling import Failure, Result, format_frame
from tests.classroom.replay import TlsFiles

#: What a server does with one call: the texts that it sends, in order.
Conduct = Callable[[dict[str, Any], ServerConnection], None]

JOINED = Joined(id="con_me00000000", created_at=1, metadata="", value=(), session_id="rpc")


def good(call: dict[str, Any], socket: ServerConnection) -> None:
    """Answer as a good server does, as far as these tests go."""
    match call["method"]:
        case "ping":
            socket.send(format_frame(Result(call["id"], {"value": "pong"})))
        case "joinRoom":
            socket.send(format_frame(Result(call["id"], write(JOINED))))
        case "connect":
            resumed = Resumed("reconnection successful", "rpc")
            socket.send(format_frame(Result(call["id"], write(resumed))))
        case "leaveRoom":
            socket.send(format_frame(Result(call["id"], {"sessionId": "rpc"})))
            socket.close()
        case _:
            socket.send(format_frame(Result(call["id"], {"sessionId": "rpc"})))


def refusing(method: str, failure: Callable[[int], Failure]) -> Conduct:
    """Good, but refuse one method."""

    def conduct(call: dict[str, Any], socket: ServerConnection) -> None:
        if call["method"] == method:
            socket.send(format_frame(failure(call["id"])))
        else:
            good(call, socket)

    return conduct


class ScriptedServer:
    """``calls`` are the calls that came; ``url`` is the API endpoint it stands for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[dict[str, Any]] = []


@contextmanager
def scripted(tls: TlsFiles, conduct: Conduct, *, refuse: bool = False) -> Iterator[ScriptedServer]:
    """A server that does ``conduct`` for each call, or answers 401 to every handshake."""

    def talk(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            for text in socket:
                call = json.loads(text)
                server.calls.append(call)
                conduct(call, socket)

    def handshake(socket: ServerConnection, request: Request) -> Response | None:
        if refuse or request.path != "/openvidu":
            return socket.respond(http.HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    with serve(
        talk, "127.0.0.1", 0, ssl=tls.server_context(), process_request=handshake, close_timeout=1
    ) as listener:
        server = ScriptedServer(f"https://127.0.0.1:{listener.socket.getsockname()[1]}")
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join(5)
