"""What ``./iec4 load classroom`` does: a study of one use case, or the search for its capacity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blueprints.errors import ConfigError
from lab import secrets
from lab.inventory import load as load_inventory
from lab.task import running_lab
from perf.load import LoadPlan
from perf.locust_engine import PERF, LocustEngine
from perf.profiles import profile
from perf.study import CLASSROOM_UNITS, Objective
from pipeline.loading import Measuring, conclude, read_baseline

#: Steps of a capacity search on both sides of the knee lie so close together.
PRECISION = 0.1


@dataclass(frozen=True)
class Asked:
    """What a person asked for; see the command's options."""

    lab: str | None
    profile: str
    students: int
    ramp: float
    seconds: float
    repeat: int
    processes: int
    slo: tuple[str, ...]
    capacity: str | None
    browsers: int
    max_late_us: float
    timeout_s: float

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Those of ``--slo``, else the profile's own; raises `ConfigError`."""
        try:
            texts = self.slo or profile(self.profile).slo
            return tuple(Objective.parse(text, CLASSROOM_UNITS) for text in texts)
        except ValueError as error:
            raise ConfigError(f"--slo: {error}") from None

    def plan(self, students: int) -> LoadPlan:
        """A window with so many, who come as quickly as those that were asked for."""
        return LoadPlan(
            users=students,
            window_s=self.seconds,
            ramp_s=self.ramp * students / self.students,
            timeout_s=self.timeout_s,
            max_oversleep_us=self.max_late_us,
            profile=self.profile,
            browsers=self.browsers,
        )

    @property
    def range(self) -> tuple[int, int] | None:
        """The capacity's lowest and highest number of students; raises `ConfigError`."""
        if self.capacity is None:
            return None
        low, _, high = self.capacity.partition(":")
        if not (low.isdigit() and high.isdigit() and 0 < int(low) < int(high)):
            raise ConfigError(f"--capacity reads LOW:HIGH, students; found {self.capacity!r}")
        return int(low), int(high)


def classroom(
    asked: Asked, *, baseline: Path | None, out: Path | None, quiet: bool, as_json: bool
) -> int:
    """Make the study, write it to ``out``, print it; returns the exit code."""
    before = read_baseline(baseline)
    objectives, between = asked.objectives, asked.range
    inventory = load_inventory(asked.lab or running_lab())
    secrets.learn(inventory)
    engine = LocustEngine(
        PERF / "classroom.py", host=str(inventory.file), processes=asked.processes
    )
    measuring = Measuring(engine, objectives, quiet=quiet or as_json)
    if between is not None:
        measuring.search(lambda students: asked.plan(round(students)), between, precision=PRECISION)
    else:
        for _ in range(asked.repeat):
            measuring.measure(asked.plan(asked.students))
    study = measuring.study(
        f"{asked.profile}: {profile(asked.profile).title}",
        {
            "lab": inventory.name,
            "students come in": f"{asked.ramp:g} s ({asked.students} of them)",
            "students": "header-only; one who decrypts and one who decodes observe, and "
            f"{asked.browsers} in Chromium",
        },
    )
    return conclude(study, before, inventory.profile, out=out, as_json=as_json)
