"""Many runs: found below directories, read one after the other, kept briefly, put in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from blueprints.errors import ConfigError
from blueprints.evidence import Measurement
from reports.exit_codes import exit_code
from reports.results import RunResults, read_results

#: Runs that are read at most.
LIMIT = 20_000
_NEVER = datetime.min.replace(tzinfo=UTC)


class Lane(NamedTuple):
    """Runs that may be compared: of one blueprint, on one lab, judged by one SLO profile."""

    blueprint: str
    lab: str
    profile: str


class Figure(NamedTuple):
    """What was measured; ``number`` counts figures of one name in one result, from 0."""

    criterion: str
    name: str
    unit: str
    number: int

    @property
    def label(self) -> str:
        return f"{self.name} #{self.number + 1}" if self.number else self.name


class Series(NamedTuple):
    """Of what a measurement in many runs is one."""

    lane: Lane
    figure: Figure


class Judged(NamedTuple):
    """A planned criterion and its state, one of `reports.results.STATES`."""

    id: str
    layer: str
    title: str
    state: str


@dataclass(frozen=True)
class Brief:
    """What is kept of one run among many. ``seconds`` is None for a run that did not end."""

    id: str
    path: Path
    lane: Lane
    started: datetime | None
    seconds: float | None
    exit_code: int
    criteria: tuple[Judged, ...]
    figures: dict[Series, Measurement]


@dataclass(frozen=True)
class Runs:
    """Runs in the order in which they began; ``unread`` are sentences about the others."""

    runs: tuple[Brief, ...]
    unread: tuple[str, ...] = ()


def figures_of(run: RunResults) -> dict[Series, Measurement]:
    """A run's measurements by the series that each belongs to, in the run's order."""
    lane = _lane(run)
    found = {}
    for criterion in run.criteria:
        seen: Counter[tuple[str, str]] = Counter()
        for one in criterion.measurements:
            figure = Figure(criterion.id, one.name, one.unit, seen[one.name, one.unit])
            seen[one.name, one.unit] += 1
            found[_series(lane, figure)] = one
    return found


def brief(run: RunResults) -> Brief:
    """A run, shortened."""
    ended = run.ended if run.started else None
    seconds = (ended - run.started).total_seconds() if ended and run.started else None
    return Brief(
        id=run.id,
        path=run.directory,
        lane=_lane(run),
        started=run.started,
        seconds=seconds if seconds is not None and seconds >= 0 else None,
        exit_code=exit_code(run).value,
        criteria=tuple(_judged(c.id, c.layer, c.title, c.state) for c in run.criteria),
        figures=figures_of(run),
    )


def _lane(run: RunResults) -> Lane:
    return Lane(run.blueprint, run.lab, run.profile)


# Runs repeat each other: one object for what is equal keeps a thousand of them small.
@lru_cache(maxsize=10_000)
def _judged(identifier: str, layer: str, title: str, state: str) -> Judged:
    return Judged(identifier, layer, title, state)


@lru_cache(maxsize=10_000)
def _series(lane: Lane, figure: Figure) -> Series:
    return Series(lane, figure)


def read_runs(paths: Sequence[Path], read: Callable[[Path], RunResults] = read_results) -> Runs:
    """Read runs, archives of runs, and all of these that lie directly in a directory.

    ``read`` may know more kinds of archives; it raises `ConfigError` for what it cannot read.
    Raises `ConfigError` when there is none. A run that lies there twice, as directory and as
    archive, counts once.
    """
    found: dict[tuple[str, datetime | None], Brief] = {}
    unread: list[str] = []
    places = list(dict.fromkeys(path.resolve() for path in _places(paths)))
    if len(places) > LIMIT:
        raise ConfigError(f"{len(places)} runs are more than {LIMIT}; name fewer")
    for place in places:
        try:
            run = read(place)
        except ConfigError as error:
            unread.append(str(error))
            continue
        found.setdefault((run.id, run.started), brief(run))
    if not found:
        where = ", ".join(map(str, paths))
        raise ConfigError("; ".join(unread[:3]) or f"there is no run in {where}")
    runs = sorted(found.values(), key=lambda run: (run.started or _NEVER, run.id))
    return Runs(tuple(runs), tuple(unread))


def _places(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir() and not (path / "run.json").exists():
            yield from _below(path)
        else:
            yield path


def _below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        if (path / "run.json").exists() or (path.suffix == ".zip" and path.is_file()):
            yield path
