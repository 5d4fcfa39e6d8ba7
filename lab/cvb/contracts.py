"""The interfaces of ``V2X.tars`` in Python, for who offers them and who calls them.

Units and codes are said there. Where static types are not needed, `lab.tars.idl` reads the file.
"""

from __future__ import annotations

from enum import IntEnum

from lab.tars.body import Double, Empty, Float, Function, Int, Long, Struct, field
from lab.tars.client import Proxy

APPLICATION = "V2X"
EDGE_SERVER = "EdgeServer"
EDGE_OBJECT = "V2X.EdgeServer.EdgeObj"
DATA_CENTRE_SERVER = "DataCentreServer"
DATA_CENTRE_OBJECT = "V2X.DataCentreServer.DataCentreObj"

#: What an edge pushes to a vehicle: `WarningPushed`.
WARNING = "warning"

#: Batches that one call of stored tells at most.
STORED_AT_ONCE = 1000


class Code(IntEnum):
    """What every function returns."""

    DONE = 0
    UNAUTHORISED = 1
    MALFORMED = 2
    UNKNOWN = 3
    STALE = 4
    FULL = 5


class Kind(IntEnum):
    VEHICLE = 0
    PEDESTRIAN = 1
    CYCLIST = 2


class Target(IntEnum):
    LOCAL = 0
    NEIGHBOUR = 1
    DATA_CENTRE = 2


class Vector(Struct, frozen=True):
    x: Double = field(tag=0)
    y: Double = field(tag=1)


class Detection(Struct, frozen=True):
    track: str = field(tag=0)
    kind: Kind = field(tag=1)
    position: Vector = field(tag=2)
    velocity: Vector = field(tag=3)
    confidence: Float = field(tag=4)
    plate: str | None = field(tag=5, default=None)


class Frame(Struct, frozen=True):
    source: str = field(tag=0)
    sequence: Long = field(tag=1)
    at_us: Long = field(tag=2)
    application: str = field(tag=3)
    detections: list[Detection] = field(tag=4)


class VehicleState(Struct, frozen=True):
    vehicle: str = field(tag=0)
    at_us: Long = field(tag=1)
    position: Vector = field(tag=2)
    velocity: Vector = field(tag=3)


class Warning(Struct, frozen=True):  # noqa: A001 - the contract's own word
    application: str = field(tag=0)
    vehicle: str = field(tag=1)
    kind: Kind = field(tag=2)
    position: Vector = field(tag=3)
    seen_us: Long = field(tag=4)
    issued_us: Long = field(tag=5)
    collision_ms: Int = field(tag=6)
    worked_out: Target = field(tag=7)
    edge: str = field(tag=8)


class Policy(Struct, frozen=True):
    application: str = field(tag=0)
    revision: Int = field(tag=1)
    target: Target = field(tag=2)
    deadline_ms: Int = field(tag=3)
    fallback: list[Target] = field(tag=4)
    sampling: Float = field(tag=5)
    retention_ms: Int = field(tag=6)
    redacted: list[str] = field(tag=7)
    urgent: bool = field(tag=8)


class Area(Struct, frozen=True):
    low: Vector = field(tag=0)
    high: Vector = field(tag=1)


class Counters(Struct, frozen=True):
    received: Long = field(tag=0)
    sampled_out: Long = field(tag=1)
    local: Long = field(tag=2)
    neighbour: Long = field(tag=3)
    data_centre: Long = field(tag=4)
    late: Long = field(tag=5)
    lost: Long = field(tag=6)
    refused: Long = field(tag=7)


class Statistics(Struct, frozen=True):
    edge: str = field(tag=0)
    applications: dict[str, Counters] = field(tag=1)
    queued: Long = field(tag=2)
    dropped: Long = field(tag=3)
    bound: Long = field(tag=4)
    cpu_s: Double = field(tag=5)
    uplink_bytes: Long = field(tag=6)


class Batch(Struct, frozen=True):
    edge: str = field(tag=0)
    sequence: Long = field(tag=1)
    application: str = field(tag=2)
    from_us: Long = field(tag=3)
    until_us: Long = field(tag=4)
    frames: Long = field(tag=5)
    seen: dict[Kind, Long] = field(tag=6)


class FrameGiven(Struct, frozen=True):
    token: str = field(tag=1)
    frame: Frame = field(tag=2)


class Work(Struct, frozen=True):
    token: str = field(tag=1)
    frame: Frame = field(tag=2)
    vehicles: list[VehicleState] = field(tag=3)


class WorkedOut(Struct, frozen=True):
    ret: Int = field(tag=0)
    warnings: list[Warning] = field(tag=4)


class Report(Struct, frozen=True):
    token: str = field(tag=1)
    state: VehicleState = field(tag=2)


class Query(Struct, frozen=True):
    token: str = field(tag=1)
    area: Area = field(tag=2)
    since_us: Long = field(tag=3)
    neighbours: bool = field(tag=4)


class Seen(Struct, frozen=True):
    ret: Int = field(tag=0)
    detections: list[Detection] = field(tag=5)


class PolicyGiven(Struct, frozen=True):
    token: str = field(tag=1)
    policy: Policy = field(tag=2)


class OfApplication(Struct, frozen=True):
    application: str = field(tag=1)


class PolicyTold(Struct, frozen=True):
    ret: Int = field(tag=0)
    policy: Policy = field(tag=2)


class StatisticsTold(Struct, frozen=True):
    ret: Int = field(tag=0)
    told: Statistics = field(tag=1)


class BatchGiven(Struct, frozen=True):
    token: str = field(tag=1)
    batch: Batch = field(tag=2)


class Acknowledged(Struct, frozen=True):
    ret: Int = field(tag=0)
    acknowledged: Long = field(tag=3)


class BatchesAsked(Struct, frozen=True):
    token: str = field(tag=1)
    edge: str = field(tag=2)
    after: Long = field(tag=3)


class BatchesTold(Struct, frozen=True):
    ret: Int = field(tag=0)
    batches: list[Batch] = field(tag=4)


class Answered(Struct, frozen=True):
    ret: Int = field(tag=0)


class WarningPushed(Struct, frozen=True):
    warning: Warning = field(tag=1)


PUBLISH = Function("publish", FrameGiven, Answered)
RELAY = Function("relay", FrameGiven, Answered)
WORK_OUT = Function("workOut", Work, WorkedOut)
REPORT = Function("report", Report, Answered)
QUERY = Function("query", Query, Seen)
SET_POLICY = Function("setPolicy", PolicyGiven, Answered)
GET_POLICY = Function("getPolicy", OfApplication, PolicyTold)
STATISTICS = Function("statistics", Empty, StatisticsTold)
STORE = Function("store", BatchGiven, Acknowledged)
STORED = Function("stored", BatchesAsked, BatchesTold)

#: Interface → its functions.
FUNCTIONS = {
    "Edge": (
        PUBLISH, RELAY, WORK_OUT, REPORT, QUERY, SET_POLICY, GET_POLICY, STATISTICS,
    ),
    "DataCentre": (WORK_OUT, STORE, STORED),
}  # fmt: skip

#: What a policy told with any other code than 0 holds.
NO_POLICY = Policy("", 0, Target.LOCAL, 0, [], 0.0, 0, [], urgent=False)


class Edge(Proxy):
    """An edge; each call returns its code, and raises as `TarsClient.call` does."""

    def publish(self, token: str, frame: Frame, *, timeout: float | None = None) -> int:
        return self.invoke(PUBLISH, FrameGiven(token, frame), timeout=timeout).ret

    def relay(self, token: str, frame: Frame) -> int:
        return self.invoke(RELAY, FrameGiven(token, frame)).ret

    def work_out(self, token: str, frame: Frame, vehicles: list[VehicleState]) -> WorkedOut:
        return self.invoke(WORK_OUT, Work(token, frame, vehicles))

    def report(self, token: str, state: VehicleState) -> int:
        return self.invoke(REPORT, Report(token, state)).ret

    def query(self, token: str, area: Area, since_us: int, *, neighbours: bool) -> Seen:
        return self.invoke(QUERY, Query(token, area, since_us, neighbours))

    def set_policy(self, token: str, policy: Policy) -> int:
        return self.invoke(SET_POLICY, PolicyGiven(token, policy)).ret

    def get_policy(self, application: str) -> PolicyTold:
        return self.invoke(GET_POLICY, OfApplication(application))

    def statistics(self, *, timeout: float | None = None) -> Statistics:
        return self.invoke(STATISTICS, Empty(), timeout=timeout).told


class DataCentre(Proxy):
    """The data centre; as `Edge`."""

    def work_out(self, token: str, frame: Frame, vehicles: list[VehicleState]) -> WorkedOut:
        return self.invoke(WORK_OUT, Work(token, frame, vehicles))

    def store(self, token: str, batch: Batch) -> Acknowledged:
        return self.invoke(STORE, BatchGiven(token, batch))

    def stored(self, token: str, edge: str, after: int = 0) -> BatchesTold:
        return self.invoke(STORED, BatchesAsked(token, edge, after))
