"""Two runs side by side: verdicts that changed, figures that left their band, circumstances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from blueprints.evidence import Measurement
from reports import bands
from reports.bands import Band, Move
from reports.environment import environment
from reports.results import NONE, CriterionResult, RunResults
from reports.runs import Brief, Series, figures_of

#: How good a state is; what falls got worse. What could not be judged is no better than a FAIL.
_WORTH = {"PASS": 2, "SKIP": 1, "FAIL": 0, "ERROR": 0, NONE: 0}


class Change(StrEnum):
    """What became of a verdict."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    #: Another word of the same worth: FAIL and ERROR.
    OTHER = "other"
    ADDED = "added"
    #: Planned in the earlier run only.
    GONE = "gone"


@dataclass(frozen=True)
class VerdictChange:
    """A criterion's states (`reports.results.STATES`); None where it was not planned."""

    id: str
    layer: str
    title: str
    mandatory: bool
    before: str | None
    after: str | None
    reason: str
    change: Change


@dataclass(frozen=True)
class FigureChange:
    """A measurement in both runs. ``percent`` is None where it began at 0 or is in one only."""

    criterion: str
    name: str
    unit: str
    before: float | None
    after: float | None
    percent: float | None
    band: Band | None
    threshold: str | None
    move: Move
    says: str = ""


@dataclass(frozen=True)
class Circumstance:
    """Something about lab, versions or deviations that differs; None where it is not told."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Comparison:
    """``after`` against ``before``. ``notes`` say what makes the two hard to compare."""

    before: RunResults
    after: RunResults
    verdicts: tuple[VerdictChange, ...]
    figures: tuple[FigureChange, ...]
    circumstances: tuple[Circumstance, ...]
    notes: tuple[str, ...]

    @property
    def worse(self) -> int:
        """How many verdicts and figures got worse."""
        verdicts = sum(verdict.change is Change.WORSE for verdict in self.verdicts)
        return verdicts + sum(figure.move is Move.WORSE for figure in self.figures)


def compare(
    before: RunResults,
    after: RunResults,
    *,
    history: Iterable[Brief] = (),
    percent: float | None = None,
) -> Comparison:
    """Compare two runs. ``history``: earlier runs, whose figures give the bands' widths.

    ``percent``: half a band's width where there is no history; by profile unless given.
    """
    earlier: dict[Series, list[float]] = {}
    for run in history:
        if run.id != after.id:
            for series, one in run.figures.items():
                if one.window_valid:
                    earlier.setdefault(series, []).append(one.value)
    width = bands.percent_of(after.profile) if percent is None else percent
    comparable = (before.lab, before.profile) == (after.lab, after.profile)
    return Comparison(
        before=before,
        after=after,
        verdicts=tuple(_verdicts(before, after)),
        figures=tuple(_figures(before, after, earlier, width, comparable=comparable)),
        circumstances=tuple(_circumstances(before, after)),
        notes=tuple(_notes(before, after, comparable=comparable)),
    )


def _verdicts(before: RunResults, after: RunResults) -> Iterable[VerdictChange]:
    earlier = {criterion.id: criterion for criterion in before.criteria}
    for criterion in after.criteria:
        yield _verdict(criterion, earlier.pop(criterion.id, None), criterion)
    for criterion in earlier.values():
        yield _verdict(criterion, criterion, None)


def _verdict(
    known: CriterionResult, before: CriterionResult | None, after: CriterionResult | None
) -> VerdictChange:
    if before is None or after is None:
        change = Change.ADDED if before is None else Change.GONE
    elif before.state == after.state:
        change = Change.SAME
    else:
        gain = _WORTH[after.state] - _WORTH[before.state]
        change = Change.BETTER if gain > 0 else Change.WORSE if gain < 0 else Change.OTHER
    return VerdictChange(
        known.id,
        known.layer,
        known.title,
        known.mandatory,
        before.state if before else None,
        after.state if after else None,
        after.reason if after else "",
        change,
    )


def _figures(
    before: RunResults,
    after: RunResults,
    earlier: dict[Series, list[float]],
    percent: float,
    *,
    comparable: bool,
) -> Iterable[FigureChange]:
    old = {series.figure: one for series, one in figures_of(before).items()}
    for series, new in figures_of(after).items():
        criterion, label = series.figure.criterion, series.figure.label
        was = old.pop(series.figure, None)
        if was is None:
            yield _alone(criterion, label, new, Move.ADDED)
        else:
            limit = bands.limit_of(new.threshold)
            around = bands.band(was.value, limit, percent, earlier.get(series, ()))
            yield _figure(criterion, label, was, new, around if comparable else None)
    for figure, was in old.items():
        yield _alone(figure.criterion, figure.label, was, Move.GONE)


def _alone(criterion: str, label: str, one: Measurement, move: Move) -> FigureChange:
    before, after = (None, one.value) if move is Move.ADDED else (one.value, None)
    return FigureChange(criterion, label, one.unit, before, after, None, None, one.threshold, move)


def _figure(
    criterion: str, label: str, was: Measurement, new: Measurement, around: Band | None
) -> FigureChange:
    says = "" if was.threshold == new.threshold else f"its limit was {was.threshold or 'none'}"
    if around is None:
        move, says = Move.UNCOMPARED, "another lab"
    elif not (was.window_valid and new.window_valid):
        move, says = Move.UNCOMPARED, "the load generator was the limit"
    else:
        limit = bands.limit_of(new.threshold)
        met_before = was.met if was.threshold == new.threshold else None
        move = bands.move(new.value, around, limit, met_before=met_before)
    return FigureChange(
        criterion=criterion,
        name=label,
        unit=new.unit,
        before=was.value,
        after=new.value,
        percent=(new.value - was.value) / abs(was.value) * 100 if was.value else None,
        band=around,
        threshold=new.threshold,
        move=move,
        says=says,
    )


def _circumstances(before: RunResults, after: RunResults) -> Iterable[Circumstance]:
    old, new = environment(before), environment(after)
    for name in [*new, *(name for name in old if name not in new)]:
        if name != "run" and old.get(name) != new.get(name):
            yield Circumstance(name, old.get(name), new.get(name))


def _notes(before: RunResults, after: RunResults, *, comparable: bool) -> Iterable[str]:
    if before.blueprint != after.blueprint:
        yield "the runs are of two blueprints; an id may mean another thing in each"
    if not comparable:
        yield "the runs are of two labs: figures are shown, and not judged"
    if before.started and after.started and after.started < before.started:
        yield "the first run named is the later one"
    for run in (before, after):
        if run.interrupted or run.ended is None:
            yield f"run {run.id} did not come to its end"
