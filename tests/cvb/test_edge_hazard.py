"""The hazard rule, compared with a slow one that steps through time."""

from __future__ import annotations

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from blueprints.cvb import figures
from lab.cvb.contracts import Detection, Kind, Vector, VehicleState
from lab.cvb.embedded.hazard import Rule
from lab.cvb.trial import detection

HAZARD = figures().hazard
RULE = Rule(HAZARD.horizon_ms / 1000, HAZARD.radius_m, figures().merge_m)

place = st.floats(-100, 100)
speed = st.floats(-20, 20)
SECOND = 1_000_000


def hazards(vehicle: VehicleState, *seen: Detection, at_us: int = 0) -> list[tuple[int, int]]:
    found = RULE.hazards(seen, at_us, [vehicle])
    return [(one.detection, one.collision_ms) for one in found]


def car(x: float = 0.0, y: float = 0.0, vx: float = 10.0, at_us: int = 0) -> VehicleState:
    return VehicleState("car", at_us, Vector(x, y), Vector(vx, 0.0))


def test_a_pedestrian_in_front_is_a_hazard_in_due_time() -> None:
    assert hazards(car(), detection(30.0, 0.0)) == [(0, 3000)]


def test_each_detection_is_told_by_its_number() -> None:
    seen = detection(-30.0, 0.0), detection(30.0, 2.4), detection(30.0, 2.6), detection(40.0, 0.0)
    assert hazards(car(), *seen) == [(1, 3000), (3, 4000)]


def test_beyond_the_horizon_nobody_is() -> None:
    horizon = HAZARD.horizon_ms / 1000
    assert hazards(car(), detection(10.0 * horizon - 0.1, 0.0))
    assert not hazards(car(), detection(10.0 * horizon + 0.1, 0.0))


def test_a_vehicle_is_no_hazard_to_itself() -> None:
    itself = detection(0.3, 0.2, 9.8, -0.1, kind=Kind.VEHICLE)
    assert not hazards(car(), itself)
    assert hazards(car(), detection(30.0, 0.0, kind=Kind.VEHICLE)) == [(0, 3000)]


def test_a_vehicle_is_where_it_has_gone_since_it_reported() -> None:
    assert hazards(car(), detection(30.0, 0.0), at_us=SECOND) == [(0, 2000)]


@given(x=place, y=place, vx=speed, vy=speed, own=speed)
def test_it_agrees_with_stepping_through_time(
    x: float, y: float, vx: float, vy: float, own: float
) -> None:
    steps = [n / 1000 for n in range(HAZARD.horizon_ms + 2)]
    distance = [math.hypot(x + (vx - own) * t, y + vy * t) for t in steps]
    nearest = min(range(len(steps)), key=distance.__getitem__)
    # At the edges of the rule the steps are too coarse to tell.
    assume(abs(distance[nearest] - HAZARD.radius_m) > 0.05)
    assume(nearest < HAZARD.horizon_ms - 1 or nearest == len(steps) - 1)
    ahead, speed2 = x * (own - vx) - y * vy, (vx - own) ** 2 + vy**2
    assume(speed2 > 0.01)
    assume(abs(ahead) > 0.002 * speed2)
    found = hazards(car(vx=own), detection(x, y, vx, vy))
    inside = 0 < nearest < len(steps) - 1
    assert bool(found) == (inside and distance[nearest] < HAZARD.radius_m)
    if found:
        # Where two pass slowly, milliseconds make no difference to the distance.
        assert distance[min(found[0][1], len(steps) - 1)] <= distance[nearest] + 0.02
