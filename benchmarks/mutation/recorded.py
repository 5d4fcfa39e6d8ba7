"""Seeds: what real peers were recorded to send, or files that the suite ships."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.checkout import ROOT

RECORDINGS = ROOT / "fixtures" / "recordings"
#: Longer ones make slow inputs and few of them.
_LONGEST = 8192


def seeds(found: Iterable[bytes], *, most: int = 200) -> list[bytes]:
    """Different ones in order of size: of many, evenly chosen ones."""
    fitting = {data for data in found if 0 < len(data) <= _LONGEST}
    different = sorted(fitting, key=lambda data: (len(data), data))
    step = max(1, -(-len(different) // most))
    return different[::step]


def whole(*patterns: str, below: Path = ROOT) -> Callable[[], list[bytes]]:
    """Seeds that are files, not cut, by patterns below a directory."""
    return lambda: sorted({f.read_bytes() for p in patterns for f in below.glob(p)}, key=len)


def frames() -> Iterator[tuple[dict[str, Any], bytes, bytes]]:
    """Recorded Tars exchanges: what was noted, the request's frame, the response's."""
    for file in sorted((RECORDINGS / "tars" / "packets").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            noted = json.loads(line)
            request, response = (
                bytes.fromhex(noted.get(key) or "") for key in ("request_hex", "response_hex")
            )
            yield noted, request, response


def bodies(*places: str, sides: Sequence[str] = ("request", "response")) -> list[bytes]:
    """Bodies of recorded HTTP answers, and of requests, as they went over the wire."""
    found = []
    for place in places:
        for file in sorted((RECORDINGS / place).glob("*.json")):
            noted = json.loads(file.read_text())
            for exchange in noted.get("exchanges", [noted]):
                for side in sides:
                    found += _body(exchange.get(side))
    return found


def _body(side: Any) -> list[bytes]:
    body = side.get("body_text") or side.get("body") if isinstance(side, dict) else None
    if body is None:
        return []
    return [body.encode() if isinstance(body, str) else json.dumps(body).encode()]


def signalling(*directions: str) -> list[bytes]:
    """Recorded frames of the classroom's sockets, webhooks among them, as JSON."""
    found = []
    for room in ("signalling", "webhook"):
        for file in sorted((RECORDINGS / "openvidu" / room).glob("*.json")):
            entries = json.loads(file.read_text())["frames"]
            spoken = (entry["frame"] for entry in entries if entry["dir"] in directions)
            found += [json.dumps(frame).encode() for frame in spoken]
    return found


@cache
def _directory() -> Path:
    """This process's own; it goes with the watch's, or with the process."""
    place = tempfile.TemporaryDirectory(prefix="iec4-mutation-")
    _kept.append(place)
    return Path(place.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def written(name: str, data: bytes) -> Path:
    """A file of that name with that content; the next of the name replaces it."""
    file = _directory() / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def read_from(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """The parser of a file, from its content; the file has that name."""
    return lambda data: read(written(name, data))


def as_json(found: object) -> list[bytes]:
    return [json.dumps(found).encode()]


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number, (name, data) in enumerate(files.items()):
            kind = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)[number % 2]
            archive.writestr(zipfile.ZipInfo(name), data, kind)
    return made.getvalue()
