"""What ``./iec4 load rpc`` does: a study of remote calls of the echo servant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from blueprints.errors import ConfigError, nearest
from lab import secrets
from lab.inventory import load as load_inventory
from lab.session import Lab
from lab.tars.echo_client import ECHO_OBJECT
from lab.task import running_lab
from perf.echo_target import echo_addresses
from perf.engines import engine_of
from perf.engines.call import echo_call
from perf.load import Engine, LoadPlan
from perf.locust_engine import PERF, LocustEngine
from perf.study import UNITS, Objective
from pipeline.loading import Measuring, conclude, read_baseline

ENGINES = ("users", "windowed", "open")


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
    steps: str | None
    think: float | None

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
    target = _target(asked)
    measuring = Measuring(_engine(asked, target), objectives, quiet=quiet or as_json)

    def at(rate: float) -> LoadPlan:
        return replace(asked.plan, interval_s=asked.connections / rate)

    if steps is not None:
        for rate in steps:
            measuring.measure(at(rate))
    elif rates is not None:
        measuring.search(at, rates)
    else:
        for _ in range(asked.repeat):
            measuring.measure(asked.plan)
    load = f"{ECHO_OBJECT}.echoString, engine {asked.engine}"
    study = measuring.study(load, _notes(asked, target))
    return conclude(study, before, target.profile, out=out, as_json=as_json)


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
