"""A load study: windows of one load on one system, what they must keep, and what was learned.

A study repeats a load, or searches the highest rate that keeps the SLO (`perf.knee`). Its
document is what pages are drawn from and what a later study is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blueprints.model import Limit
from perf import media_figures
from perf.knee import Knee, Step
from perf.load import LoadResult

SCHEMA = 1
#: The figures of a window, each with its unit; `figure` reads them.
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
UNITS = {
    **{f"p{percent:g}": "us" for percent in PERCENTILES},
    "max": "us",
    "mean": "us",
    "failures": "%",
    "rate": "calls/s",
    "client_cpu": "us",
}
#: Those of a classroom's window: `perf.media_figures`, and how students came in.
CLASSROOM_UNITS = {
    "join_p50": "us",
    "join_p95": "us",
    "join_p99": "us",
    "join_failures": "%",
    **media_figures.UNITS,
}


def figure(name: str, result: LoadResult) -> float | None:
    """A window's figure by its name in `UNITS` or `CLASSROOM_UNITS`.

    None where nothing was there to measure. ``client_cpu`` is the generator's processor time
    for one successful call.
    """
    if name in media_figures.UNITS:
        return None if result.media is None else result.media.figure(name)
    name = name.removeprefix("join_")
    if name == "failures":
        return result.failure_percent if result.began else None
    if name == "rate":
        return result.rate
    return _of_successes(name, result) if result.succeeded else None


def _of_successes(name: str, result: LoadResult) -> float | None:
    if name == "client_cpu":
        spent = result.generator.cpu_percent / 100 * result.window_s * 1e6
        return spent / result.succeeded_in_window if result.succeeded_in_window else None
    if name in ("max", "mean"):
        return float(getattr(result.latencies, name))
    return result.latencies.percentile(float(name.removeprefix("p")))


@dataclass(frozen=True)
class Objective:
    """One limit of an SLO: ``p99 <= 5000 us``."""

    figure: str
    limit: Limit

    @classmethod
    def parse(cls, text: str, units: Mapping[str, str] = UNITS | CLASSROOM_UNITS) -> Objective:
        """Read ``FIGURE LIMIT`` of the figures in ``units``.

        Raises ValueError that says what would be right.
        """
        name, _, rest = text.strip().partition(" ")
        if name not in units:
            raise ValueError(f"unknown figure {name!r}; known: {', '.join(units)}")
        limit = Limit.parse(rest)
        if limit.unit != units[name]:
            raise ValueError(f"{name} is measured in {units[name]}; found {limit.unit!r}")
        return cls(name, limit)

    def missed_by(self, result: LoadResult) -> str | None:
        """How a window misses it, None when it does not."""
        value = figure(self.figure, result)
        if value is None:
            if self.figure.startswith("delay") and result.media and result.media.expected:
                return None  # the server numbers packets anew: nobody can tell how long they took
            return f"{self.figure}: nothing succeeded"
        if self.limit.met_by(value):
            return None
        return f"{self.figure} {value:.6g} {self.limit.unit}, must be {self.limit}"

    def __str__(self) -> str:
        return f"{self.figure} {self.limit}"


def missed(objectives: Iterable[Objective], result: LoadResult) -> str | None:
    """Everything that a window misses, as one line; None when it keeps the SLO."""
    found = [why for objective in objectives if (why := objective.missed_by(result))]
    return "; ".join(found) or None


@dataclass(frozen=True)
class Study:
    """What was put on (``load``, one line), what it must keep, and its windows.

    ``windows`` are repetitions of one load, or each step of the ``knee``'s search, in the
    order in which they were measured. ``started`` is UTC, ISO 8601.
    """

    load: str
    started: str
    objectives: tuple[Objective, ...]
    windows: tuple[LoadResult, ...]
    knee: Knee | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def valid(self) -> tuple[LoadResult, ...]:
        """The windows that describe the system rather than the generator."""
        return tuple(window for window in self.windows if window.window_valid)

    @property
    def best(self) -> LoadResult | None:
        """The window that stands for the study: the knee's, else the valid one in the middle."""
        if self.knee is not None:
            return self.knee.best.result if self.knee.best else None
        ranked = sorted(self.valid, key=lambda w: figure("p99", w) or 0.0)
        return ranked[len(ranked) // 2] if ranked else None

    @property
    def units(self) -> Mapping[str, str]:
        """The figures that its windows have, each with its unit."""
        of_a_classroom = any(window.media is not None for window in self.windows)
        return CLASSROOM_UNITS if of_a_classroom else UNITS

    def values(self, name: str) -> list[float]:
        """A figure in each valid window that has it."""
        found = (figure(name, window) for window in self.valid)
        return [value for value in found if value is not None]

    def verdicts(self) -> Iterator[tuple[Objective, str | None]]:
        """Each objective, and how the study's window misses it (None: it does not)."""
        for objective in self.objectives:
            best = self.best
            yield objective, "no window was valid" if best is None else objective.missed_by(best)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "schema": SCHEMA,
            "load": self.load,
            "started": self.started,
            "objectives": [str(objective) for objective in self.objectives],
            "windows": [window.to_json() for window in self.windows],
            "knee": None if self.knee is None else _knee_to_json(self.knee, self.windows),
            "notes": dict(self.notes),
            "figures": {name: self.values(name) for name in self.units},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Study:
        """Read a study's document; raises ValueError for anything else."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"no load study of schema {SCHEMA}: {data.get('schema')!r}")
        try:
            windows = tuple(LoadResult.from_json(window) for window in data["windows"])
            return cls(
                load=str(data["load"]),
                started=str(data["started"]),
                objectives=tuple(Objective.parse(text) for text in data["objectives"]),
                windows=windows,
                knee=None if data["knee"] is None else _knee_from_json(data["knee"], windows),
                notes={str(k): str(v) for k, v in data["notes"].items()},
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"a damaged load study: {error!r}") from error


def _knee_to_json(knee: Knee, windows: Sequence[LoadResult]) -> dict[str, Any]:
    return {
        "stopped_by": knee.stopped_by,
        "steps": [
            {"rate": s.rate, "window": windows.index(s.result), "missed": s.missed}
            for s in knee.steps
        ],
    }


def _knee_from_json(data: Mapping[str, Any], windows: Sequence[LoadResult]) -> Knee:
    steps = (
        Step(float(step["rate"]), windows[int(step["window"])], step["missed"])
        for step in data["steps"]
    )
    return Knee(tuple(steps), str(data["stopped_by"]))
