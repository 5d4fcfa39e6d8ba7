"""The recorded packets of real Tars peers (fixtures/recordings/tars)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_PACKETS = Path(__file__).parents[2] / "fixtures" / "recordings" / "tars" / "packets"

FILES = sorted(path.stem for path in _PACKETS.glob("*.jsonl"))


class Recorded(NamedTuple):
    """One frame: ``kind`` is request or response, ``fields`` what another decoder read."""

    name: str
    function: str | None
    kind: str
    frame: bytes
    fields: dict[str, Any]
    body: dict[str, Any]


def exchanges(file: str) -> Iterator[dict[str, Any]]:
    with (_PACKETS / f"{file}.jsonl").open() as lines:
        for line in lines:
            yield json.loads(line)


def tars_frames(*files: str) -> list[Recorded]:
    """The frames of version TARS that a decoder can read, of these files or of all."""
    return [
        Recorded(
            f"{file}:{exchange['name']}",
            exchange["func"],
            kind,
            bytes.fromhex(exchange[f"{kind}_hex"]),
            fields,
            exchange.get(f"{kind}_body") or {},
        )
        for file in files or FILES
        for exchange in exchanges(file)
        for kind in ("request", "response")
        if exchange.get(f"{kind}_hex")
        and (fields := exchange.get(f"{kind}_fields") or {}).get("version") == 1
        and exchange["name"] != "len_zero"  # its header lies on purpose
    ]
