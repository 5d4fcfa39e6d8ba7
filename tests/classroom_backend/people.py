"""A participant that speaks the wire protocol by hand, with a WebSocket client and nothing else."""

from __future__ import annotations

import json
from typing import Any

from lab.classroom.token import Role
from tests.classroom.recordings import sequence
from tests.classroom_backend.running import Backend
from tests.classroom_backend.sockets import TIMEOUT_S, Socket


def recorded_offer(method: str) -> str:
    """An SDP offer of a browser: to publish both kinds, or to receive them."""
    for direction, frame in (*sequence("subscribe-ok", "A"), *sequence("subscribe-ok", "B")):
        if direction == "c2s" and frame["method"] == method:
            return str(frame["params"]["sdpOffer"])
    raise LookupError(method)


class Person:
    """One socket. ``inbox`` holds the notifications that came before an awaited answer."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.socket = Socket(backend)
        self._ids = 0
        self.inbox: list[dict[str, Any]] = []
        self.connection_id = ""
        self.stream_id = ""

    def next_frame(self, timeout: float = TIMEOUT_S) -> dict[str, Any]:
        """The next frame; raises as `Socket.receive` does."""
        frame: dict[str, Any] = json.loads(self.socket.receive(timeout))
        return frame

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call and return the whole answer frame."""
        self._ids += 1
        frame = {"jsonrpc": "2.0", "method": method, "params": params, "id": self._ids}
        self.socket.send(json.dumps(frame))
        while True:
            frame = self.next_frame()
            if frame.get("id") == self._ids:
                return frame
            self.inbox.append(frame)

    def notices(self) -> list[dict[str, Any]]:
        """What has been announced until now: a ping's answer comes after all of it."""
        self.call("ping")
        found, self.inbox = self.inbox, []
        return found

    def join_with(self, session: str, token: str, *, metadata: str = "") -> dict[str, Any]:
        answer = self.call(
            "joinRoom",
            token=token,
            session=session,
            platform="Chrome 81.0.4044.122 on Linux 64-bit",
            metadata=metadata,
            secret="",
            recorder=False,
        )
        self.connection_id = answer.get("result", {}).get("id", "")
        return answer

    def join(
        self, session: str, role: str = "PUBLISHER", *, server_data: str = "", metadata: str = ""
    ) -> dict[str, Any]:
        """Get a token and join with it."""
        with self._backend.api() as api:
            token = api.create_token(session, Role(role), data=server_data)
        answer = self.join_with(session, token.url, metadata=metadata)
        result: dict[str, Any] = answer["result"]
        return result

    def publish(self, *, video: bool = True) -> str:
        """Publish with a recorded offer (no media will flow); return the stream's id."""
        answer = self.call(
            "publishVideo",
            sdpOffer=recorded_offer("publishVideo"),
            doLoopback=False,
            hasAudio=True,
            hasVideo=video,
            audioActive=True,
            videoActive=video,
            typeOfVideo="CAMERA",
            frameRate=30,
            videoDimensions='{"width":640,"height":480}',
        )
        self.stream_id = answer["result"]["id"]
        return self.stream_id

    def receive(self, publisher: Person) -> dict[str, Any]:
        return self.call(
            "receiveVideoFrom",
            sender=publisher.stream_id,
            sdpOffer=recorded_offer("receiveVideoFrom"),
        )

    def close(self) -> None:
        self.socket.close()
