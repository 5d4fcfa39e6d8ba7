"""What many runs say together: how each verdict and each figure went from run to run.

Only runs of one blueprint on one lab by one SLO profile are put in a line.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from blueprints.words import LAYERS
from reports import bands
from reports.bands import Band, Move
from reports.results import STATES
from reports.runs import Brief, Figure, Judged, Lane, Runs, Series

#: As many earlier figures give the band of the latest: a lab changes over the months.
RECENT = 50


@dataclass(frozen=True)
class History:
    """A criterion through the runs of its lane.

    ``states`` has one for each run, None where it was not planned. ``changes`` counts how
    often the state was another than the last time. ``since`` is the run, by its place in the
    lane, from which on it is what it is now.
    """

    id: str
    layer: str
    title: str
    states: tuple[str | None, ...]
    changes: int
    since: int

    @property
    def now(self) -> str:
        """The state in the latest run that planned it."""
        return next(state for state in reversed(self.states) if state is not None)

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(self.states)
        return {state: found[state] for state in STATES}


@dataclass(frozen=True)
class Point:
    """A figure in one run, by the run's place in the lane."""

    run: int
    value: float
    met: bool | None
    window_valid: bool


@dataclass(frozen=True)
class Line:
    """A figure through the runs of its lane; the band is what the earlier ones say of the
    latest, None where there is no earlier one."""

    figure: Figure
    points: tuple[Point, ...]
    threshold: str | None
    median: float
    band: Band | None
    move: Move


@dataclass(frozen=True)
class Course:
    """A lane with its runs in order."""

    lane: Lane
    runs: tuple[Brief, ...]
    histories: tuple[History, ...]
    lines: tuple[Line, ...]

    @property
    def worse(self) -> tuple[Line, ...]:
        """The figures that left their bands for the worse in the latest run."""
        return tuple(line for line in self.lines if line.move is Move.WORSE)


@dataclass(frozen=True)
class Trend:
    courses: tuple[Course, ...]
    unread: tuple[str, ...]


def trend(runs: Runs) -> Trend:
    """Put runs in lines. The lane with the latest run comes first."""
    lanes: dict[Lane, list[Brief]] = {}
    for run in runs.runs:
        lanes.setdefault(run.lane, []).append(run)
    places = {id(run): place for place, run in enumerate(runs.runs)}
    ordered = sorted(lanes.items(), key=lambda item: -places[id(item[1][-1])])
    return Trend(tuple(_course(lane, found) for lane, found in ordered), runs.unread)


def _course(lane: Lane, runs: list[Brief]) -> Course:
    last: dict[str, Judged] = {}
    states: dict[str, list[str | None]] = {}
    figures: dict[Series, list[Point]] = {}
    thresholds: dict[Series, str | None] = {}
    for place, run in enumerate(runs):
        for criterion in run.criteria:
            last[criterion.id] = criterion
            states.setdefault(criterion.id, [None] * len(runs))[place] = criterion.state
        for series, one in run.figures.items():
            point = Point(place, one.value, one.met, one.window_valid)
            figures.setdefault(series, []).append(point)
            thresholds[series] = one.threshold
    order = {name: _place_of(last[name]) for name in states}
    histories = [
        _history(last[name], states[name]) for name in sorted(states, key=order.__getitem__)
    ]
    lines = [
        _line(lane, series.figure, figures[series], thresholds[series])
        for series in sorted(figures, key=lambda one: (order[one.figure.criterion], one.figure))
    ]
    return Course(lane, tuple(runs), tuple(histories), tuple(lines))


def _place_of(criterion: Judged) -> tuple[int, str, str]:
    """Layers from the hosts upwards; unknown ones come last."""
    layers = list(LAYERS)
    known = criterion.layer in layers
    return layers.index(criterion.layer) if known else len(layers), criterion.layer, criterion.id


def _history(criterion: Judged, states: list[str | None]) -> History:
    planned = [(place, state) for place, state in enumerate(states) if state is not None]
    changed = [place for (_, old), (place, new) in pairwise(planned) if old != new]
    return History(
        criterion.id,
        criterion.layer,
        criterion.title,
        tuple(states),
        changes=len(changed),
        since=changed[-1] if changed else planned[0][0],
    )


def _line(lane: Lane, figure: Figure, points: list[Point], threshold: str | None) -> Line:
    *earlier, latest = points
    valid = [point.value for point in earlier if point.window_valid][-RECENT:]
    limit = bands.limit_of(threshold)
    around = None
    move = Move.ADDED
    if not latest.window_valid:
        move = Move.UNCOMPARED
    elif valid:
        around = bands.band(valid[-1], limit, bands.percent_of(lane.profile), valid)
        met_before = limit.met_by(valid[-1]) if limit else None
        move = bands.move(latest.value, around, limit, met_before=met_before)
    median = statistics.median(point.value for point in points)
    return Line(figure, tuple(points), threshold, median, around, move)
