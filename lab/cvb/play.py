"""A whole scenario against edges: cameras publish, host vehicles drive, the truth judges."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from blueprints.cvb import Link, figures
from blueprints.evidence import WindowSpoilt
from lab.cvb.access import through
from lab.cvb.camera import Replay, RoadsideCamera, replay
from lab.cvb.scenario import Scenario
from lab.cvb.timeline import Timeline, p99
from lab.cvb.truth import Judgement, Tolerance, due, judge
from lab.cvb.vehicle import Drive, HostVehicle, Warned
from lab.tars.aio import AsyncTarsClient

#: From the call to the scenario's start: until everybody is ready, seconds.
_READY_S = 0.3


@dataclass(frozen=True)
class Tokens:
    """What shows edges that a camera may publish and a vehicle report."""

    publisher: str
    vehicle: str


@dataclass(frozen=True)
class Played:
    """What happened: cameras and vehicles by their names, and moments by the timeline.

    A vehicle also hears what other applications warn it of; that is none of this one's.
    """

    scenario: Scenario
    application: str
    timeline: Timeline
    cameras: dict[str, Replay]
    vehicles: dict[str, Drive]

    @property
    def spoilt_by(self) -> tuple[str, ...]:
        """Why this says little of the edges; empty if it does.

        Being late adds to latencies and takes nothing from them: what is in time and flawless
        all the same is so without it.
        """
        return tuple(why for one in self._everybody for why in one.spoilt_by)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Why vehicles may have missed a warning by the suite's own doing; empty if they did not.

        Frames and reports that come a little late are as good for what is due, and when.
        """
        return tuple(
            why for one in self._everybody for why in one.punctuality.left_out(one.period_s)
        )

    @property
    def late_s(self) -> float:
        """How late the least punctual camera or vehicle was, in 99 of 100 times."""
        return max(one.punctuality.p99_s for one in self._everybody)

    @property
    def _warned(self) -> Iterator[tuple[str, Warned]]:
        for name, drive in self.vehicles.items():
            for warned in drive.warned:
                if warned.warning.application == self.application:
                    yield name, warned

    @property
    def _everybody(self) -> tuple[Replay | Drive, ...]:
        return (*self.cameras.values(), *self.vehicles.values())

    @property
    def in_time(self) -> bool:
        """Whether 99 of 100 warnings came within the blueprint's limit."""
        return self.p99_ms <= figures().slo.warning_p99_ms

    @property
    def latencies_ms(self) -> list[float]:
        """Of all warnings, from the frame's moment to the vehicle, in order of size."""
        return sorted(warned.latency_ms for _, warned in self._warned)

    @property
    def p99_ms(self) -> float:
        """Of the latencies; endless when no warning came."""
        return p99(self.latencies_ms, none=math.inf)

    def tells(self, limit_ms: float) -> bool:
        """Whether what was seen is the edges' doing, and not that of the suite's own sources.

        What is missed or false is so unless a source left something out. A latency is also the
        edges' if it is above the limit by more than the sources were late.
        """
        if not self.judged(late_s=math.inf).flawless:
            return not self.left_out
        return not self.spoilt_by or self.p99_ms - 1000 * self.late_s > limit_ms

    def judged(
        self, *, neighbours: bool = True, sampling: float = 1.0, late_s: float | None = None
    ) -> Judgement:
        """What was due and heard; parameters as of `truth.due`, `truth.judge`, `Tolerance.of`."""
        tolerance = Tolerance.of(self.scenario, sampling=sampling)
        dues = due(self.scenario, tolerance, neighbours=neighbours)
        heard = [warned.heard(name, self.timeline) for name, warned in self._warned]
        return judge(self.scenario, dues, heard, tolerance, late_s=late_s)


def first_that_tells(windows: Iterable[Played], is_well: Callable[[Played], bool]) -> Played:
    """The first window in which all is well, or which tells who is to blame (`Played.tells`).

    Who falls behind adds to latencies, and takes nothing from them: what is well all the same is
    so without it. Raises `WindowSpoilt` when there is no such window.
    """
    spoilt: tuple[str, ...] = ()
    for found in windows:
        if is_well(found) or found.tells(figures().slo.warning_p99_ms):
            return found
        spoilt = found.spoilt_by
    raise WindowSpoilt("; ".join(spoilt))


async def play(
    scenario: Scenario,
    edges: Mapping[str, tuple[str, int]],
    tokens: Tokens,
    application: str,
    *,
    access: Link | None = None,
    seed: int = 0,
    first: int = 1,
) -> Played:
    """Play from begin to end, in real time. ``edges``: edge of the site → where it listens.

    Edges know vehicles as ``APPLICATION/NAME``, so that scenarios of several applications can be
    played at once. ``access`` is the way of vehicles and cameras to edges, none for the
    loopback's own; ``first`` the sequence of each camera's first frame. Judges nothing, and
    raises for nothing that edges get wrong.
    """
    async with (
        through(access, edges, seed=seed) as ways,
        asyncio.TaskGroup() as under_way,
    ):
        timeline = Timeline.starting_in(_READY_S)

        async def watch(name: str) -> Replay:
            camera = RoadsideCamera(scenario, name, seed=seed)
            async with AsyncTarsClient(ways[camera.camera.edge]) as client:
                return await replay(
                    camera, client, tokens.publisher, application, timeline, first=first
                )

        async def drive(name: str) -> Drive:
            called = f"{application}/{name}"
            vehicle = HostVehicle(scenario, name, ways, tokens.vehicle, called=called)
            return await vehicle.drive(timeline)

        cameras = {name: under_way.create_task(watch(name)) for name in scenario.cameras}
        vehicles = {name: under_way.create_task(drive(name)) for name in scenario.host_vehicles}
    return Played(
        scenario,
        application,
        timeline,
        {name: task.result() for name, task in cameras.items()},
        {name: task.result() for name, task in vehicles.items()},
    )
