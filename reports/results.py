"""A run directory as read: what was planned, what came of it, and what is missing.

Reads ``run.json`` and the Allure result files. A run may have been cut off at any point:
whatever cannot be read becomes an ERROR that names the file, and a planned criterion
without a result has no verdict. Nothing is ever counted as passed for want of evidence.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.evidence import ALLURE_STATUS, Measurement, Verdict
from blueprints.words import LAYERS
from reports.text import one_line

SCHEMA = 1

#: How a planned criterion without a verdict reads.
NONE = "NONE"
#: All states in which a criterion can be found, in the order of tables.
STATES = (*(verdict.value for verdict in Verdict), NONE)

_VERDICT_OF_STATUS = {status: verdict for verdict, status in ALLURE_STATUS.items()}
_MEASUREMENTS = TypeAdapter(list[Measurement])


@dataclass(frozen=True)
class CriterionResult:
    """What came of one criterion.

    ``verdict`` is None when a planned criterion left none. ``reason`` is one line, empty
    for PASS. ``seconds`` is None where no result tells it. ``sources`` are the names of
    the result files; ``doubtful`` says that they, not what was judged, are the reason.
    """

    id: str
    layer: str
    title: str
    requirement: str
    mandatory: bool
    verdict: Verdict | None
    reason: str = ""
    seconds: float | None = None
    measurements: tuple[Measurement, ...] = ()
    sources: tuple[str, ...] = ()
    doubtful: bool = False

    @property
    def state(self) -> str:
        """The verdict's word, or NONE."""
        return NONE if self.verdict is None else self.verdict.value


@dataclass(frozen=True)
class Stage:
    """A stage of the run: running, done, failed, skipped or interrupted."""

    name: str
    state: str
    started: datetime | None
    ended: datetime | None
    message: str | None


@dataclass(frozen=True)
class Deviation:
    """A pin of the blueprint that this lab's profile declares not to have."""

    name: str
    pinned: str
    instead: str


@dataclass(frozen=True)
class RunResults:
    """A run as its reports tell it. ``criteria`` are the planned ones, in their order.

    ``unplanned`` are verdicts that nobody asked for; they decide nothing. ``damage`` are
    sentences about evidence that was lost and belongs to no criterion: the run counts as
    not judged. ``notes`` are sentences that matter to a reader only.
    """

    directory: Path
    id: str
    blueprint: str
    lab: str
    profile: str
    maturity: str
    started: datetime | None
    ended: datetime | None
    interrupted: bool
    asked: dict[str, Any]
    versions: dict[str, str]
    stages: tuple[Stage, ...]
    criteria: tuple[CriterionResult, ...]
    unplanned: tuple[CriterionResult, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    damage: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """Whether the lab was the embedded one, of which every report must tell."""
        return self.profile == "embedded"

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the planned criteria, from the hosts upwards."""
        present = {criterion.layer for criterion in self.criteria}
        known = [layer for layer in LAYERS if layer in present]
        return (*known, *sorted(present - set(known)))

    def of_layer(self, layer: str) -> tuple[CriterionResult, ...]:
        return tuple(criterion for criterion in self.criteria if criterion.layer == layer)


def counts(criteria: Iterable[CriterionResult]) -> dict[str, int]:
    """How many criteria are in each of `STATES`."""
    found = dict.fromkeys(STATES, 0)
    for criterion in criteria:
        found[criterion.state] += 1
    return found


class _PlannedEntry(BaseModel):
    id: str
    layer: str
    title: str
    requirement: str
    mandatory: bool


class _StageEntry(BaseModel):
    name: str
    state: str
    started: datetime | None = None
    ended: datetime | None = None
    message: str | None = None


class _RunFile(BaseModel):
    """``run.json``; the pipeline may add keys that reports have no use for."""

    id: str
    blueprint: str
    lab: str
    profile: str
    maturity: str
    started: datetime | None = None
    ended: datetime | None = None
    interrupted: bool = False
    asked: dict[str, Any] = {}
    versions: dict[str, str] = {}
    planned: tuple[_PlannedEntry, ...] = ()
    stages: tuple[_StageEntry, ...] = ()


def read_results(directory: Path) -> RunResults:
    """Read a run directory. Raises `ConfigError` when it is none, or of another schema."""
    run = _read_run(directory)
    planned = [
        CriterionResult(
            entry.id, entry.layer, entry.title, entry.requirement, entry.mandatory, None
        )
        for entry in run.planned
    ]
    files = _read_result_files(directory / "allure-results", {entry.id for entry in run.planned})
    by_id: dict[str, list[_ResultFile]] = {}
    for file in files:
        by_id.setdefault(file.criterion or "", []).append(file)
    strays = by_id.pop("", [])
    why_none = _why_no_verdict(run)
    criteria = tuple(
        _settled(criterion, by_id.pop(criterion.id, []), why_none) for criterion in planned
    )
    deviations, notes = _deviations(run)
    notes += [f"{file.name} names no criterion: {file.title}" for file in strays if not file.damage]
    return RunResults(
        directory=directory,
        id=run.id,
        blueprint=run.blueprint,
        lab=run.lab,
        profile=run.profile,
        maturity=run.maturity,
        started=run.started,
        ended=run.ended,
        interrupted=run.interrupted or any(s.state == "interrupted" for s in run.stages),
        asked=run.asked,
        versions=run.versions,
        stages=tuple(
            Stage(s.name, s.state, s.started, s.ended, s.message and one_line(s.message))
            for s in run.stages
        ),
        criteria=criteria,
        unplanned=tuple(
            _settled(_unknown(identifier, found), found, "") for identifier, found in by_id.items()
        ),
        deviations=deviations,
        damage=tuple(file.damage for file in strays if file.damage),
        notes=tuple(notes),
    )


def _read_run(directory: Path) -> _RunFile:
    file = directory / "run.json"
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{directory} is no run directory: run.json cannot be read ({one_line(str(error))})"
        ) from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise ConfigError(f"{file} has schema {schema!r}, this version reads {SCHEMA}")
    try:
        return _RunFile.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{file}: {where}: {first['msg']}") from None


def _why_no_verdict(run: _RunFile) -> str:
    for stage in run.stages:
        if stage.state == "failed" and stage.name != "report":
            return f"no verdict: stage {stage.name} failed: {one_line(stage.message or '')}"
    if run.interrupted or any(stage.state == "interrupted" for stage in run.stages):
        return "no verdict: the run was interrupted"
    if any(stage.state == "running" and stage.name != "report" for stage in run.stages):
        return "no verdict: the run was cut off"
    return "no verdict: its runner left no result"


def _deviations(run: _RunFile) -> tuple[tuple[Deviation, ...], list[str]]:
    try:
        blueprint = model.load(str(run.asked.get("blueprint") or run.blueprint))
    except ConfigError as error:
        return (), [f"deviations from the blueprint's pins are not known: {error}"]
    return tuple(
        Deviation(name, pin.version, pin.deviations[run.profile])
        for name, pin in blueprint.pins.items()
        if run.profile in pin.deviations
    ), []


@dataclass(frozen=True)
class _ResultFile:
    """One Allure result file. ``damage`` says why its verdict cannot be trusted, if so."""

    name: str
    criterion: str | None
    verdict: Verdict = Verdict.ERROR
    title: str = ""
    layer: str = ""
    reason: str = ""
    seconds: float | None = None
    measurements: tuple[Measurement, ...] = field(default=())
    damage: str = ""


def _read_result_files(directory: Path, planned: set[str]) -> list[_ResultFile]:
    return [_read_result(path, planned) for path in sorted(directory.glob("*-result.json"))]


def _read_result(path: Path, planned: set[str]) -> _ResultFile:
    try:
        raw = path.read_bytes()
    except OSError as error:
        return _ResultFile(path.name, None, damage=f"{path.name} cannot be read: {error.strerror}")
    try:
        return _parsed(path, json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        says = f"result file {path.name} is damaged: {one_line(str(error))}"
        return _ResultFile(path.name, _criterion_of_fragment(raw, planned), damage=says)


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


def _parsed(path: Path, data: dict[str, Any]) -> _ResultFile:
    labels = [(label["name"], str(label["value"])) for label in data.get("labels") or []]
    details = data.get("statusDetails") or {}
    measurements: list[Measurement] = []
    for attachment in data.get("attachments") or []:
        if attachment.get("name") == "measurements.json":
            measurements += _read_measurements(path.parent / Path(attachment["source"]).name)
    result = _ResultFile(
        name=path.name,
        criterion=_only(labels, "criterion"),
        title=one_line(str(data.get("name") or "")),
        layer=_only(labels, "layer") or "",
        reason=one_line(str(details.get("message") or "")),
        seconds=_seconds(data.get("start"), data.get("stop")),
        measurements=tuple(measurements),
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


def _read_measurements(path: Path) -> list[Measurement]:
    try:
        measurements = _MEASUREMENTS.validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        says = error.errors()[0]["msg"]
        raise ValueError(f"{path.name} holds no measurements: {says}") from None
    for measurement in measurements:
        if not math.isfinite(measurement.value):
            raise ValueError(f"{path.name}: {measurement.name} is {measurement.value}")
    return measurements


def _settled(
    criterion: CriterionResult, files: Sequence[_ResultFile], why_none: str
) -> CriterionResult:
    """The criterion with the verdict that its result files give, if they give one."""
    if not files:
        return replace(criterion, reason=why_none)
    sources = tuple(file.name for file in files)
    if len(files) > 1:
        told = ", ".join(f"{'damaged' if f.damage else f.verdict} in {f.name}" for f in files)
        return replace(
            criterion,
            verdict=Verdict.ERROR,
            reason=f"{len(files)} results where one must be: {told}",
            sources=sources,
            doubtful=True,
        )
    (file,) = files
    reason = file.damage or file.reason
    if not reason and file.verdict is not Verdict.PASS:
        reason = f"no reason was given; see {file.name}"
    return replace(
        criterion,
        verdict=Verdict.ERROR if file.damage else file.verdict,
        reason="" if file.verdict is Verdict.PASS and not file.damage else reason,
        seconds=file.seconds,
        measurements=file.measurements,
        sources=sources,
        doubtful=bool(file.damage),
    )


def _unknown(identifier: str, files: Sequence[_ResultFile]) -> CriterionResult:
    """A criterion of which only result files tell."""
    title = files[0].title.removeprefix(f"{identifier} ")
    return CriterionResult(identifier, files[0].layer, title, "", mandatory=False, verdict=None)
