"""The recorded packets of real Tars peers (fixtures/recordings/tars)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lab.tars.packets import Dialect

_PACKETS = Path(__file__).parents[2] / "fixtures" / "recordings" / "tars" / "packets"

# In tarsjs_client_capture only the client is @tars/rpc's.
_BY_TARSJS = ("tarsjs_errors", "tarsjs_tup_json", "tarsjs_types")

FILES = sorted(path.stem for path in _PACKETS.glob("*.jsonl"))


#: Sent on purpose as no frame or no packet; one of each in both errors files.
MALFORMED = (
    "frame_incomplete",
    "len_zero",
    "len_1",
    "len_100MiB_plus",
    "len_2GiB",
    "len_negative",
    "http_get",
    "garbage_envelope",
)
#: Requests that wanted an answer and got none: the servant keeps silent, or (download,
#: listFileInfo) the answer was not captured whole, or it is withheld (body_string_too_long).
UNANSWERED = (
    "getNodeLoad",
    "raise",
    "download",
    "listFileInfo",
    "raise_no_response",
    "body_string_too_long",
    "overload_req",
)


class Pair(NamedTuple):
    """One exchange; None for a frame that was not there."""

    name: str
    function: str
    request: bytes | None
    response: bytes | None
    dialect: Dialect


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


def pairs() -> list[Pair]:
    """Every exchange of every file, with the dialect of who answered."""
    return [
        Pair(
            f"{file}:{exchange['name']}",
            exchange["func"] or "",
            bytes.fromhex(exchange["request_hex"]) if exchange["request_hex"] else None,
            bytes.fromhex(exchange["response_hex"]) if exchange["response_hex"] else None,
            Dialect.TARSJS if file in _BY_TARSJS else Dialect.TARSCPP,
        )
        for file in FILES
        for exchange in exchanges(file)
    ]


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
