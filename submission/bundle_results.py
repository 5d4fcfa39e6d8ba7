"""What a bundle says, as the results of a run: for comparisons and trends over releases.

A bundle has less in it than its run had: figures with six digits, no versions, and of what
was planned only what became a test. Whether it is genuine, `submission.verify` says.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

from blueprints.archives import DAMAGED
from blueprints.documents import parse_xml
from blueprints.errors import ConfigError, Unacceptable
from blueprints.evidence import Measurement, Verdict
from reports.bands import limit_of
from reports.results import CriterionResult, RunResults
from reports.runfiles import ARCHIVE_BYTES
from reports.text import one_line
from submission.bundle import OWN
from submission.suites import RUN
from submission.untrusted import read_zip

_EMBEDDED = " (embedded lab)"
_FIGURE = re.compile(r"(\S+): (-?[0-9][0-9.e+-]*) ([^\s,]+)(?:, must be (.+))?")
#: A criterion without a PASS or SKIP is a failed test, whose message begins with what it was.
_STATE = re.compile(r"(FAIL|ERROR|NONE): (.*)")


def is_bundle(path: Path) -> bool:
    """Whether ``path`` is a zip file with a BluVal results tree in it."""
    try:
        if path.stat().st_size > ARCHIVE_BYTES:
            return False
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, *DAMAGED):
        return False
    return any(n.startswith("results/") and n.endswith("/output.xml") for n in names)


def read_bundle(path: Path) -> RunResults:
    """The results that a bundle holds. Raises `ConfigError` when it cannot be read."""
    try:
        outputs = {
            name.removeprefix("results/").removesuffix("/output.xml"): parse_xml(data)
            for name, data in sorted(read_zip(path).items())
            if name.endswith("/output.xml")
        }
        return _results(path, outputs)
    except Unacceptable as error:
        raise ConfigError(f"{path} is no bundle that can be read: {error}") from None


def _results(path: Path, outputs: dict[str, ElementTree.Element]) -> RunResults:
    told: dict[str, set[str]] = {}
    for root in outputs.values():
        for meta in root.iterfind("./suite/meta"):
            told.setdefault(meta.get("name", ""), set()).add(meta.text or "")
    lab = _only(told, "Lab")
    spans = [span for root in outputs.values() for span in _spans(root)]
    return RunResults(
        directory=path,
        id=_only(told, RUN),
        blueprint=_only(told, "Blueprint"),
        lab=lab.removesuffix(_EMBEDDED),
        profile="embedded" if lab.endswith(_EMBEDDED) else "lab",
        maturity="not told",
        started=min((began for began, _ in spans), default=None),
        ended=max((ended for _, ended in spans), default=None),
        interrupted=False,
        asked={},
        versions={},
        stages=(),
        criteria=tuple(c for name, root in outputs.items() for c in _criteria(name, root)),
        notes=("read from a bundle",),
    )


def _only(told: dict[str, set[str]], name: str) -> str:
    values = told.get(name, set())
    if len(values) != 1:
        found = ", ".join(sorted(values)) or "nothing"
        raise Unacceptable(f"its suites tell {found} as {name}, one value was expected")
    return one_line(next(iter(values)))


def _criteria(name: str, root: ElementTree.Element) -> Iterator[CriterionResult]:
    layer, _, suite = name.partition("/")
    for test in root.iter("test"):
        title = one_line(test.get("name", ""))
        tags = [tag.text or "" for tag in test.iterfind("tag")]
        identifier = f"{name} {title}"
        if suite == OWN:
            identifier, _, title = title.partition(" ")
        verdict, reason = _judged(test.find("status"))
        yield CriterionResult(
            id=identifier,
            layer=layer,
            title=title,
            requirement=one_line(test.findtext("doc") or ""),
            mandatory=suite != OWN or "mandatory" in tags,
            verdict=verdict,
            reason=reason,
            seconds=_seconds(test.find("status")),
            measurements=tuple(_measurements(test)),
            tests=(name,),
        )


def _judged(status: ElementTree.Element | None) -> tuple[Verdict | None, str]:
    word = "" if status is None else status.get("status", "")
    said = one_line((status.text if status is not None else None) or "")
    if word not in ("PASS", "FAIL", "SKIP"):
        return Verdict.ERROR, f"its status is {word!r}"
    if word == "FAIL" and (match := _STATE.fullmatch(said)):
        return Verdict.__members__.get(match[1]), match[2]
    return Verdict(word), said


def _measurements(test: ElementTree.Element) -> Iterator[Measurement]:
    for message in test.iterfind("./kw[@name='Measured']/msg"):
        match = _FIGURE.fullmatch(one_line(message.text or ""))
        if match is None:
            continue
        name, text, unit, threshold = match.groups()
        try:
            value = float(text)
        except ValueError:
            continue
        limit = limit_of(threshold)
        met = None if limit is None else limit.met_by(value)
        yield Measurement(name, value, unit, threshold, met)


def _spans(root: ElementTree.Element) -> Iterator[tuple[datetime, datetime]]:
    """When each test began and ended; Robot's times have no zone, the suite's own are UTC."""
    for status in root.iterfind(".//test/status"):
        seconds = _seconds(status)
        try:
            began = datetime.fromisoformat(status.get("start", "")).replace(tzinfo=UTC)
            yield began, began + timedelta(seconds=seconds or 0)
        except (ValueError, OverflowError):
            continue


def _seconds(status: ElementTree.Element | None) -> float | None:
    try:
        seconds = float("nan" if status is None else status.get("elapsed", "nan"))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None
