"""Scenarios: what moves, stands and looks at the site, as files that say the same each time.

A file of ``scenarios/`` has a title, a duration, roads, cameras, obstacles that hide what is
behind them, and who moves: everybody's track is a list of [seconds, x, y], in metres of the
site's plane (x to the east, y to the north), and straight and even between two of them. Who is
moving exists from the first to the last moment of the track. The edges are the site's
(``blueprints/cvb.yaml``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from blueprints.config import Document, Model
from blueprints.cvb import figures
from blueprints.errors import ConfigError, nearest

DIRECTORY = Path(__file__).with_name("scenarios")

Kind = Literal["vehicle", "pedestrian", "cyclist"]
Point = tuple[float, float]
#: Seconds since the scenario's start, and where somebody is then.
Waypoint = tuple[float, float, float]

#: How far from a road's middle a waypoint may be written, beyond half of its width.
_ROUNDING_M = 1e-6


class Motion(NamedTuple):
    """Where something is at a moment, and how fast it moves: metres, metres a second."""

    x: float
    y: float
    vx: float
    vy: float


class Leg(NamedTuple):
    """A piece of a track: from ``begin`` to ``end`` (s), ``motion`` at its begin."""

    begin: float
    end: float
    motion: Motion

    def at(self, moment: float) -> Motion:
        """Where it leads to, also outside of its own time."""
        x, y, vx, vy = self.motion
        passed = moment - self.begin
        return Motion(x + vx * passed, y + vy * passed, vx, vy)


class _Copied(Model):
    """A model whose copies work out anew what it has kept of its own."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        for name in set(copied.__dict__) - set(type(self).model_fields):
            del copied.__dict__[name]
        return copied


class Mover(_Copied):
    """Somebody's track. ``reports``: a host vehicle, which tells edges where it is."""

    kind: Kind
    track: tuple[Waypoint, ...] = Field(min_length=2)
    reports: bool = False
    plate: str | None = None

    @field_validator("track")
    @classmethod
    def _onwards(cls, track: tuple[Waypoint, ...]) -> tuple[Waypoint, ...]:
        _check_finite(number for waypoint in track for number in waypoint)
        for (before, *_), (after, *_) in pairwise(track):
            if before < 0 or after <= before:
                raise ValueError(
                    f"moments are 0 or later and grow from one waypoint to the next; "
                    f"{after:g} s comes after {before:g} s"
                )
        return track

    @model_validator(mode="after")
    def _only_of_vehicles(self) -> Mover:
        if self.kind != "vehicle" and (self.reports or self.plate is not None):
            raise ValueError(f"only a vehicle reports or has a plate, no {self.kind}")
        return self

    @cached_property
    def legs(self) -> tuple[Leg, ...]:
        return tuple(
            Leg(t0, t1, Motion(x0, y0, (x1 - x0) / (t1 - t0), (y1 - y0) / (t1 - t0)))
            for (t0, x0, y0), (t1, x1, y1) in pairwise(self.track)
        )

    def at(self, moment: float) -> Motion | None:
        """None before the track's begin and from its end on; at a turn, how it goes on."""
        return next((leg.at(moment) for leg in self.legs if leg.begin <= moment < leg.end), None)


class Crowd(Model):
    """Many who move alike: rows of them, ``spacing_m`` apart, from a corner to north and east."""

    kind: Kind
    count: int = Field(ge=1, le=2000)
    columns: int = Field(ge=1)
    spacing_m: float = Field(gt=0)
    corner: Point
    velocity: Point
    from_s: float = Field(default=0, ge=0)
    until_s: float

    @model_validator(mode="after")
    def _for_a_while(self) -> Crowd:
        _check_finite((*self.corner, *self.velocity, self.spacing_m, self.until_s))
        if self.until_s <= self.from_s:
            raise ValueError(f"until_s is later than from_s; found {self.until_s:g}")
        return self

    def movers(self) -> Iterator[Mover]:
        lasts = self.until_s - self.from_s
        for number in range(self.count):
            row, column = divmod(number, self.columns)
            x = self.corner[0] + column * self.spacing_m
            y = self.corner[1] + row * self.spacing_m
            end = (x + self.velocity[0] * lasts, y + self.velocity[1] * lasts)
            track = ((self.from_s, x, y), (self.until_s, *end))
            yield Mover(kind=self.kind, track=track)


class Road(Model):
    """Where vehicles may be: within half of its width of a line."""

    line: tuple[Point, ...] = Field(min_length=2)
    width_m: float = Field(gt=0)

    def holds(self, x: float, y: float) -> bool:
        reach = self.width_m / 2 + _ROUNDING_M
        return any(_distance((x, y), a, b) <= reach for a, b in pairwise(self.line))


class Camera(Model):
    """A roadside camera. ``facing_deg`` counts counterclockwise from the east.

    What it says of an object differs from the truth by at most ``error_m`` and ``error_mps``.
    """

    edge: str
    at: Point
    facing_deg: float
    opening_deg: float = Field(gt=0, le=360)
    range_m: float = Field(gt=0)
    rate_hz: int = Field(default_factory=lambda: figures().frame.rate_hz, ge=1, le=100)
    error_m: float = Field(default=0.1, ge=0)
    error_mps: float = Field(default=0.05, ge=0)

    @field_validator("edge")
    @classmethod
    def _of_the_site(cls, edge: str) -> str:
        if edge not in figures().site:
            raise ValueError(f"no edge of the site; {nearest(edge, figures().site)}")
        return edge


class Obstacle(Model):
    """What nothing behind it is seen through: a polygon, its corners in turn."""

    corners: tuple[Point, ...] = Field(min_length=3)

    @property
    def sides(self) -> Iterator[tuple[Point, Point]]:
        return zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True)


class Scenario(_Copied):
    """One file."""

    title: str
    duration_s: float = Field(gt=0, le=600)
    roads: dict[str, Road] = Field(default_factory=dict)
    cameras: dict[str, Camera] = Field(min_length=1)
    obstacles: dict[str, Obstacle] = Field(default_factory=dict)
    movers: dict[str, Mover] = Field(default_factory=dict)
    crowds: dict[str, Crowd] = Field(default_factory=dict)

    @cached_property
    def everybody(self) -> dict[str, Mover]:
        """Who moves, those of crowds too, as ``CROWD-NUMBER`` from 1."""
        return self.movers | {
            f"{name}-{number}": mover
            for name, crowd in self.crowds.items()
            for number, mover in enumerate(crowd.movers(), 1)
        }

    @property
    def host_vehicles(self) -> dict[str, Mover]:
        """Those that report, and are warned."""
        return {name: mover for name, mover in self.movers.items() if mover.reports}


def load(file: Path) -> Scenario:
    """Read a file; raises `ConfigError` that names the place, what is there, what is expected."""
    document = Document(file)
    scenario = document.load(Scenario)
    for name, mover in scenario.movers.items():
        for number, (moment, x, y) in enumerate(mover.track):
            where = ("movers", name, "track", number)
            if moment > scenario.duration_s:
                raise document.error(
                    *where,
                    says=f"{name} is still moving at {moment:g} s; "
                    f"the scenario ends at {scenario.duration_s:g} s",
                )
            on_a_road = any(road.holds(x, y) for road in scenario.roads.values())
            if mover.kind == "vehicle" and not on_a_road:
                raise document.error(
                    *where,
                    says=f"vehicle {name} is at ({x:g}, {y:g}), on none of the roads: "
                    f"{', '.join(scenario.roads) or 'there is none'}",
                )
    for name in scenario.crowds:
        if taken := [n for n in scenario.movers if n.startswith(f"{name}-")]:
            raise document.error(
                "crowds", name, says=f"{taken[0]} could be somebody of crowd {name}; rename one"
            )
    return scenario


def names() -> tuple[str, ...]:
    """The scenarios that come with the suite."""
    return tuple(sorted(file.stem for file in DIRECTORY.glob("*.yaml")))


def scenario(name: str) -> Scenario:
    """One that comes with the suite; raises `ConfigError` that says which there are."""
    if name not in names():
        raise ConfigError(f"unknown scenario {name!r}; {nearest(name, names())}")
    return load(DIRECTORY / f"{name}.yaml")


def _check_finite(numbers: Iterator[float] | tuple[float, ...]) -> None:
    for number in numbers:
        if not math.isfinite(number):
            raise ValueError(f"a finite number is expected, found {number}")


def _distance(point: Point, a: Point, b: Point) -> float:
    """From a point to the straight line from ``a`` to ``b``, metres."""
    along = (b[0] - a[0], b[1] - a[1])
    length2 = along[0] ** 2 + along[1] ** 2
    share = 0.0
    if length2 > 0:
        share = ((point[0] - a[0]) * along[0] + (point[1] - a[1]) * along[1]) / length2
    share = min(1.0, max(0.0, share))
    return math.dist(point, (a[0] + share * along[0], a[1] + share * along[1]))
