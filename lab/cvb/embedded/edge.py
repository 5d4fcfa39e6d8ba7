"""An edge's object, ``V2X.EdgeServer.EdgeObj``: who may do what, and what each is answered."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from lab.cvb import contracts
from lab.cvb.contracts import (
    NO_POLICY,
    Answered,
    Area,
    Code,
    Detection,
    FrameGiven,
    OfApplication,
    PolicyGiven,
    PolicyTold,
    Query,
    Report,
    Seen,
    Statistics,
    StatisticsTold,
    Target,
    VehicleState,
    Work,
    WorkedOut,
)
from lab.cvb.embedded.frames import Intake, is_plausible
from lab.cvb.embedded.links import Finder
from lab.cvb.embedded.neighbourhood import Neighbourhood
from lab.cvb.embedded.objects import merged
from lab.cvb.embedded.policies import Policies
from lab.cvb.embedded.settings import EdgePlace, Rectangle, Settings
from lab.cvb.embedded.shipping import Shipping
from lab.cvb.embedded.station import Station
from lab.cvb.embedded.tokens import Gate
from lab.cvb.embedded.work import rule_of, work_out
from lab.cvb.roles import EDGE, POLICY, PUBLISHER, VEHICLE
from lab.cvb.timeline import now_us
from lab.faultflags import FaultFlags
from lab.tars.body import Empty, Function
from lab.tars.serving import Call, Servant, Silence

#: What an edge keeps over a restart: its policies, and batches that wait through an outage.
POLICIES_FILE = "policies.json"
WAITING_FILE = "waiting.jsonl"

#: With the fault that says so, vehicles this near to a neighbour's area are forgotten, metres.
_ROAMING_M = 35.0
#: How far something moves between two frames at most, and is yet the same, seconds.
_BETWEEN_FRAMES_S = 0.2


class EdgeServer:
    """One edge. Enter it as an async context: it works until that ends.

    ``token`` is the edges' own; ``kept`` the directory for what outlives a restart.
    """

    def __init__(
        self,
        settings: Settings,
        here: EdgePlace,
        *,
        token: str,
        finder: Finder,
        faults: FaultFlags,
        kept: Path,
    ) -> None:
        self._settings = settings
        self._here = here
        self._faults = faults
        self._file = kept / POLICIES_FILE
        self._gate = Gate(settings.digests)
        self._intake = Intake(settings)
        self._relayed = Intake(settings)
        self._rule = rule_of(settings)
        self._around = Neighbourhood(settings, here, token, finder)
        self._shipping = Shipping(
            here.name,
            token,
            settings,
            self._around.data_centre,
            faults,
            waiting=kept / WAITING_FILE,
        )
        remembers = self._file.exists() and not faults.active("cvb.policies-forgotten")
        self._policies = Policies.from_json(self._file.read_text()) if remembers else Policies()
        self._forgotten: set[str] = set()
        self._station = Station(settings, self._around, self._shipping, self._policies, faults)
        self._ends = AsyncExitStack()

    async def __aenter__(self) -> EdgeServer:
        self._ends.callback(self._around.close)
        self._ends.push_async_callback(self._station.close)
        await self._ends.enter_async_context(self._shipping)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ends.aclose()

    def servant(self) -> Servant:
        """What it offers."""
        servant = Servant()

        def offer(function: Function[Any, Any], handler: Callable[[Any, Call], Any]) -> None:
            def answered(asked: Any, call: Call) -> Any:
                if self._faults.active("cvb.edge-silent"):
                    raise Silence
                return handler(asked, call)

            servant.offer(function, answered)

        offer(contracts.PUBLISH, self._publish)
        offer(contracts.RELAY, self._relay)
        offer(contracts.WORK_OUT, self._work_out)
        offer(contracts.REPORT, self._report)
        offer(contracts.QUERY, self._query)
        offer(contracts.SET_POLICY, self._set_policy)
        offer(contracts.GET_POLICY, self._get_policy)
        offer(contracts.STATISTICS, self._statistics)
        return servant

    def _publish(self, asked: FrameGiven, _call: Call) -> Answered:
        lets = self._gate.lets(asked.token, PUBLISHER) or self._faults.active(
            "cvb.anyone-publishes"
        )
        return Answered(self._take(asked, self._intake, relayed=False, lets=lets))

    def _relay(self, asked: FrameGiven, _call: Call) -> Answered:
        lets = self._gate.lets(asked.token, EDGE)
        return Answered(self._take(asked, self._relayed, relayed=True, lets=lets))

    def _take(self, asked: FrameGiven, intake: Intake, *, relayed: bool, lets: bool) -> Code:
        frame = asked.frame
        policy = self._policies.get(frame.application)
        if not lets:
            if policy is not None:
                self._station.counters[frame.application].refused += 1
            return Code.UNAUTHORISED
        if policy is None:
            return Code.UNKNOWN
        if self._station.is_full:
            return Code.FULL
        code = intake.take(frame, now_us())
        counters = self._station.counters[frame.application]
        if code is Code.DONE:
            self._station.take(frame, policy, relayed=relayed)
        elif code is Code.MALFORMED and self._faults.active("cvb.malformed-taken"):
            counters.received += 1
            counters.local += 1
            return Code.DONE
        else:
            counters.refused += 1
        return code

    def _work_out(self, asked: Work, _call: Call) -> WorkedOut:
        if not self._gate.lets(asked.token, EDGE):
            return WorkedOut(Code.UNAUTHORISED, [])
        return work_out(
            asked,
            self._rule,
            self._settings,
            by=Target.NEIGHBOUR,
            name=self._here.name,
            now_us=now_us(),
        )

    def _report(self, asked: Report, call: Call) -> Answered:
        if not self._gate.lets(asked.token, VEHICLE):
            return Answered(Code.UNAUTHORISED)
        if not is_plausible(asked.state, now_us(), self._settings):
            return Answered(Code.MALFORMED)
        if self._faults.active("cvb.roaming-forgotten") and self._has_roamed(asked.state):
            self._forgotten.add(asked.state.vehicle)
            return Answered(Code.DONE)
        return Answered(self._station.vehicles.report(asked.state, call.peer))

    def _has_roamed(self, state: VehicleState) -> bool:
        """Whether a vehicle's first report here was from near a neighbour's area."""
        p = state.position
        near = any(edge.area.distance(p.x, p.y) < _ROAMING_M for edge in self._around.neighbours)
        new = not self._station.vehicles.knows(state.vehicle)
        return new and (near or state.vehicle in self._forgotten)

    def _query(self, asked: Query, _call: Call) -> Seen | Awaitable[Seen]:
        if not self._gate.lets(asked.token, EDGE, VEHICLE, POLICY):
            return Seen(Code.UNAUTHORISED, [])
        area = _rectangle(asked.area)
        if area is None:
            return Seen(Code.MALFORMED, [])
        own = self._station.seen(area, asked.since_us)
        if not asked.neighbours or self._faults.active("cvb.neighbour-not-asked"):
            return Seen(Code.DONE, own)
        return self._with_neighbours(own, area, asked.since_us)

    async def _with_neighbours(self, own: list[Detection], area: Rectangle, since_us: int) -> Seen:
        answers = await self._around.seen(area, since_us)
        found = own
        for edge, theirs in answers.items():
            if self._faults.active("cvb.merged-twice"):
                found = [*found, *theirs]
                continue
            # An edge knows best what lies in its area; of what it saw when it was not asked at
            # the same moment as this one, it has the later sight.
            found = [
                one
                for one in found
                if not edge.area.holds(one.position.x, one.position.y)
                or not any(_may_be_one(one, other, self._settings.merge_m) for other in theirs)
            ]
            found = merged(found, theirs, self._settings.merge_m)
        return Seen(Code.DONE, found)

    def _set_policy(self, asked: PolicyGiven, _call: Call) -> Answered:
        lets = self._gate.lets(asked.token, POLICY)
        if not lets and not self._faults.active("cvb.anyone-writes-policy"):
            return Answered(Code.UNAUTHORISED)
        if self._faults.active("cvb.policy-silently-kept"):
            return Answered(Code.DONE)
        stale_too = self._faults.active("cvb.stale-policy-taken")
        code = self._policies.set(asked.policy, any_revision=stale_too)
        if code is Code.DONE:
            unfinished = self._file.with_suffix(".new")
            unfinished.write_text(self._policies.to_json())
            unfinished.replace(self._file)
        return Answered(code)

    def _get_policy(self, asked: OfApplication, _call: Call) -> PolicyTold:
        policy = self._policies.get(asked.application)
        if policy is None:
            return PolicyTold(Code.UNKNOWN, NO_POLICY)
        return PolicyTold(Code.DONE, policy)

    def _statistics(self, _asked: Empty, _call: Call) -> StatisticsTold:
        queue = self._shipping.queue
        told = Statistics(
            edge=self._here.name,
            applications={
                name: counters.told() for name, counters in self._station.counters.items()
            },
            queued=len(queue),
            dropped=queue.dropped,
            bound=queue.bound,
            cpu_s=time.process_time(),
            uplink_bytes=self._around.data_centre.sent_bytes,
        )
        return StatisticsTold(Code.DONE, told)


def _rectangle(area: Area) -> Rectangle | None:
    """None for what encloses no ground."""
    corners = area.low.x, area.low.y, area.high.x, area.high.y
    west, south, east, north = corners
    sound = all(map(math.isfinite, corners)) and west < east and south < north
    return Rectangle(*corners) if sound else None


def _may_be_one(one: Detection, other: Detection, merge_m: float) -> bool:
    """Whether two detections that are a frame or two apart may be of one object."""
    speed = math.hypot(one.velocity.x, one.velocity.y)
    apart = math.hypot(one.position.x - other.position.x, one.position.y - other.position.y)
    return one.kind == other.kind and apart < merge_m + speed * _BETWEEN_FRAMES_S
