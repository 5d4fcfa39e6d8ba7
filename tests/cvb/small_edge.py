"""A small Tars server that takes what edges take, keeps it, and warns as it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.cvb import contracts
from lab.cvb.contracts import (
    EDGE_OBJECT,
    PUBLISH,
    REPORT,
    WARNING,
    Answered,
    Code,
    Frame,
    FrameGiven,
    Report,
    Target,
    VehicleState,
    WarningPushed,
)
from lab.cvb.timeline import now_us
from lab.tars.body import encode_body
from lab.tars.client import Address
from lab.tars.serving import Call, Peer, Servant
from tests.tars.running_server import running_server

TOKENS = {"publisher": "the camera's", "vehicle": "the car's"}


@dataclass
class SmallEdge:
    """``warns`` says for a frame which warnings are pushed to whom."""

    name: str
    frames: list[tuple[Frame, int]] = field(default_factory=list)
    states: list[tuple[VehicleState, int]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    warns: Callable[[Frame, SmallEdge], list[contracts.Warning]] = lambda _frame, _edge: []
    peers: dict[str, Peer] = field(default_factory=dict)

    def servant(self) -> Servant:
        servant = Servant()

        @servant.offers(PUBLISH)
        def publish(given: FrameGiven, _call: Call) -> Answered:
            if given.token != TOKENS["publisher"]:
                return Answered(Code.UNAUTHORISED)
            self.frames.append((given.frame, now_us()))
            for warning in self.warns(given.frame, self):
                self.push(warning.vehicle, warning)
            return Answered(Code.DONE)

        @servant.offers(REPORT)
        def report(given: Report, call: Call) -> Answered:
            vehicle = given.state.vehicle
            if given.token != TOKENS["vehicle"]:
                return Answered(Code.UNAUTHORISED)
            self.states.append((given.state, now_us()))
            if self.peers.get(vehicle) is not call.peer:
                self.peers[vehicle] = call.peer
                call.peer.on_close(lambda: self.left.append(vehicle))
            return Answered(Code.DONE)

        return servant

    def push(self, vehicle: str, warning: contracts.Warning) -> None:
        if vehicle in self.peers:
            self.peers[vehicle].push(WARNING, encode_body(WarningPushed(warning)))

    def warning(self, frame: Frame, vehicle: str, number: int) -> contracts.Warning:
        """One of a frame's detections, to a vehicle."""
        seen = frame.detections[number]
        return contracts.Warning(
            application=frame.application,
            vehicle=vehicle,
            kind=seen.kind,
            position=seen.position,
            seen_us=frame.at_us,
            issued_us=now_us(),
            collision_ms=1000,
            worked_out=Target.LOCAL,
            edge=self.name,
        )


@contextmanager
def small_edge(name: str = "edge-a") -> Iterator[tuple[SmallEdge, Address]]:
    edge = SmallEdge(name)
    with running_server({EDGE_OBJECT: edge.servant()}) as running:
        yield edge, running.address
