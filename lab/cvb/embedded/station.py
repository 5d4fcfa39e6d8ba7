"""What becomes of the frames that an edge takes, by their applications' policies."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from lab.cvb import contracts
from lab.cvb.contracts import Detection, Frame, Policy, Target, VehicleState
from lab.cvb.embedded.counters import Counters
from lab.cvb.embedded.neighbourhood import Neighbourhood
from lab.cvb.embedded.objects import Object, Objects, merged
from lab.cvb.embedded.offload import offload
from lab.cvb.embedded.policies import Policies, is_sampled, redacted
from lab.cvb.embedded.settings import Rectangle, Settings
from lab.cvb.embedded.shipping import Shipping
from lab.cvb.embedded.vehicles import Vehicles
from lab.cvb.embedded.work import rule_of
from lab.cvb.timeline import now_us
from lab.faultflags import FaultFlags
from lab.tars.body import changed
from lab.tars.errors import TarsError

#: Frames that are on their way to others at one time, at most.
UNDER_WAY = 1000
#: Objects are followed for so long beyond the end of an episode, microseconds.
_BEYOND_EPISODE_US = 1_000_000
#: With the fault that says so, objects are kept for so long, microseconds.
_FORGOTTEN_RETENTION_US = 600_000_000
#: How much farther the rule reaches with the fault of false warnings.
_FALSE_REACH = 1.6
#: How late warnings are with that fault, milliseconds, unless its value says otherwise.
_LATE_MS = 150
#: How long an answer that nobody needs is awaited, seconds.
_WASTED_S = 1.0


class Station:
    """One edge's frames, objects and warnings. Belongs to the running event loop."""

    def __init__(
        self,
        settings: Settings,
        around: Neighbourhood,
        shipping: Shipping,
        policies: Policies,
        faults: FaultFlags,
    ) -> None:
        self.counters: dict[str, Counters] = defaultdict(Counters)
        self.vehicles = Vehicles()
        self.policies = policies
        self._settings = settings
        self._around = around
        self._shipping = shipping
        self._faults = faults
        self._rule = rule_of(settings)
        self._objects: dict[str, Objects] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._warned: Counter[str] = Counter()

    def take(self, frame: Frame, policy: Policy, *, relayed: bool = False) -> None:
        """A frame that is in order; ``relayed`` by another edge."""
        faulty = self._faults.active
        if faulty("cvb.policy-mixed-up"):
            policy = self.policies.another(frame.application) or policy
        counters = self.counters[frame.application]
        counters.received += 1
        if not is_sampled(frame.sequence, policy.sampling) and not faulty("cvb.sampling-ignored"):
            counters.sampled_out += 1
            return
        if policy.redacted and not faulty("cvb.redaction-forgotten"):
            kept = redacted(frame.detections, policy.redacted)
            frame = Frame(frame.source, frame.sequence, frame.at_us, frame.application, kept)
        apart = faulty("cvb.merged-twice")
        objects = self._objects_of(frame.application).see(frame, sources_apart=apart)
        seen = _Seen(frame, objects, relayed)
        self._forget(policy)
        if not relayed:
            self._relay(frame)
        if not policy.urgent and not relayed:
            self._shipping.count(frame)
        if faulty("cvb.target-ignored"):
            policy = changed(policy, target=Target.LOCAL, urgent=True)
        if not policy.urgent:
            # Its batch is what its target gets of it.
            counters.worked_out(policy.target)
        elif policy.target is Target.LOCAL:
            counters.local += 1
            if faulty("cvb.uplink-wasted"):
                self._start(self._waste(frame))
            if not faulty("cvb.local-not-worked"):
                self._warn(seen, self._work_out(frame), Target.LOCAL)
        else:
            self._start(self._offload(seen, policy, counters))

    @property
    def is_full(self) -> bool:
        """Whether as many frames are on their way to others as may be."""
        return len(self._tasks) >= UNDER_WAY

    def seen(self, area: Rectangle, since_us: int) -> list[Detection]:
        """What was seen in an area, as each object was last; one object once."""
        found: list[Detection] = []
        for policy in self.policies:
            since = max(since_us, now_us() - policy.retention_ms * 1000)
            if self._faults.active("cvb.retention-ignored"):
                since = since_us
            there = [
                one.latest.detection
                for one in self._objects_of(policy.application).since(since)
                if area.holds(one.latest.detection.position.x, one.latest.detection.position.y)
            ]
            apart = self._faults.active("cvb.merged-twice")
            found = [*found, *there] if apart else merged(found, there, self._settings.merge_m)
        return found

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _objects_of(self, application: str) -> Objects:
        if application not in self._objects:
            self._objects[application] = Objects(self._settings.merge_m)
        return self._objects[application]

    def _forget(self, policy: Policy) -> None:
        keep_us = max(
            policy.retention_ms * 1000, self._settings.episode_end_us + _BEYOND_EPISODE_US
        )
        if self._faults.active("cvb.retention-ignored"):
            keep_us = _FORGOTTEN_RETENTION_US
        self._objects_of(policy.application).prune(now_us(), keep_us)

    def _relay(self, frame: Frame) -> None:
        if self._faults.active("cvb.relay-lost"):
            return
        for edge, part in self._around.beyond(frame).items():
            if not self.is_full:
                self._start(self._around.relay(edge, part))

    def _around_vehicles(self, frame: Frame) -> list[VehicleState]:
        return self.vehicles.around(frame.at_us, self._settings.moment_off_us)

    def _work_out(self, frame: Frame) -> list[_Due]:
        rule = self._rule
        if self._faults.active("cvb.warning-false"):
            rule = replace(rule, radius_m=rule.radius_m * _FALSE_REACH)
        hazards = rule.hazards(frame.detections, frame.at_us, self._around_vehicles(frame))
        return [_Due(one.detection, one.vehicle, one.collision_ms, now_us()) for one in hazards]

    async def _offload(self, seen: _Seen, policy: Policy, counters: Counters) -> None:
        frame = seen.frame

        async def ask(target: Target, seconds: float) -> list[_Due]:
            if target is Target.LOCAL:
                return self._work_out(frame)
            vehicles = self._around_vehicles(frame)
            found = await self._around.work_out(target, frame, vehicles, seconds)
            return list(_of_frame(found, frame))

        deadline = not self._faults.active("cvb.deadline-ignored")
        if self._faults.active("cvb.fallback-forgotten"):
            policy = changed(policy, fallback=[])
        answer = await offload(policy, ask, counters, deadline=deadline)
        if answer is not None:
            target, dues = answer
            self._warn(seen, dues, target)

    async def _waste(self, frame: Frame) -> None:
        with suppress(TarsError):
            await self._around.work_out(Target.DATA_CENTRE, frame, (), _WASTED_S)

    def _warn(self, seen: _Seen, dues: Iterable[_Due], worked_out: Target) -> None:
        """Tell vehicles of the episodes that have begun."""
        frame = seen.frame
        for due in dues:
            one = seen.objects[due.detection]
            if not one.begins(due.vehicle, frame.at_us, self._settings.episode_end_us):
                continue
            detection = frame.detections[due.detection]
            if self._is_anothers(due.vehicle, detection, seen):
                continue
            self._push(
                contracts.Warning(
                    frame.application,
                    due.vehicle,
                    detection.kind,
                    detection.position,
                    frame.at_us,
                    due.issued_us,
                    due.collision_ms,
                    worked_out,
                    self._around.here.name,
                )
            )

    def _is_anothers(self, vehicle: str, detection: Detection, seen: _Seen) -> bool:
        """Whether another edge, which knows as much, warns a vehicle that reports to both.

        Two edges know of what one has sent on to the other. A vehicle within the area of one of
        them is left to that one.
        """
        place = self.vehicles.where(vehicle)
        its = place and self._around.area_of(place)
        if its is None or seen.relayed:
            return its is not None
        there = self._around.area_of(detection.position)
        return there is its and self._around.takes(its, seen.frame.application)

    def _push(self, warning: contracts.Warning) -> None:
        self._warned[warning.application] += 1
        odd = self._warned[warning.application] % 2
        if odd and self._faults.active("cvb.warning-missed"):
            return
        late = self._faults.value("cvb.warnings-late")
        if late is None:
            self.vehicles.push(warning)
        else:
            seconds = int(late or _LATE_MS) / 1000
            asyncio.get_running_loop().call_later(seconds, self.vehicles.push, warning)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Seen(NamedTuple):
    """A frame, the object of each of its detections, and whether another edge sent it on."""

    frame: Frame
    objects: Sequence[Object]
    relayed: bool


class _Due(NamedTuple):
    """The rule holds for a detection of a frame, by its number, and a vehicle."""

    detection: int
    vehicle: str
    collision_ms: int
    issued_us: int


def _of_frame(warnings: Iterable[contracts.Warning], frame: Frame) -> Iterator[_Due]:
    """Which of a frame's detections another server's warnings are about."""
    numbers = {
        (one.kind, one.position.x, one.position.y): number
        for number, one in enumerate(frame.detections)
    }
    for one in warnings:
        number = numbers.get((one.kind, one.position.x, one.position.y))
        if number is not None:
            yield _Due(number, one.vehicle, one.collision_ms, one.issued_us)
