"""A host vehicle: tells edges where it is, hears their warnings, and roams between them."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from blueprints.cvb import Area, figures
from lab.cvb import contracts
from lab.cvb.camera import ANSWER_S
from lab.cvb.contracts import (
    EDGE_OBJECT,
    REPORT,
    WARNING,
    Report,
    Vector,
    VehicleState,
    WarningPushed,
)
from lab.cvb.scenario import Motion, Scenario
from lab.cvb.timeline import Punctuality, Timeline, now_us
from lab.cvb.truth import Heard
from lab.tars.aio import AsyncProxy, AsyncTarsClient
from lab.tars.body import decode_body
from lab.tars.errors import TarsError
from lab.tars.packets import PUSH_FUNCTION, ResponsePacket

#: A vehicle joins an edge so long before it is in its area, and leaves it as late, in metres.
OVERLAP_M = 30.0
#: After its last report a vehicle listens on for so long: what was due may be under way.
LINGER_S = 0.5


@dataclass(frozen=True)
class Warned:
    """A warning as it came, and when."""

    warning: contracts.Warning
    edge: str
    received_us: int

    @property
    def latency_ms(self) -> float:
        """From the frame's moment to the vehicle."""
        return (self.received_us - self.warning.seen_us) / 1000

    def heard(self, vehicle: str, timeline: Timeline) -> Heard:
        """The same, as the ground truth judges it, by the vehicle's name in the scenario."""
        position = self.warning.position
        return Heard(
            vehicle=vehicle,
            kind=self.warning.kind.name.lower(),  # type: ignore[arg-type]
            position=(position.x, position.y),
            seen_s=timeline.seconds(self.warning.seen_us),
            received_s=timeline.seconds(self.received_us),
        )


@dataclass
class Reported:
    """What became of a report. ``code`` is the edge's, None with an ``error``."""

    edge: str
    at_us: int
    code: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Joined:
    """From when until when, in the scenario's seconds, a vehicle told an edge where it is."""

    edge: str
    from_s: float
    until_s: float


@dataclass
class Drive:
    """What a vehicle did and heard. ``strange`` is what was pushed, and was no warning to it."""

    vehicle: str
    punctuality: Punctuality
    period_s: float
    reports: list[Reported] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)

    @property
    def spoilt_by(self) -> tuple[str, ...]:
        """Why it says nothing of the edges: it fell behind; empty if it did not."""
        return self.punctuality.spoilt_by(self.period_s)


class HostVehicle:
    """One vehicle of a scenario that reports. ``edges``: edge of the site → where it listens.

    ``called``: its name for edges, if that is another than the scenario's; edges warn one of a
    name only, the one that has reported last. Its first report comes within a period of the
    track's begin, for each vehicle at another time, always the same: vehicles are not in step
    with each other, nor with cameras.
    """

    def __init__(
        self,
        scenario: Scenario,
        name: str,
        edges: Mapping[str, tuple[str, int]],
        token: str,
        *,
        called: str | None = None,
        overlap_m: float = OVERLAP_M,
    ) -> None:
        self.name = called or name
        self._mover = scenario.host_vehicles[name]
        self._end = min(self._mover.track[-1][0], scenario.duration_s)
        self._addresses = dict(edges)
        self._areas = {edge: figures().site[edge] for edge in edges}
        self._token = token
        self._overlap_m = overlap_m
        self._phase = random.Random(name).random()  # noqa: S311 - the same each time
        rate_hz = figures().frame.rate_hz
        self._found = Drive(self.name, Punctuality(f"vehicle {name}"), 1 / rate_hz)
        self._clients: dict[str, AsyncTarsClient] = {}
        self._since: dict[str, float] = {}

    async def drive(self, timeline: Timeline) -> Drive:
        """Drive until the track's or the scenario's end; what edges get wrong is only noted."""
        period, end = self._found.period_s, self._end
        begin = self._mover.track[0][0] + period * self._phase
        try:
            async with asyncio.TaskGroup() as under_way:
                for number in range(math.ceil((end - begin) / period - 1e-9)):
                    moment = begin + number * period
                    motion = self._mover.at(moment)
                    assert motion is not None, "the moment is before the track's end"
                    self._found.punctuality.record(await timeline.until(moment))
                    self._roam(motion, moment)
                    state = self._state(motion, timeline.us(moment))
                    for edge, client in self._clients.items():
                        under_way.create_task(self._report(edge, client, state))
            await timeline.until(end + LINGER_S)
        finally:
            for edge in list(self._clients):
                self._leave(edge, end)
        return self._found

    def _roam(self, motion: Motion, moment: float) -> None:
        """Join the edges whose areas are near, before leaving those whose are not any more."""
        near = {e for e, area in self._areas.items() if _away(area, motion) <= self._overlap_m}
        for edge in near - set(self._clients):
            told = partial(self._pushed, edge)
            self._clients[edge] = AsyncTarsClient(self._addresses[edge], on_push=told)
            self._since[edge] = moment
        for edge in set(self._clients) - near:
            self._leave(edge, moment)

    def _leave(self, edge: str, moment: float) -> None:
        self._clients.pop(edge).close()
        self._found.joined.append(Joined(edge, self._since.pop(edge), moment))

    def _state(self, motion: Motion, at_us: int) -> VehicleState:
        return VehicleState(
            vehicle=self.name,
            at_us=at_us,
            position=Vector(motion.x, motion.y),
            velocity=Vector(motion.vx, motion.vy),
        )

    async def _report(self, edge: str, client: AsyncTarsClient, state: VehicleState) -> None:
        reported = Reported(edge, state.at_us)
        self._found.reports.append(reported)
        proxy = AsyncProxy(client, EDGE_OBJECT)
        try:
            given = Report(self._token, state)
            reported.code = (await proxy.invoke(REPORT, given, timeout=ANSWER_S)).ret
        except TarsError as error:
            reported.error = str(error)

    def _pushed(self, edge: str, packet: ResponsePacket) -> None:
        received = now_us()
        function = packet.status.get(PUSH_FUNCTION)
        if function != WARNING:
            self._found.strange.append(f"{edge} pushed {function!r}")
            return
        try:
            warning = decode_body(WarningPushed, packet.body).warning
        except TarsError as error:
            self._found.strange.append(f"{edge} pushed no warning: {error}")
            return
        if warning.vehicle != self.name:
            self._found.strange.append(f"{edge} warned {self.name} instead of {warning.vehicle}")
            return
        self._found.warned.append(Warned(warning, edge, received))


def _away(area: Area, motion: Motion) -> float:
    """Metres to an area, 0 within it."""
    aside = max(area.low[0] - motion.x, motion.x - area.high[0], 0.0)
    ahead = max(area.low[1] - motion.y, motion.y - area.high[1], 0.0)
    return math.hypot(aside, ahead)
