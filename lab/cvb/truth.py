"""The ground truth: which warnings a scenario's true tracks make due, and what was heard of them.

Worked out in continuous time from the tracks alone, sharing nothing with an application. Between
two turns of a vehicle's and an object's tracks their difference moves straight and evenly, so
that the closest approach lies at a fixed distance, and the rule holds for one span of time.

An application sees samples of the truth, with errors: what is nearly due may be warned of or
not. There are therefore two answers for each pair, and what lies between them is not judged:

- *may*: when the rule could hold for somebody who sees within the tolerance; a warning at any
  other moment is false.
- *must*: when it holds for everybody who does; if that lasts for a frame, a warning is due.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from blueprints.cvb import Cvb, Hazard, figures
from lab.cvb import sight
from lab.cvb.scenario import Kind, Leg, Motion, Mover, Point, Scenario
from lab.cvb.spans import NEVER, Spans, common, union, widened, without

#: Moments travel as whole microseconds: as much may lie between two that mean the same.
_MOMENT_S = 1e-3
#: Slower than this, nothing moves.
_STANDING_MPS = 1e-6


@dataclass(frozen=True)
class Tolerance:
    """How far what an application knows may be from the truth.

    ``period_s`` is the time between two frames that it looks at; ``stale_s`` the age of what it
    knows of a vehicle; ``error_m`` and ``error_mps`` are the largest errors of a camera.
    """

    period_s: float
    stale_s: float
    error_m: float
    error_mps: float

    @classmethod
    def of(cls, scenario: Scenario, *, sampling: float = 1.0, delay_s: float = 0.1) -> Tolerance:
        """From a scenario's cameras, a policy's sampling, and how long a vehicle's report takes."""
        cameras = scenario.cameras.values()
        slowest = min(camera.rate_hz for camera in cameras)
        return cls(
            period_s=1 / (slowest * sampling),
            stale_s=1 / figures().frame.rate_hz + delay_s,
            error_m=max(camera.error_m for camera in cameras),
            error_mps=max(camera.error_mps for camera in cameras),
        )

    def miss_m(self, horizon_s: float) -> float:
        """How far a worked out closest approach may be off: the speed's error adds up to then."""
        return self.error_m + self.error_mps * horizon_s

    def moment_s(self, speed: float, horizon_s: float, radius_m: float) -> float:
        """How far its moment may be off, at a relative speed.

        The moment is -p·w/w². An error e of p moves it by up to e/|w|. One of w, a share of it,
        moves it by that share of the horizon and, where p lies aside, of the radius's time; and
        divides by a w that may be so much smaller.
        """
        share = self.error_mps / speed
        smaller = (1 - share) ** 2
        return (self.error_m / speed + share * horizon_s + share * radius_m / speed) / smaller


@dataclass(frozen=True)
class Due:
    """A warning for one episode of a vehicle and an object; seconds since the scenario's start.

    It may be of a frame from ``from_s`` until ``until_s``. If it is ``due``, the rule holds for
    sure from ``sure_s`` on, and at the latest of a frame at ``by_s`` it must be given.
    """

    vehicle: str
    object: str
    from_s: float
    until_s: float
    sure: Spans
    by_s: float | None

    @property
    def due(self) -> bool:
        return self.by_s is not None

    def __str__(self) -> str:
        seen = f"seen from {self.from_s:.2f} s to {self.until_s:.2f} s"
        return f"{self.vehicle} of {self.object}, {seen}" + (
            f", for sure from {self.sure[0][0]:.2f} s" if self.sure else ", perhaps"
        )


def due(
    scenario: Scenario,
    tolerance: Tolerance | None = None,
    *,
    neighbours: bool = True,
    data: Cvb | None = None,
) -> tuple[Due, ...]:
    """All episodes, in order of their begin, those included for which a warning only may come.

    Without ``neighbours`` only that is due of which the edge in whose area the vehicle is knows
    by its own cameras, and by others' as far as they see into its area.
    """
    data = data or figures()
    tolerance = tolerance or Tolerance.of(scenario)
    knowing = _Knowing(scenario, data, neighbours=neighbours)
    found: list[Due] = []
    for vehicle in scenario.host_vehicles:
        for other in scenario.everybody:
            if other != vehicle:
                found += _episodes(vehicle, other, knowing, tolerance)
    return tuple(sorted(found, key=lambda one: (one.from_s, one.vehicle, one.object)))


@dataclass(frozen=True)
class Heard:
    """A warning that came to a vehicle; moments in seconds since the scenario's start."""

    vehicle: str
    kind: Kind
    position: Point
    seen_s: float
    received_s: float


@dataclass(frozen=True)
class Judgement:
    """What became of what was due. ``false`` has the reason for each."""

    missed: list[Due] = field(default_factory=list)
    false: list[tuple[Heard, str]] = field(default_factory=list)
    late: list[tuple[Due, Heard]] = field(default_factory=list)
    repeated: list[tuple[Due, Heard]] = field(default_factory=list)
    given: list[tuple[Due, Heard]] = field(default_factory=list)

    @property
    def flawless(self) -> bool:
        return not (self.missed or self.false or self.late or self.repeated)

    def __str__(self) -> str:
        found = [f"missed: {one}" for one in self.missed]
        found += [f"false: {_words(heard)}: {why}" for heard, why in self.false]
        found += [f"late: {due}: {_words(heard)}" for due, heard in self.late]
        found += [f"repeated: {due}: {_words(heard)}" for due, heard in self.repeated]
        return "; ".join(found) or f"{len(self.given)} warnings, each of them due and in time"


def judge(
    scenario: Scenario,
    dues: Iterable[Due],
    heard: Iterable[Heard],
    tolerance: Tolerance | None = None,
    *,
    late_s: float | None = None,
) -> Judgement:
    """Compare. ``late_s``: from the last frame that may have shown it to the vehicle.

    A warning is of who is nearest to its position at its moment, and false where nobody of its
    kind is. Of an episode the first one counts; another is repeated, unless the rule may not
    have held for as long as ends an episode.
    """
    data = figures()
    tolerance = tolerance or Tolerance.of(scenario)
    late_s = data.slo.warning_p99_ms / 1000 if late_s is None else late_s
    found = Judgement()
    dues = list(dues)
    given: dict[Due, Heard] = {}
    for one in sorted(heard, key=lambda one: one.seen_s):
        name = _meant(scenario, one, tolerance.error_m + data.merge_m / 2)
        due = next((due for due in dues if name and _is_of(due, one, name)), None)
        if due is None:
            found.false.append((one, _reason(dues, one, name)))
        elif due not in given:
            given[due] = one
            found.given.append((due, one))
            if due.by_s is not None and one.received_s > due.by_s + late_s:
                found.late.append((due, one))
        elif not _ended_between(due, given[due], one, tolerance, data.hazard):
            found.repeated.append((due, one))
        else:
            given[due] = one
    found.missed.extend(due for due in dues if due.due and due not in given)
    return found


def _meant(scenario: Scenario, heard: Heard, reach_m: float) -> str | None:
    """Who a warning is of."""
    near: dict[float, str] = {}
    for name, mover in scenario.everybody.items():
        motion = mover.at(heard.seen_s)
        if motion is not None and mover.kind == heard.kind and name != heard.vehicle:
            near.setdefault(math.dist(motion[:2], heard.position), name)
    nearest = min(near, default=math.inf)
    return near[nearest] if nearest <= reach_m else None


def _is_of(due: Due, heard: Heard, name: str) -> bool:
    same = (due.vehicle, due.object) == (heard.vehicle, name)
    return same and due.from_s <= heard.seen_s <= due.until_s


def _reason(dues: list[Due], heard: Heard, name: str | None) -> str:
    if name is None:
        return f"no {heard.kind} is there then"
    others = [due for due in dues if (due.vehicle, due.object) == (heard.vehicle, name)]
    if not others:
        return f"{name} is no hazard to {heard.vehicle}"
    return f"{name} is no hazard then, but " + ", ".join(
        f"from {due.from_s:.2f} s to {due.until_s:.2f} s" for due in others
    )


def _ended_between(
    due: Due, first: Heard, second: Heard, tolerance: Tolerance, hazard: Hazard
) -> bool:
    """Whether the rule may have been seen not to hold between them for as long as ends an episode.

    The last frame that shows it to hold may be a period before it ceases, the first one that
    shows it again a period after that.
    """
    enough = hazard.episode_end_ms / 1000 - 2 * tolerance.period_s
    pauses = without(((first.seen_s, second.seen_s),), due.sure)
    return any(end - begin >= enough for begin, end in pauses)


def _words(heard: Heard) -> str:
    x, y = heard.position
    return (
        f"{heard.vehicle} was warned of a {heard.kind} at ({x:.1f}, {y:.1f}), "
        f"seen at {heard.seen_s:.2f} s, at {heard.received_s:.2f} s"
    )


class _Knowing:
    """When somebody is seen at all, and when the edge of a vehicle knows of it."""

    def __init__(self, scenario: Scenario, data: Cvb, *, neighbours: bool) -> None:
        self.scenario, self.data, self._neighbours = scenario, data, neighbours
        self._seen: dict[str, dict[str, Spans]] = {}

    def anywhere(self, name: str) -> Spans:
        return union(span for spans in self._by_edge(name).values() for span in spans)

    def at_the_edge_of(self, vehicle: str, name: str) -> Spans:
        anywhere = self.anywhere(name)
        if self._neighbours:
            return anywhere
        host, mover = self.scenario.everybody[vehicle], self.scenario.everybody[name]
        found: list[tuple[float, float]] = []
        for edge, area in self.data.site.items():
            told = common(anywhere, sight.within(area.low, area.high, mover))
            known = union((*self._by_edge(name).get(edge, NEVER), *told))
            found += common(known, sight.within(area.low, area.high, host))
        return union(found)

    def _by_edge(self, name: str) -> dict[str, Spans]:
        if name not in self._seen:
            by_edge: dict[str, Spans] = {}
            mover = self.scenario.everybody[name]
            for camera in self.scenario.cameras.values():
                spans = sight.seen(camera, mover, self.scenario.obstacles.values())
                by_edge[camera.edge] = union((*by_edge.get(camera.edge, NEVER), *spans))
            self._seen[name] = by_edge
        return self._seen[name]


def _episodes(vehicle: str, name: str, knowing: _Knowing, tolerance: Tolerance) -> Iterator[Due]:
    host, mover = knowing.scenario.everybody[vehicle], knowing.scenario.everybody[name]
    hazard = knowing.data.hazard
    possible = common(_may(host, mover, tolerance, hazard), knowing.anywhere(name))
    if not possible:
        return
    sure = common(_must(host, mover, tolerance, hazard), knowing.at_the_edge_of(vehicle, name))
    # Between the frames in which the rule was last and first seen to hold there is up to a
    # period more than between the moments at which it did.
    apart = hazard.episode_end_ms / 1000 + tolerance.period_s
    for begin, end in union(widened(possible, _MOMENT_S), gap=apart):
        parts = common(sure, ((begin, end),))
        lasting = [a for a, b in parts if b - a >= tolerance.period_s + _MOMENT_S]
        by = lasting[0] + tolerance.period_s + _MOMENT_S if lasting else None
        yield Due(vehicle, name, begin, end, parts, by)


def _may(host: Mover, mover: Mover, tolerance: Tolerance, hazard: Hazard) -> Spans:
    """When anywhere within the horizon the two could be nearer than the radius."""
    horizon = hazard.horizon_ms / 1000
    radius = hazard.radius_m + tolerance.miss_m(horizon)
    found: list[tuple[float, float]] = []
    for leg, known in _together(_lasting(host.legs, tolerance.stale_s), mover.legs):
        for begin, end in sight.nearer(leg, (0, 0), radius):
            found += common(((begin - horizon, end),), known)
    return union(found)


def _must(host: Mover, mover: Mover, tolerance: Tolerance, hazard: Hazard) -> Spans:
    """When the closest approach is ahead, within the horizon and the radius, whoever reckons it."""
    horizon = hazard.horizon_ms / 1000
    radius = hazard.radius_m - tolerance.miss_m(horizon)
    found: list[tuple[float, float]] = []
    for leg, known in _together(host.legs, mover.legs):
        x, y, vx, vy = leg.motion
        speed = math.hypot(vx, vy)
        if speed <= max(tolerance.error_mps, _STANDING_MPS):
            continue  # for all that is known they stand still to each other
        if abs(x * vy - y * vx) / speed >= radius:
            continue
        closest = leg.begin - (x * vx + y * vy) / speed**2
        off = tolerance.moment_s(speed, horizon, hazard.radius_m)
        if 2 * off < horizon:
            found += common(((closest - horizon + off, closest - off),), known)
    return without(union(found), _turning(host.legs, tolerance.stale_s))


def _lasting(legs: Sequence[Leg], beyond: float) -> list[Leg]:
    """Legs as they look to somebody who learns of a turn only so much later."""
    return [Leg(leg.begin, leg.end + beyond, leg.motion) for leg in legs]


def _turning(legs: Sequence[Leg], for_s: float) -> Spans:
    """When it is not known everywhere yet how a vehicle goes on: at its begin and its turns."""
    turns = [legs[0].begin]
    turns += [
        after.begin for before, after in pairwise(legs) if before.motion[2:] != after.motion[2:]
    ]
    return union((turn, turn + for_s) for turn in turns)


def _together(hosts: Iterable[Leg], movers: Sequence[Leg]) -> Iterable[tuple[Leg, Spans]]:
    """How an object moves as seen from a vehicle, for each time in which both go straight."""
    for host in hosts:
        for mover in movers:
            begin, end = max(host.begin, mover.begin), min(host.end, mover.end)
            if begin < end:
                a, b = host.at(begin), mover.at(begin)
                apart = Motion(b.x - a.x, b.y - a.y, b.vx - a.vx, b.vy - a.vy)
                yield Leg(begin, end, apart), ((begin, end),)
