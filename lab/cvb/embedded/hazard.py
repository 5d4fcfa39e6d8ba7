"""The hazard rule: a vehicle and an object that will come too near to each other. No clock.

Both go on as they went: at p from the vehicle and with velocity v relative to it, an object
comes nearest at t = -p·v/|v|², at the distance |p x v|/|v|.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lab.cvb.contracts import Detection, Kind, VehicleState


class Hazard(NamedTuple):
    """A vehicle, which detection of the frame is a hazard to it, and in how many milliseconds."""

    vehicle: str
    detection: int
    collision_ms: int


@dataclass(frozen=True)
class Rule:
    """``itself_m``: a vehicle that is seen nearer than this to a vehicle's own position is it."""

    horizon_s: float
    radius_m: float
    itself_m: float

    def hazards(
        self, detections: Sequence[Detection], at_us: int, vehicles: Iterable[VehicleState]
    ) -> Iterator[Hazard]:
        """Every pair for which the rule holds at the moment at which ``detections`` were made."""
        radius2, itself2 = self.radius_m**2, self.itself_m**2
        rows = [(one.position, one.velocity) for one in detections]
        objects = [(p.x, p.y, v.x, v.y) for p, v in rows]
        for vehicle in vehicles:
            passed = (at_us - vehicle.at_us) / 1e6
            hx, hy = vehicle.velocity.x, vehicle.velocity.y
            px, py = vehicle.position.x + hx * passed, vehicle.position.y + hy * passed
            for number, (x, y, vx, vy) in enumerate(objects):
                x -= px  # noqa: PLW2901 - seen from the vehicle, as are the next three
                y -= py  # noqa: PLW2901
                vx -= hx  # noqa: PLW2901
                vy -= hy  # noqa: PLW2901
                nearing = -(x * vx + y * vy)
                if nearing <= 0:
                    continue
                speed2 = vx * vx + vy * vy
                if nearing > self.horizon_s * speed2:
                    continue
                aside = x * vy - y * vx
                if aside * aside >= radius2 * speed2:
                    continue
                if detections[number].kind == Kind.VEHICLE and x * x + y * y < itself2:
                    continue
                yield Hazard(vehicle.vehicle, number, round(nearing / speed2 * 1000))
