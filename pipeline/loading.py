"""What ``./iec4 load rpc`` does: a study of remote calls, its page, and its comparison."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from blueprints.errors import ConfigError, nearest
from blueprints.model import Limit
from lab import secrets
from lab.inventory import load as load_inventory
from lab.session import Lab
from lab.tars.echo_client import ECHO_OBJECT
from lab.task import running_lab
from perf.echo_target import echo_addresses
from perf.engines import engine_of
from perf.engines.call import echo_call
from perf.knee import search
from perf.load import Engine, LoadPlan, LoadResult
from perf.locust_engine import PERF, LocustEngine
from perf.study import UNITS, Objective, Study, missed
from reports.bands import Move, band, move, percent_of
from reports.files import write_whole
from reports.table import aligned

ENGINES = ("users", "windowed", "open")
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


@dataclass(frozen=True)
class Asked:
    """What a person asked for; see the command's options."""

    lab: str | None
    registry: str | None
    engine: str
    connections: int
    processes: int
    window: int
    rate: float
    seconds: float
    repeat: int
    slo: tuple[str, ...]
    knee: str | None
    no_delay: bool
    max_late_us: float
    steps: str | None = None
    think: float | None = None

    @property
    def objectives(self) -> tuple[Objective, ...]:
        try:
            return tuple(Objective.parse(text, UNITS) for text in self.slo)
        except ValueError as error:
            raise ConfigError(f"--slo: {error}") from None

    @property
    def plan(self) -> LoadPlan:
        """One window at the rate that was asked for."""
        closed = self.engine == "windowed" or self.think is not None
        return LoadPlan(
            users=self.connections,
            window_s=self.seconds,
            interval_s=None if closed else self.connections / self.rate,
            think_s=self.think or 0.0,
            window=self.window if self.engine == "windowed" else 1,
            max_oversleep_us=self.max_late_us,
            no_delay=self.no_delay,
        )

    @property
    def stepped(self) -> tuple[float, ...]:
        """The rates of ``--steps``; raises `ConfigError`."""
        try:
            found = tuple(float(rate) for rate in (self.steps or "").split(","))
        except ValueError:
            found = (0.0,)
        if min(found) <= 0:
            raise ConfigError(f"--steps reads RATE,RATE,… in calls/s; found {self.steps!r}")
        return found

    @property
    def rates(self) -> tuple[float, float]:
        """The knee's lowest and highest rate; raises `ConfigError`."""
        low, _, high = (self.knee or "").partition(":")
        try:
            found = float(low), float(high)
        except ValueError:
            found = 0.0, 0.0
        if not 0 < found[0] < found[1]:
            raise ConfigError(f"--knee reads LOW:HIGH, two rates in calls/s; found {self.knee!r}")
        return found


def rpc(
    asked: Asked, *, baseline: Path | None, out: Path | None, quiet: bool, as_json: bool
) -> int:
    """Make the study, write it to ``out``, print it; returns the exit code."""
    before = read_baseline(baseline)
    objectives = asked.objectives
    if asked.knee is not None and (asked.engine == "windowed" or not objectives):
        raise ConfigError("--knee needs an engine with a rate (open, users) and an --slo")
    if asked.think is not None and (asked.engine != "users" or asked.steps or asked.knee):
        raise ConfigError("--think is for --engine users: each thinks, and no rate is offered")
    if asked.steps is not None and (asked.engine == "windowed" or asked.knee is not None):
        raise ConfigError("--steps needs an engine with a rate (open, users), and no --knee")
    rates = None if asked.knee is None else asked.rates
    steps = None if asked.steps is None else asked.stepped
    tell: Callable[[str], None] = (lambda _: None) if quiet or as_json else _tell
    target = _target(asked)
    notes = _notes(asked, target)
    study = _study(asked, _engine(asked, target), objectives, rates, steps, notes, tell)
    return conclude(study, before, target.profile, out=out, as_json=as_json)


def read_baseline(place: Path | None) -> Study | None:
    """An earlier study, from its directory or document; raises `ConfigError`."""
    if place is None:
        return None
    file = place / DOCUMENT if place.is_dir() else place
    try:
        return Study.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
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


def _study(
    asked: Asked,
    engine: Engine,
    objectives: tuple[Objective, ...],
    rates: tuple[float, float] | None,
    steps: tuple[float, ...] | None,
    notes: Mapping[str, str],
    tell: Callable[[str], None],
) -> Study:
    windows: list[LoadResult] = []

    def measure(plan: LoadPlan) -> LoadResult:
        windows.append(engine.run(plan))
        told = windows[-1]
        tell(told.summary() + "".join(f"; spoilt: {why}" for why in told.spoilt_by))
        return told

    def measure_at(rate: float) -> LoadResult:
        return measure(replace(asked.plan, interval_s=asked.connections / rate))

    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    knee = None
    if steps is not None:
        for rate in steps:
            measure_at(rate)
    elif rates is None:
        for _ in range(asked.repeat):
            measure(asked.plan)
    else:
        low, high = rates
        knee = search(
            measure_at,
            lambda window: missed(objectives, window),
            lowest=low,
            highest=high,
        )
    return Study(
        load=f"{ECHO_OBJECT}.echoString, engine {asked.engine}",
        started=started,
        objectives=objectives,
        windows=tuple(windows),
        knee=knee,
        notes=notes,
    )


def _notes(asked: Asked, target: _Target) -> dict[str, str]:
    found = {
        "lab": "embedded" if target.profile == "embedded" else asked.lab or str(asked.registry),
        "TCP no-delay of the generator": "on" if asked.no_delay else "off",
    }
    if asked.engine == "windowed":
        found["requests in flight on each connection"] = str(asked.window)
    return found


def _engine(asked: Asked, target: _Target) -> Engine:
    """The engine, aimed at the echo servant; raises `ConfigError` and what look-ups raise."""
    host, port = target.registry
    registry = f"tcp://{host}:{port}"
    if asked.engine == "users" or asked.processes > 1:
        file = "rpc.py" if asked.engine == "users" else "rpc_engines.py"
        return LocustEngine(PERF / file, host=registry, processes=asked.processes)
    addresses = echo_addresses(registry, asked.plan.timeout_s)
    return engine_of(asked.plan)(addresses, echo_call())


class _Target(NamedTuple):
    """Whose names are looked up, and the SLO profile of the lab that it is of."""

    registry: tuple[str, int]
    profile: str


def _target(asked: Asked) -> _Target:
    """What is pressed; a registry by address is somebody's lab. Raises `ConfigError`."""
    if asked.engine not in ENGINES:
        raise ConfigError(f"unknown engine {asked.engine!r}; {nearest(asked.engine, ENGINES)}")
    if asked.registry is not None:
        host, _, port = asked.registry.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(f"--registry reads HOST:PORT; found {asked.registry!r}")
        return _Target((host, int(port)), "lab")
    inventory = load_inventory(asked.lab or running_lab())
    secrets.learn(inventory)
    return _Target(Lab(inventory).address("tars", "registry"), inventory.profile)


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


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
