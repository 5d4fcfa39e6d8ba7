"""Traceability: requirement → criterion → test → verdict → evidence, for one run.

Every criterion of the blueprint has a row, planned in that run or not, so that a
requirement that nobody tested is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from blueprints.errors import ConfigError
from blueprints.model import Blueprint, Criterion, Maturity
from reports.results import CriterionResult, RunResults, load_blueprint
from reports.runfiles import RESULTS

#: How a criterion that the run did not plan reads.
NOT_PLANNED = "not planned"


@dataclass(frozen=True)
class Row:
    """One criterion. ``state``: of `reports.results.STATES`, or `NOT_PLANNED`.

    ``runner`` and ``fault`` are None where only the run knows the criterion. ``evidence``
    are names of what was kept, each with its path below the run directory.
    """

    requirement: str
    criterion: str
    layer: str
    title: str
    mandatory: bool
    runner: str | None
    tests: tuple[str, ...]
    state: str
    reason: str
    evidence: tuple[tuple[str, str], ...]
    fault: str | None
    apis: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """The rows in the blueprint's order. ``gaps`` are sentences about what leads nowhere."""

    run: RunResults
    rows: tuple[Row, ...]
    gaps: tuple[str, ...]

    @property
    def api_map(self) -> dict[str, list[Row]]:
        """Each API that criteria judge → the rows of these, in the blueprint's order."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            for api in row.apis:
                found.setdefault(api, []).append(row)
        return found


def matrix(run: RunResults) -> Matrix:
    """The matrix of a run; without its blueprint only what was planned has rows."""
    gaps: list[str] = []
    known: tuple[Criterion, ...] = ()
    try:
        blueprint = load_blueprint(run.blueprint_reference)
        known = blueprint.criteria
        gaps += _changed(run, blueprint)
    except ConfigError as error:
        gaps.append(f"criteria that this run did not plan are not known: {error}")
    judged = {criterion.id: criterion for criterion in run.criteria}
    rows = [_row(criterion, judged.pop(criterion.id, None), run) for criterion in known]
    rows += [_row(None, criterion, run) for criterion in judged.values()]
    return Matrix(run, tuple(rows), (*gaps, *_gaps(rows)))


def _row(known: Criterion | None, judged: CriterionResult | None, run: RunResults) -> Row:
    either = judged or known
    assert either is not None, "a row is of a criterion"
    maturity: Maturity = "mature" if run.maturity == "mature" else "incubation"
    if judged is None:
        assert known is not None, "what was not planned is the blueprint's"
        mandatory = known.mandatory(maturity)
    else:
        mandatory = judged.mandatory
    return Row(
        requirement=either.requirement,
        criterion=either.id,
        layer=either.layer,
        title=either.title,
        mandatory=mandatory,
        runner=known.runner if known else None,
        tests=judged.tests if judged else (),
        state=judged.state if judged else NOT_PLANNED,
        reason=judged.reason if judged else "",
        evidence=tuple(_evidence(judged)) if judged else (),
        fault=known.fault if known else None,
        apis=known.apis if known else (),
    )


def _evidence(judged: CriterionResult) -> Iterable[tuple[str, str]]:
    for name in judged.sources:
        yield "result", f"{RESULTS}/{name}"
    for name, file in judged.attachments:
        yield name, f"{RESULTS}/{file}"


def _changed(run: RunResults, blueprint: Blueprint) -> Iterable[str]:
    """What the blueprint says otherwise today than when the run was planned."""
    for criterion in run.criteria:
        known = blueprint.by_id.get(criterion.id)
        if known is None:
            yield f"{criterion.id} is no criterion of {blueprint.name} any more"
        elif known.requirement != criterion.requirement:
            yield f"{criterion.id} was judged against another requirement than stands there now"


def _gaps(rows: Iterable[Row]) -> Iterable[str]:
    rows = list(rows)
    untested = [row.criterion for row in rows if row.state != NOT_PLANNED and not row.tests]
    if untested:
        yield f"planned, and no test left a result: {', '.join(untested)}"
    unplanned = [row.criterion for row in rows if row.state == NOT_PLANNED and row.mandatory]
    if unplanned:
        yield f"mandatory, and not planned in this run: {', '.join(unplanned)}"
    unproven = [row.criterion for row in rows if row.runner and row.fault is None]
    if unproven:
        yield f"no fault shows that it can fail: {', '.join(unproven)}"
