"""A run directory as read: what was planned, what came of it, and what is missing.

Reads ``run.json`` and the Allure result files, from a directory or an archive of one. A run
may have been cut off at any point: whatever cannot be read becomes an ERROR that names the
file, and a planned criterion without a result has no verdict. Nothing is ever counted as
passed for want of evidence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.evidence import Measurement, Verdict
from blueprints.words import LAYERS
from reports.result_files import ResultFile, read_result_files
from reports.runfiles import RunFiles, open_run
from reports.text import one_line

SCHEMA = 1

#: How a planned criterion without a verdict reads.
NONE = "NONE"
#: All states in which a criterion can be found, in the order of tables.
STATES = (*(verdict.value for verdict in Verdict), NONE)


@dataclass(frozen=True)
class CriterionResult:
    """What came of one criterion.

    ``verdict`` is None when a planned criterion left none. ``reason`` is one line, empty
    for PASS. ``seconds`` is None where no result tells it. ``sources`` are the names of
    the result files, ``tests`` what the runners call the tests that wrote them,
    ``attachments`` the names of raw evidence with the files that hold it; ``doubtful`` says
    that the files, not what was judged, are the reason.
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
    tests: tuple[str, ...] = ()
    attachments: tuple[tuple[str, str], ...] = ()
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
    def blueprint_reference(self) -> str:
        """What `load_blueprint` takes: the file that was asked for, else the name.

        An archive names no file of the machine that reads it.
        """
        if self.directory.is_file():
            return Path(self.blueprint).stem
        return str(self.asked.get("blueprint") or self.blueprint)

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


def read_results(path: Path) -> RunResults:
    """Read a run directory, or the zip archive of one.

    Raises `ConfigError` when it is none, or of another schema.
    """
    with open_run(path) as source:
        run = _read_run(path, source)
        files = read_result_files(source, {entry.id for entry in run.planned})
    planned = [
        CriterionResult(
            entry.id, entry.layer, entry.title, entry.requirement, entry.mandatory, None
        )
        for entry in run.planned
    ]
    by_id: dict[str, list[ResultFile]] = {}
    for file in files:
        by_id.setdefault(file.criterion or "", []).append(file)
    strays = by_id.pop("", [])
    why_none = _why_no_verdict(run)
    criteria = tuple(
        _settled(criterion, by_id.pop(criterion.id, []), why_none) for criterion in planned
    )
    results = RunResults(
        directory=path,
        id=run.id,
        blueprint=run.blueprint,
        lab=run.lab,
        profile=run.profile,
        maturity=run.maturity,
        started=_utc(run.started),
        ended=_utc(run.ended),
        interrupted=run.interrupted or any(s.state == "interrupted" for s in run.stages),
        asked=run.asked,
        versions=run.versions,
        stages=tuple(
            Stage(
                s.name, s.state, _utc(s.started), _utc(s.ended), s.message and one_line(s.message)
            )
            for s in run.stages
        ),
        criteria=criteria,
        unplanned=tuple(
            _settled(_unknown(identifier, found), found, "") for identifier, found in by_id.items()
        ),
        damage=tuple(file.damage for file in strays if file.damage),
        notes=tuple(
            f"{file.name} names no criterion: {file.title}" for file in strays if not file.damage
        ),
    )
    return _with_deviations(results)


def _utc(moment: datetime | None) -> datetime | None:
    """A moment that can be compared with others: without a zone it is taken for UTC."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _read_run(path: Path, source: RunFiles) -> _RunFile:
    try:
        data = json.loads(source.run_json())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is no run directory: run.json cannot be read ({one_line(str(error))})"
        ) from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise ConfigError(f"{path}/run.json has schema {schema!r}, this version reads {SCHEMA}")
    try:
        return _RunFile.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}/run.json: {where}: {first['msg']}") from None


def _why_no_verdict(run: _RunFile) -> str:
    for stage in run.stages:
        if stage.state == "failed" and stage.name != "report":
            return f"no verdict: stage {stage.name} failed: {one_line(stage.message or '')}"
    if run.interrupted or any(stage.state == "interrupted" for stage in run.stages):
        return "no verdict: the run was interrupted"
    if any(stage.state == "running" and stage.name != "report" for stage in run.stages):
        return "no verdict: the run was cut off"
    return "no verdict: its runner left no result"


def load_blueprint(reference: str) -> model.Blueprint:
    """A blueprint by name or file, as `blueprints.model.load`; each is read once."""
    file = Path(reference)
    return _loaded(reference, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=16)  # a trend reads a thousand runs of one blueprint
def _loaded(reference: str, _changed: int) -> model.Blueprint:
    return model.load(reference)


def _with_deviations(results: RunResults) -> RunResults:
    try:
        pins = load_blueprint(results.blueprint_reference).pins
    except ConfigError as error:
        note = f"deviations from the blueprint's pins are not known: {error}"
        return replace(results, notes=(note, *results.notes))
    found = tuple(
        Deviation(name, pin.version, pin.deviations[results.profile])
        for name, pin in pins.items()
        if results.profile in pin.deviations
    )
    return replace(results, deviations=found)


def _settled(
    criterion: CriterionResult, files: Sequence[ResultFile], why_none: str
) -> CriterionResult:
    """The criterion with the verdict that its result files give, if they give one."""
    if not files:
        return replace(criterion, reason=why_none)
    criterion = replace(
        criterion,
        sources=tuple(file.name for file in files),
        tests=tuple(file.test for file in files if file.test),
        attachments=tuple(attachment for file in files for attachment in file.attachments),
    )
    if len(files) > 1:
        told = ", ".join(f"{'damaged' if f.damage else f.verdict} in {f.name}" for f in files)
        return replace(
            criterion,
            verdict=Verdict.ERROR,
            reason=f"{len(files)} results where one must be: {told}",
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
        doubtful=bool(file.damage),
    )


def _unknown(identifier: str, files: Sequence[ResultFile]) -> CriterionResult:
    """A criterion of which only result files tell."""
    title = files[0].title.removeprefix(f"{identifier} ")
    return CriterionResult(identifier, files[0].layer, title, "", mandatory=False, verdict=None)
