"""Whether a results tree is one that the UI will take: every rule, before it is uploaded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from blueprints.documents import parse_xml
from blueprints.errors import Unacceptable
from submission.attestation import ATTESTATION
from submission.suites import FILES, RUN
from submission.ui_view import (
    IGNORED_BLUEPRINTS,
    IGNORED_IN_LAYERS,
    Shown,
    shown,
    test_info,
)
from submission.untrusted import safe_name

_GZIP = b"\x1f\x8b"
TIMESTAMP = "%Y%m%d-%H%M%S"


def timestamp(moment: datetime) -> str:
    """A moment as the tree's directories are called, UTC."""
    return moment.astimezone(UTC).strftime(TIMESTAMP)


def problems(
    files: Mapping[str, bytes], *, run: str, blueprint: str, began: datetime, stamp: str
) -> list[str]:
    """What is wrong with a tree, one sentence each; empty when it is valid.

    ``files``: ``results/…`` and the attestation. ``run``: the run's id, which every suite
    must name, so that nothing of an earlier run is among them. ``stamp``: the directory
    under which they are to lie, not before the run began.
    """
    found = list(_names(blueprint, began, stamp))
    directories: dict[str, set[str]] = {}
    for name in files:
        if name in ("results/test_info.yaml", ATTESTATION):
            continue
        parts = name.split("/")
        if len(parts) != 4 or parts[0] != "results" or parts[3] not in FILES:
            found.append(f"{name[:120]} has no place in a results tree")
            continue
        try:
            safe_name(name)
        except Unacceptable as error:
            found.append(str(error))
        directories.setdefault("/".join(parts[1:3]), set()).add(parts[3])
    if not directories:
        found.append("there is no test in it")
    for directory, there in directories.items():
        found += _directory(directory, there)
        output = files.get(f"results/{directory}/output.xml")
        if output is not None:
            found += [f"{directory}: {says}" for says in _output(output, run)]
    found += _info(files.get("results/test_info.yaml"), directories)
    return found


def _names(blueprint: str, began: datetime, stamp: str) -> Iterator[str]:
    if blueprint in IGNORED_BLUEPRINTS:
        yield f"the UI ignores blueprints called {blueprint}"
    if not re.fullmatch(r"\d{8}-\d{6}", stamp):
        yield f"the timestamp {stamp!r} does not read YYYYmmdd-HHMMSS"
    elif stamp < timestamp(began):
        yield f"the timestamp {stamp} lies before the run began, {timestamp(began)}"


def _directory(directory: str, there: set[str]) -> Iterator[str]:
    layer = directory.partition("/")[0]
    for word in IGNORED_IN_LAYERS:
        if word in layer:
            yield f"the UI ignores layer {layer}: its name contains {word!r}"
    for missing in sorted(set(FILES) - there):
        yield f"{directory} has no {missing}"


def _output(data: bytes, run: str) -> Iterator[str]:
    if data.startswith(_GZIP):
        yield "output.xml is compressed; the UI reads it as it is"
        return
    try:
        suite = shown(data)
        metadata = {
            meta.get("name"): meta.text for meta in parse_xml(data).iterfind("./suite/meta")
        }
    except Unacceptable as error:
        yield str(error)
        return
    if metadata.get(RUN) != run:
        yield f"it is of run {metadata.get(RUN)}, not of {run}: stale"
    yield from _counts(suite)


def _counts(suite: Shown) -> Iterator[str]:
    if suite.total == 0:
        yield "no test was run; the UI would show a pass"
    counted = Counter(status for _, status in suite.tests)
    stated = {"PASS": suite.passed, "FAIL": suite.failed, "SKIP": suite.skipped}
    if any(counted[word] != number for word, number in stated.items()):
        yield f"its statistics say {stated}, its tests {dict(counted)}"
    for status in counted.keys() - stated.keys():
        yield f"a test has status {status!r}"


def _info(data: bytes | None, directories: Mapping[str, set[str]]) -> Iterator[str]:
    if data is None:
        yield "there is no test_info.yaml"
        return
    try:
        layer, _ = test_info(data)
    except Unacceptable as error:
        yield str(error)
        return
    layers = {directory.split("/")[0] for directory in directories}
    if layer != "all" and layers != {layer}:
        yield f"test_info.yaml says layer {layer}, the tree has {', '.join(sorted(layers))}"
