"""Allure result files, as the runners wrote them: one a test, with the verdict in its labels.

What is in them is not believed to be well-formed: a file that makes no sense is told as
damaged, and gives its criterion an ERROR.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from blueprints.evidence import ALLURE_STATUS, Measurement, Verdict
from reports.runfiles import RESULTS, RunFiles
from reports.text import one_line

_VERDICT_OF_STATUS = {status: verdict for verdict, status in ALLURE_STATUS.items()}
_MEASUREMENTS = TypeAdapter(list[Measurement])
#: What taking apart a document that is not as it must be raises.
_NONSENSE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class ResultFile:
    """One Allure result file. ``damage`` says why its verdict cannot be trusted, if so.

    ``test`` is what the runner calls the test, ``attachments`` are names and files.
    """

    name: str
    criterion: str | None
    verdict: Verdict = Verdict.ERROR
    title: str = ""
    layer: str = ""
    reason: str = ""
    seconds: float | None = None
    measurements: tuple[Measurement, ...] = field(default=())
    test: str = ""
    attachments: tuple[tuple[str, str], ...] = ()
    damage: str = ""


def read_result_files(source: RunFiles, planned: set[str]) -> list[ResultFile]:
    """Every result file of a run; ``planned`` are the ids that a damaged one may speak of."""
    try:
        names = source.result_names()
    except OSError as error:
        says = f"{RESULTS} cannot be read: {error.strerror}"
        return [ResultFile(RESULTS, None, damage=says)]
    return [_read_result(source, name, planned) for name in names]


def _read_result(source: RunFiles, name: str, planned: set[str]) -> ResultFile:
    try:
        raw = source.result(name)
    except OSError as error:
        return ResultFile(name, None, damage=f"{name} cannot be read: {error.strerror}")
    try:
        return _parsed(source, name, json.loads(raw))
    except _NONSENSE as error:
        says = f"result file {name} is damaged: {one_line(str(error))}"
        return ResultFile(name, _criterion_of_fragment(raw, planned), damage=says)


def _criterion_of_fragment(raw: bytes, planned: set[str]) -> str | None:
    """The planned criterion that a damaged file speaks of.

    The writer puts the name, which begins with the id, before everything else.
    """
    text = raw.decode(errors="replace")
    for pattern in (r'"name": ?"criterion", ?"value": ?"([^"]+)"', r'"name": ?"([A-Z0-9]+-\d+)\b'):
        match = re.search(pattern, text)
        if match and match[1] in planned:
            return match[1]
    return None


def _parsed(source: RunFiles, name: str, data: dict[str, Any]) -> ResultFile:
    labels = [(label["name"], str(label["value"])) for label in data.get("labels") or []]
    details = data.get("statusDetails") or {}
    measurements: list[Measurement] = []
    attachments: list[tuple[str, str]] = []
    for attachment in data.get("attachments") or []:
        file = PurePosixPath(attachment["source"]).name
        attachments.append((one_line(str(attachment["name"])), file))
        if attachment["name"] == "measurements.json":
            measurements += _read_measurements(source, file)
    result = ResultFile(
        name=name,
        criterion=_only(labels, "criterion"),
        title=one_line(str(data.get("name") or "")),
        layer=_only(labels, "layer") or "",
        reason=one_line(str(details.get("message") or "")),
        seconds=_seconds(data.get("start"), data.get("stop")),
        measurements=tuple(measurements),
        test=one_line(str(data.get("fullName") or "")),
        attachments=tuple(attachments),
    )
    if result.criterion is None:  # something else that a runner ran: it gives no verdict
        return result
    return replace(result, verdict=_verdict(data.get("status"), _only(labels, "verdict")))


def _seconds(begin: object, end: object) -> float | None:
    """Allure's two moments, in milliseconds, as a duration; None unless both are there."""
    if not isinstance(begin, int | float) or not isinstance(end, int | float):
        return None
    seconds = (end - begin) / 1000
    return seconds if 0 <= seconds < math.inf else None


def _only(labels: Sequence[tuple[str, str]], name: str) -> str | None:
    values = {value for key, value in labels if key == name}
    if len(values) > 1:
        raise ValueError(f"it has several labels {name}: {', '.join(sorted(values))}")
    return values.pop() if values else None


def _verdict(status: object, label: str | None) -> Verdict:
    by_status = _VERDICT_OF_STATUS.get(str(status))
    verdict = by_status if label is None else Verdict.__members__.get(label)
    if verdict is None:
        raise ValueError(f"its verdict is {label or 'missing'}, its status {status!r}")
    if verdict is not by_status:
        raise ValueError(f"its verdict is {verdict.value}, but its status {status!r}")
    return verdict


def _read_measurements(source: RunFiles, name: str) -> list[Measurement]:
    try:
        measurements = _MEASUREMENTS.validate_json(source.result(name))
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        says = error.errors()[0]["msg"]
        raise ValueError(f"{name} holds no measurements: {says}") from None
    for measurement in measurements:
        if not math.isfinite(measurement.value):
            raise ValueError(f"{name}: {measurement.name} is {measurement.value}")
    return measurements
