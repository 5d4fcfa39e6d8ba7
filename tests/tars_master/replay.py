"""What replaying TarsWeb's recorded exchanges needs: recordings, requests, comparison."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import tarfile
from collections.abc import Collection, Mapping
from hashlib import md5
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings" / "tars" / "web"

#: The numbers after which a table goes on, by table.
Last = Mapping[str, int]
NOWHERE: Last = MappingProxyType({})


class Call(NamedTuple):
    """A set-up call that no recording has."""

    method: str
    path: str
    content: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """An exchange, and what goes before it: recordings, calls, numbers that tables are at.

    ``held``: a recording whose servers are deployed before all that. ``without``: fields that
    are not compared, beside those of time and chance.
    """

    name: str
    before: tuple[str | Call | Last, ...] = ()
    last: Last = NOWHERE
    held: str = ""
    without: Collection[str] = ()


class Live(NamedTuple):
    """A step on a platform that runs: a recording, a call, or the numbers that tables are at.

    ``prepares``: its answer is not compared. ``without`` as a `Case`'s. A name that ends in
    ``_poll`` waits for the task that ``of``, else the name without that, began; with ``ends``
    false the task stays as it is. ``package`` is what an upload holds.
    """

    step: str | Call | Last
    prepares: bool = False
    without: Collection[str] = ()
    of: str = ""
    ends: bool = True
    package: str = "EchoServer"


def recording(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return read


def last_poll(name: str) -> dict[str, Any]:
    """What the last poll of a recorded sequence answered."""
    poll = recording(name)["polls"][-1]
    body: dict[str, Any] = poll.get("body") or poll["response"]["body"]
    return body


#: What differs from run to run, and the word that stands for it.
VOLATILE = (
    (re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{3}Z)?\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "NUMBER"),
    (re.compile(r'"(token|ticket)": "(<\w+>|[0-9a-f]{40})"'), '"SECRET"'),
    (re.compile(r"_suse_\d+\.tgz"), "_suse_MS.tgz"),
    (re.compile(r'"port": \d{5}\b'), '"port": PORT'),
    (re.compile(r"\$\d+\.\d+\.\d+\$"), "$VERSION$"),
    (re.compile(r"\S*(?=/(tars)?node/data/)"), "DIRECTORY"),
)


def comparable(body: Any, without: Collection[str] = ()) -> Any:
    """A body as text, without what differs from run to run."""
    if not isinstance(body, str):
        body = json.dumps(_stripped(body, without), ensure_ascii=False, sort_keys=True)
    elif body.startswith("<!DOCTYPE html>"):
        return "a page of HTML"  # the real one shows its own stack there
    for pattern, word in VOLATILE:
        body = pattern.sub(word, body)
    return body


def _stripped(body: Any, without: Collection[str]) -> Any:
    if isinstance(body, dict):
        return {k: _stripped(value, without) for k, value in body.items() if k not in without}
    return [_stripped(item, without) for item in body] if isinstance(body, list) else body


#: A tgz that unpacks, and holds no program.
_HOLLOW = io.BytesIO()
with tarfile.open(fileobj=_HOLLOW, mode="w:gz") as _tar:
    _tar.addfile(tarfile.TarInfo("README"), io.BytesIO())

HOLLOW = _HOLLOW.getvalue()


async def send(
    client: httpx.AsyncClient, request: dict[str, Any], *, package: bytes = b"made-up content"
) -> httpx.Response:
    """Send a recorded request; ``package`` is what files that come with it hold."""
    kept = ("Cookie", "X-Forwarded-For")
    headers = {name: text for name, text in request["headers"].items() if name in kept}
    body = request["body"]
    content: dict[str, Any] = {}
    if isinstance(body, dict) and "multipart" in body:
        form = dict(body["multipart"]["fields"])
        files = {file["field"]: (file["filename"], package) for file in body["multipart"]["files"]}
        if "md5" in form:
            form["md5"] = md5(package, usedforsecurity=False).hexdigest()
        # A part without a file name keeps a form without files multipart.
        content = {"files": {**{name: (None, text) for name, text in form.items()}, **files}}
    elif isinstance(body, dict) and "raw" in body:
        content = {"content": body["raw"]}
        headers["Content-Type"] = request["headers"]["Content-Type"]
    elif body is not None:
        content = {"json": body}
    return await client.request(
        request["method"], request["path"], params=request["query"], headers=headers, **content
    )


def set_numbers(database: Path, last: Last) -> None:
    """Have tables of a master's database go on after these numbers."""
    with sqlite3.connect(database) as numbers:
        for table, number in last.items():
            numbers.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            numbers.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, number))
    numbers.close()
