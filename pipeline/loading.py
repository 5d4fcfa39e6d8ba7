"""What all load studies do: measure windows, compare with an earlier study, write, print."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from blueprints.errors import ConfigError
from blueprints.model import Limit
from perf.knee import Knee, search
from perf.load import Engine, LoadPlan, LoadResult
from perf.study import Objective, Study, missed
from reports.bands import Move, band, move, percent_of
from reports.files import write_whole
from reports.table import aligned

DOCUMENT = "study.json"
PAGE = "study.html"
#: A better value of these is a higher one; of all others a lower one.
_MORE_IS_BETTER = ("rate", "students", "frame_rate")
#: What a move of a figure is called here.
_CALLED = {
    Move.WORSE: "regression",
    Move.BETTER: "improvement",
    Move.WITHIN: "noise",
}


class Measuring:
    """The windows of one study, as they are measured; each is told on stderr unless ``quiet``."""

    def __init__(self, engine: Engine, objectives: tuple[Objective, ...], *, quiet: bool) -> None:
        self._engine = engine
        self._objectives = objectives
        self._quiet = quiet
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self._windows: list[LoadResult] = []
        self._knee: Knee | None = None

    def measure(self, plan: LoadPlan) -> LoadResult:
        """One window more."""
        found = self._engine.run(plan)
        self._windows.append(found)
        if not self._quiet:
            spoilt = "".join(f"; spoilt: {why}" for why in found.spoilt_by)
            sys.stderr.write(f"{found.summary()}{spoilt}\n")
        return found

    def search(
        self, plan: Callable[[float], LoadPlan], between: tuple[float, float], **how: float
    ) -> None:
        """Windows until the knee is found; ``plan`` gives one for a rate (a number of users)."""
        self._knee = search(
            lambda rate: self.measure(plan(rate)),
            lambda window: missed(self._objectives, window),
            lowest=between[0],
            highest=between[1],
            **how,
        )

    def study(self, load: str, notes: Mapping[str, str]) -> Study:
        """What was measured."""
        return Study(
            load=load,
            started=self._started,
            objectives=self._objectives,
            windows=tuple(self._windows),
            knee=self._knee,
            notes=notes,
        )


def read_baseline(place: Path | None) -> Study | None:
    """An earlier study, from its directory or document; raises `ConfigError`."""
    if place is None:
        return None
    file = place / DOCUMENT if place.is_dir() else place
    try:
        return Study.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(f"--baseline {place} is no load study: {error}") from None


def conclude(
    study: Study, before: Study | None, profile: str, *, out: Path | None, as_json: bool
) -> int:
    """Compare a study, write and print it; returns the exit code."""
    compared = [] if before is None else compare(before, study, profile)
    place = out or Path("results") / f"load-{study.started.replace(':', '').replace('-', '')}Z"
    _write(place, study, compared)
    if as_json:
        found = study.to_json() | {"compared": compared, "directory": str(place)}
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_summary(study, compared)))
        print(f"written to {place / PAGE}")
    if study.best is None:
        return 3 if not study.valid else 1
    worse = any(row[-1] == _CALLED[Move.WORSE] for row in compared)
    return 1 if worse or any(why for _, why in study.verdicts()) else 0


def compare(before: Study, now: Study, profile: str) -> list[tuple[str, ...]]:
    """A row a figure: its name, before, now, the band, and what its move is called.

    The band comes from the earlier study's repeated windows where there are enough of them.
    """
    rows: list[tuple[str, ...]] = []
    for name, unit in now.units.items():
        earlier, later = before.values(name), now.values(name)
        if not earlier or not later:
            continue
        was, is_now = statistics.median_high(earlier), statistics.median_high(later)
        # Its value does not matter here: it says which way is the good one.
        limit = Limit(comparison=">=" if name in _MORE_IS_BETTER else "<=", value=0, unit=unit)
        around = band(was, None, percent_of(profile), earlier)
        moved = move(is_now, around, limit)
        rows.append(
            (
                name,
                f"{was:.6g} {unit}",
                f"{is_now:.6g} {unit}",
                f"{around.low:.6g} to {around.high:.6g} ({around.basis})",
                _CALLED[moved],
            )
        )
    return rows


def _write(target: Path, study: Study, compared: Sequence[tuple[str, ...]]) -> None:
    from perf import plots
    from pipeline.study_page import as_html

    target.mkdir(parents=True, exist_ok=True)
    write_whole(target / DOCUMENT, json.dumps(study.to_json()).encode())
    write_whole(target / PAGE, as_html(study, compared))
    write_whole(target / "distribution.png", plots.distribution(study.valid, "png"))
    if study.knee is not None:
        write_whole(target / "knee.png", plots.curve(study.knee, "png"))


def _summary(study: Study, compared: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [f"{objective}: {why or 'kept'}" for objective, why in study.verdicts()]
    if study.knee is not None and study.knee.best is not None:
        best, why = study.knee.best, study.knee.stopped_by
        lines.append(f"knee: {best.answered:.0f} {study.knee.unit} (search ended by: {why})")
    elif study.knee is not None:
        lines.append("knee: not even the lowest rate kept the SLO")
    if compared:
        lines += aligned([("figure", "before", "now", "band", "verdict"), *compared])
    return lines
