"""Recorded conversations with openvidu-server 2.13.0, held with the backend: the same frames.

Each peer's frames come in the recorded order; between peers there is none, as with the real
server. The server's ICE candidates are left out: ours are in the answers.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from contextlib import ExitStack
from http.client import HTTPMessage
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from lab.classroom.embedded.model import METADATA_SEPARATOR
from lab.classroom.token import Role
from tests.classroom.recordings import RECORDINGS
from tests.classroom_backend.replay import Renaming, comparable
from tests.classroom_backend.running import SECRET, Answer, Backend
from tests.classroom_backend.sockets import Socket

CREDENTIALS = b64encode(f"OPENVIDUAPP:{SECRET}".encode()).decode()
_TOKEN = re.compile(
    r"wss://[^?]+\?sessionId=([\w-]+)&token=(?P<id>tok_(?!NOPE)\w+)"
    r"&role=(?P<role>[A-Z]+)&version=2\.13\.0$"
)

SEQUENCES = (
    "classroom-three",
    "force-disconnect",
    "force-unpublish",
    "heartbeat-first-interval-1000",
    "ice-early-and-late",
    "ice-early-subscriber-race",
    "join-errors",
    "join-metadata",
    "leave-room",
    "protocol-before-join",
    "protocol-pipelining",
    "publish-always-recording-session",
    "publish-as-subscriber",
    "publish-audio-only",
    "publish-audio-video",
    "publish-bad-sdp",
    "publish-loopback",
    "publish-missing-params",
    "publish-neither",
    "publish-relayed-session",
    "publish-screen-and-custom",
    "publish-twice",
    "rest-connection-closed",
    "rest-session-closed",
    "rest-signal",
    "same-cookie-two-sockets",
    "send-message",
    "stream-property-changed",
    "subscribe-ok",
    "unpublish",
    "unsubscribe",
)


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_same_frames_as_openvidu(name: str, backend: Backend) -> None:
    text = (RECORDINGS / "signalling" / f"{name}.json").read_text()
    with Stage(backend) as stage:
        stage.play(json.loads(text)["frames"])


class Stage:
    """The peers of one recorded conversation, played against the backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._names = Renaming(backend.authority)
        self._sockets: dict[str, Socket] = {}
        self._open = ExitStack()
        self._told: dict[str, Any] = {}

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def play(self, entries: list[dict[str, Any]]) -> None:
        self._give_tokens(entries)
        rest = (Answer(0, HTTPMessage(), ""), "")
        for entry in entries:
            peer, frame = entry["peer"], entry["frame"]
            match entry["dir"]:
                case "open":
                    self._sockets[peer] = self._open.enter_context(Socket(self._backend))
                case "c2s" if peer == "rest":
                    path = frame["path"]
                    rest = self._call(frame["method"], path, frame["body"]), path
                case "s2c" if peer == "rest":
                    self._compare_rest(*rest, frame)
                case "c2s":
                    self._sockets[peer].send(self._names.here(_text(frame)))
                case "s2c" if _counts(frame) and not self._twice(peer, frame):
                    self._expect(peer, frame)
                case "no-reply":
                    self._expect_silence(peer)
                case "closed":
                    self._expect_end(peer, frame)

    def _give_tokens(self, entries: list[dict[str, Any]]) -> None:
        """Make the sessions and the good tokens that the conversation begins with."""
        joins = [(token, entry) for entry in entries if (token := _token_in(entry))]
        answers = {(e["peer"], e["frame"]["id"]): e["frame"] for e in entries if _is_answer(e)}
        modes = _modes(entries)
        with self._backend.api() as api:
            for session in sorted({token[1] for token, _ in joins}):
                params = {"customSessionId": session, **modes}
                assert self._call("POST", "/api/sessions", params).status == 200
            for token, entry in joins:
                # Of two spellings of one token, the good one is the one that somebody joined with.
                rivals = {other[0] for other, _ in joins if other["id"] == token["id"]}
                answer = answers.get((entry["peer"], entry["frame"]["id"]))
                if self._names.knows(token[0]) or (len(rivals) > 1 and answer is None):
                    continue
                data = _server_data(entry["frame"]["params"], answer or {})
                mine = api.create_token(token[1], Role(token["role"]), data=data)
                self._names.learn(token[0], mine.url)

    def _call(self, method: str, path: str, body: Any) -> Answer:
        headers = {"Authorization": f"Basic {CREDENTIALS}", "Content-Type": "application/json"}
        text = json.dumps(body) if body is not None else None
        return self._backend.ask(
            method, self._names.here(path), headers, text and self._names.here(text)
        )

    def _compare_rest(self, found: Answer, path: str, recorded: dict[str, Any]) -> None:
        assert found.status == recorded["status"]
        if "webRtcStats" not in path and recorded["body"] is not None:
            self._same(recorded["body"], found.body)

    def _expect(self, peer: str, recorded: dict[str, Any]) -> None:
        found = json.loads(self._sockets[peer].receive())
        self._same(recorded, found)
        self._names.learn(recorded, found)

    def _same(self, recorded: Any, found: Any) -> None:
        authority = self._backend.authority
        assert comparable(_bare(found), authority) == comparable(_bare(recorded), authority)

    def _expect_silence(self, peer: str) -> None:
        """Nothing comes before the answer to a ping, which is served after the silent call."""
        self._sockets[peer].send(json.dumps({"jsonrpc": "2.0", "method": "ping", "id": 999}))
        found = json.loads(self._sockets[peer].receive())
        assert found == {"id": 999, "result": {"value": "pong"}, "jsonrpc": "2.0"}

    def _expect_end(self, peer: str, recorded: dict[str, Any]) -> None:
        with pytest.raises(ConnectionClosed) as end:
            self._sockets[peer].receive()
        assert end.value.rcvd is not None
        assert (end.value.rcvd.code, end.value.rcvd.reason) == (
            recorded["code"],
            recorded["reason"],
        )

    def _twice(self, peer: str, frame: dict[str, Any]) -> bool:
        """The real server tells the evicted one twice; the backend once."""
        repeated = frame.get("method") == "participantEvicted" and self._told.get(peer) == frame
        self._told[peer] = frame
        return repeated


def _counts(frame: dict[str, Any]) -> bool:
    return frame.get("method") != "iceCandidate"


def _text(frame: dict[str, Any]) -> str:
    raw = frame.get("raw")
    return raw if isinstance(raw, str) else json.dumps(frame)


def _is_answer(entry: dict[str, Any]) -> bool:
    return entry["dir"] == "s2c" and entry["peer"] != "rest" and "result" in entry["frame"]


def _token_in(entry: dict[str, Any]) -> re.Match[str] | None:
    """The well-formed token that a joinRoom brings; group 1 is its session."""
    frame = entry["frame"]
    if entry["dir"] == "c2s" and entry["peer"] != "rest" and frame.get("method") == "joinRoom":
        token = (frame.get("params") or {}).get("token")
        return _TOKEN.match(token) if isinstance(token, str) else None
    return None


def _modes(entries: list[dict[str, Any]]) -> dict[str, str]:
    """The session's options that do not show in signalling, from what REST told of it."""
    for entry in entries:
        body = entry["frame"].get("body") if entry["peer"] == "rest" else None
        if isinstance(body, dict) and "mediaMode" in body:
            return {key: body[key] for key in ("mediaMode", "recordingMode")}
    return {}


def _server_data(params: dict[str, Any], answer: dict[str, Any]) -> str:
    """What the token's data was: the part of the metadata that the client did not send."""
    metadata = answer.get("result", {}).get("metadata", "")
    sent = params.get("metadata") or ""
    rest: str = metadata.removeprefix(sent) if isinstance(sent, str) else metadata
    return rest.removeprefix(METADATA_SEPARATOR)


def _bare(value: Any) -> Any:
    """A frame without SDP answers and without the texts of rpc session ids."""
    if isinstance(value, dict):
        return {
            key: "…" if key == "sdpAnswer" or _is_rpc_session(key, found) else _bare(found)
            for key, found in value.items()
        }
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return re.sub(r"(?<=privateId )\w{24,26}", "…", value) if isinstance(value, str) else value


def _is_rpc_session(key: str, value: Any) -> bool:
    return key == "sessionId" and re.fullmatch(r"[0-9a-v]{24,26}", value) is not None
