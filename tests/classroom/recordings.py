"""The recorded exchanges and frames of openvidu-server 2.13.0."""

from __future__ import annotations

import http
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fixtures

RECORDINGS = Path(fixtures.__file__).parent / "recordings" / "openvidu"


@dataclass(frozen=True)
class Exchange:
    """One recorded REST exchange."""

    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def body(self) -> Any:
        return self.response["body"]

    def response_bytes(self) -> bytes:
        """The answer as it went over the wire (the server sends no reason phrase)."""
        body = (self.response["body_text"] or "").encode()
        headers = [(key.lower(), value) for key, value in self.response["headers"]]
        lines = [f"HTTP/1.1 {self.response['status']} ".encode()]
        lines += [f"{key}: {value}".encode() for key, value in headers]
        if ("transfer-encoding", "chunked") in headers:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


def exchange(name: str) -> Exchange:
    found = json.loads((RECORDINGS / "rest" / f"{name}.json").read_text())
    assert http.HTTPStatus(found["response"]["status"])
    return Exchange(found["request"], found["response"])


def frames(direction: str) -> Iterator[tuple[str, Any]]:
    """``(sequence, frame)`` of every signalling frame; ``direction`` is c2s or s2c."""
    for file in sorted((RECORDINGS / "signalling").glob("*.json")):
        for entry in json.loads(file.read_text())["frames"]:
            # /info is another WebSocket; its lines are text, not frames.
            if entry["dir"] == direction and entry["peer"] != "rest":
                yield file.stem, entry["frame"]


def sequence(name: str, peer: str) -> list[tuple[str, Any]]:
    """``(direction, frame)`` of one peer's frames in one recorded sequence."""
    entries = json.loads((RECORDINGS / "signalling" / f"{name}.json").read_text())["frames"]
    return [
        (entry["dir"], entry["frame"])
        for entry in entries
        if entry["peer"] == peer and entry["dir"] in ("c2s", "s2c")
    ]


def conversations() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """``(sequence, peer, direction, frame)`` of all frames that are JSON objects, in order."""
    for file in sorted((RECORDINGS / "signalling").glob("*.json")):
        for entry in json.loads(file.read_text())["frames"]:
            spoken = entry["dir"] in ("c2s", "s2c") and entry["peer"] != "rest"
            if spoken and isinstance(entry["frame"], dict):
                yield file.stem, entry["peer"], entry["dir"], entry["frame"]
