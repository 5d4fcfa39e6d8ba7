"""The peers of one recorded conversation, played against the backend.

Each peer's frames come in the recorded order; between peers there is none, as with the real
server. The server's ICE candidates are left out: ours are in the answers.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPMessage
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lab.classroom.embedded.model import METADATA_SEPARATOR
from lab.classroom.errors import RestRefused
from lab.classroom.records import webhook_body
from lab.classroom.token import Role
from lab.wait import wait_for
from tests.classroom_backend.listening import Endpoint
from tests.classroom_backend.replay import Renaming, comparable
from tests.classroom_backend.running import SECRET, Answer, Backend
from tests.classroom_backend.sockets import Socket

#: How many times faster than it was recorded a conversation is played in time.
SPEED = 5
#: How long nothing may come after something that gets no answer, in seconds.
QUIET_S = 0.05

CREDENTIALS = b64encode(f"OPENVIDUAPP:{SECRET}".encode()).decode()
_TOKEN = re.compile(
    r"wss://[^?]+\?sessionId=([\w-]+)&token=(?P<id>tok_(?!NOPE)\w+)"
    r"&role=(?P<role>[A-Z]+)&version=2\.13\.0$"
)
#: What names somebody or something in an event.
_NAMES = {"sessionId", "participantId", "streamId", "receivingFrom"}
_LENGTH = re.compile(r"(\w)…\[(\d+) characters\]$")


class Stage:
    """Plays one conversation. ``in_time``: `SPEED` times as fast as it was recorded.

    ``endpoint`` is where the backend posts its events, for conversations that tell of them.
    ``on_note`` gets the recorder's notes: what it did behind the server's back.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        in_time: bool = False,
        endpoint: Endpoint | None = None,
        on_note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._endpoint = endpoint
        self._on_note = on_note
        self._backend = backend
        self._in_time = in_time
        self._names = Renaming(backend.authority)
        self._sockets: dict[str, Socket] = {}
        self._open = ExitStack()
        self._ended: set[str] = set()
        self._told: dict[str, Any] = {}
        #: Answers that came where the real server's pong did: its pongs pass slow calls by.
        self._overtaken: dict[str, list[Any]] = {}
        self._note = ""
        self._rest = Answer(0, HTTPMessage(), "")
        #: Events as they were recorded and as they came; the ids in them are told later.
        self._posted: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def play(self, entries: list[dict[str, Any]]) -> None:
        self._make_sessions(entries)
        self._tokens = _Tokens(entries)
        began = time.monotonic()
        for entry in entries:
            offset = entry["t_ms"] / 1000 / SPEED
            if self._in_time and entry["dir"] != "s2c":
                self._wait_until(began + offset)
            if entry["peer"] == "rest":
                self._play_rest(entry["dir"], entry["frame"])
            elif entry["peer"] == "webhook":
                self._expect_webhook(entry["frame"]["body"])
            elif entry["dir"] == "note":
                self._note = entry["frame"]
                self._on_note(entry["frame"])
            else:
                self._play(entry["peer"], entry["dir"], entry["frame"])
            if entry["dir"] in ("c2s-abort", "closed"):
                began = time.monotonic() - offset  # the server waits from then on

        for recorded, found in self._posted:
            for key in _NAMES & recorded.keys():
                assert found[key] == self._names.here(recorded[key]), found

    def same_lines(self, recorded: list[str], found: list[str]) -> None:
        """The CDR's lines are the recorded ones."""
        assert len(found) == len(recorded), found
        for one, other in zip(recorded, found, strict=True):
            (name, content), (our_name, ours) = (
                *json.loads(self._names.here(one)).items(),
                *json.loads(other).items(),
            )
            assert our_name == name
            self._same(_undated(content), _undated(ours))
            assert all(ours[key] == content[key] for key in _NAMES & content.keys())

    def _wait_until(self, moment: float) -> None:
        wait_for(
            "the recorded moment",
            lambda: time.monotonic() >= moment,
            timeout=60,
            interval=0.01,
            slowest=0.02,
        )

    def _play(self, peer: str, direction: str, frame: Any) -> None:
        match direction:
            case "open":
                self._ended.discard(peer)
                socket = Socket(self._backend, frame["path"])
                self._sockets[peer] = self._open.enter_context(socket)
            case "handshake":
                self._shake_hands(frame)
            case "c2s" if peer not in self._ended:  # the recorder pinged on for a while
                self._send(peer, frame)
            case "c2s-binary":
                self._sockets[peer].send(frame.encode())
            case "c2s-abort":
                self._sockets[peer].abort()
            case "c2s-close":
                self._sockets[peer].shut(frame["code"], frame["reason"])
            case "s2c" if _counts(frame) and not self._twice(peer, frame):
                self._expect(peer, frame)
            case "s2c-pong":
                self._sockets[peer].ping()
            case "no-reply" | "waited-in-vain" | "still-open":
                self._expect_silence(peer)
            case "closed":
                self._ended.add(peer)
                self._expect_end(peer, frame)

    # -- what clients do ----------------------------------------------------------------

    def _make_sessions(self, entries: list[dict[str, Any]]) -> None:
        """Make the sessions that somebody joins before the conversation itself makes them."""
        answers = {(e["peer"], e["frame"]["id"]) for e in entries if _is_answer(e)}
        wanted = set()
        for entry in entries:
            frame = entry["frame"]
            if _is_join(entry):
                token = _token_in(frame)
                if token is not None:
                    wanted.add(token[1])
                elif (entry["peer"], frame["id"]) in answers:
                    wanted.add(frame["params"]["session"])
        for session in sorted(wanted):
            params = {"customSessionId": session, **_modes(entries)}
            assert self._call("POST", "/api/sessions", params).status == 200

    def _send(self, peer: str, frame: Any) -> None:
        if isinstance(frame, dict):
            if frame.get("method") == "joinRoom":
                self._tokens.make(peer, frame, self._names, self._backend)
            frame = _restored(frame)
            params = frame.get("params")
            if self._in_time and frame.get("method") == "ping" and isinstance(params, dict):
                interval = params.get("interval")
                if isinstance(interval, int):
                    frame = {**frame, "params": {**params, "interval": interval // SPEED}}
        text = self._names.here(_text(frame))
        third = len(text) // 3
        fragments = [text[:third], text[third : 2 * third], text[2 * third :]]
        self._sockets[peer].send(fragments if "fragments" in self._note else text)

    def _shake_hands(self, frame: dict[str, Any]) -> None:
        options = frame.get("options", {})
        try:
            socket = self._open.enter_context(
                Socket(
                    self._backend,
                    additional_headers=frame["request_headers"],
                    compression=None if options.get("compression") == "None" else "deflate",
                    origin=options.get("origin"),
                    subprotocols=["made-up"] if "subprotocols" in options else None,
                )
            )
            status = 101
        except InvalidStatus as refused:
            status = refused.response.status_code
        assert status == frame["status"]
        if status != 101:
            return
        recorded = dict(frame["headers"])
        for key in ("access-control-allow-origin", "sec-websocket-protocol"):
            assert socket.headers.get(key) == recorded.get(key)
        extension, ours = (
            found.get("sec-websocket-extensions", "").partition(";")[0]
            for found in (recorded, socket.headers)
        )
        assert ours == extension

    # -- what the server does -----------------------------------------------------------

    def _expect(self, peer: str, recorded: dict[str, Any]) -> None:
        waiting = self._overtaken.setdefault(peer, [])
        if waiting and not _is_pong(recorded):
            found = waiting.pop(0)
        else:
            found = json.loads(self._sockets[peer].receive())
            while _is_pong(recorded) and not _is_pong(found):
                waiting.append(found)
                found = json.loads(self._sockets[peer].receive())
        self._same(recorded, found)
        self._names.learn(recorded, found)

    def _expect_webhook(self, recorded: dict[str, Any]) -> None:
        assert self._endpoint is not None
        found = webhook_body(self._endpoint.next_event())
        self._same(_undated(recorded), _undated(found))
        self._posted.append((recorded, found))

    def _same(self, recorded: Any, found: Any) -> None:
        ours, theirs = (
            comparable(_bare(one), self._backend.authority) for one in (found, recorded)
        )
        assert ours == theirs, f"found {ours}, recorded {theirs}"

    def _expect_silence(self, peer: str) -> None:
        """Nothing comes, and the socket is open.

        At once nothing comes before the answer to a ping, which is served after the silent
        call; in time a ping would be a sign of life, and the recorded time has passed.
        """
        socket = self._sockets[peer]
        if self._in_time:
            with pytest.raises(TimeoutError):
                socket.receive(QUIET_S)
            return
        socket.send(json.dumps({"jsonrpc": "2.0", "method": "ping", "id": 999}))
        found = json.loads(socket.receive())
        assert found == {"id": 999, "result": {"value": "pong"}, "jsonrpc": "2.0"}

    def _expect_end(self, peer: str, recorded: dict[str, Any]) -> None:
        if recorded["code"] == 1006:  # that is how a cut is noticed, not said
            return
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

    # -- REST in the middle -------------------------------------------------------------

    def _play_rest(self, direction: str, frame: dict[str, Any]) -> None:
        if direction == "c2s":
            self._rest = self._call(frame["method"], frame["path"], frame["body"])
        elif direction == "s2c":
            assert self._rest.status == frame["status"]
            if frame["body"] is not None:
                self._same(frame["body"], self._rest.body)

    def _call(self, method: str, path: str, body: Any) -> Answer:
        headers = {"Authorization": f"Basic {CREDENTIALS}", "Content-Type": "application/json"}
        text = json.dumps(body) if body is not None else None
        return self._backend.ask(
            method, self._names.here(path), headers, text and self._names.here(text)
        )


def _undated(event: dict[str, Any]) -> dict[str, Any]:
    """An event without how long something took, which is what its two times say."""
    if "duration" not in event:
        return event
    assert event["duration"] == (event["timestamp"] - event["startTime"]) // 1000
    return {**event, "duration": "…"}


class _Tokens:
    """The good tokens of a conversation, each made when somebody first brings it."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self._answers = {
            (e["peer"], e["frame"]["id"]): e["frame"] for e in entries if _is_answer(e)
        }
        brought = {
            token[0]: token["id"]
            for e in entries
            if _is_join(e) and (token := _token_in(e["frame"]))
        }
        self._spellings = {
            identity: sum(other == identity for other in brought.values())
            for identity in brought.values()
        }

    def make(self, peer: str, frame: dict[str, Any], names: Renaming, backend: Backend) -> None:
        """Give the token that a joinRoom brings, if the real server had given it."""
        token = _token_in(frame)
        if token is None or names.knows(token[0]):
            return
        answer = self._answers.get((peer, frame["id"]))
        # Of two spellings of one token, the good one is the one that somebody joined with.
        if self._spellings[token["id"]] > 1 and answer is None:
            return
        data = _server_data(frame["params"], answer or {})
        with backend.api() as api:
            try:
                url = api.create_token(token[1], Role(token["role"]), data=data).url
            except RestRefused:
                url = token[0]  # it was of a session that is gone, and stays bad
        names.learn(token[0], url)


def _is_pong(frame: Any) -> bool:
    return isinstance(frame, dict) and frame.get("result") == {"value": "pong"}


def _counts(frame: Any) -> bool:
    return not (isinstance(frame, dict) and frame.get("method") == "iceCandidate")


def _text(frame: Any) -> str:
    raw = frame.get("raw") if isinstance(frame, dict) else None
    return raw if isinstance(raw, str) else json.dumps(frame)


def _restored(frame: dict[str, Any]) -> dict[str, Any]:
    """A signal whose text the recording leaves out, at its recorded length."""
    if "…" not in frame:
        return frame
    length = int(frame["…"].split()[0])
    signal = {"to": [], "data": ""}
    whole = {
        "jsonrpc": "2.0",
        "method": frame["method"],
        "params": {"message": json.dumps(signal)},
        "id": 500,
    }
    signal["data"] = "z" * (length - len(json.dumps(whole)))
    whole["params"] = {"message": json.dumps(signal)}
    return whole


def _is_answer(entry: dict[str, Any]) -> bool:
    frame = entry["frame"]
    return (
        entry["dir"] == "s2c"
        and entry["peer"] != "rest"
        and isinstance(frame, dict)
        and "result" in frame
        and "id" in frame
    )


def _is_join(entry: dict[str, Any]) -> bool:
    frame = entry["frame"]
    return (
        entry["dir"] == "c2s"
        and entry["peer"] != "rest"
        and isinstance(frame, dict)
        and frame.get("method") == "joinRoom"
    )


def _token_in(frame: dict[str, Any]) -> re.Match[str] | None:
    """The well-formed token that a joinRoom brings; group 1 is its session."""
    token = (frame.get("params") or {}).get("token")
    return _TOKEN.match(token) if isinstance(token, str) else None


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
    if not isinstance(value, str):
        return value
    value = _LENGTH.sub(lambda cut: cut[1] * int(cut[2]), value)
    return re.sub(r"(?<=privateId )\w{24,26}", "…", value)


def _is_rpc_session(key: str, value: Any) -> bool:
    return key == "sessionId" and re.fullmatch(r"[0-9a-v]{24,26}", value) is not None
