"""The roadside camera: what it sees, against the ground truth's sight; and its source."""

import asyncio
import math
import time
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lab.cvb import scenario as scenarios
from lab.cvb import sight
from lab.cvb.camera import Replay, RoadsideCamera, replay
from lab.cvb.contracts import Detection, Kind
from lab.cvb.scenario import Camera, Mover, Obstacle, Scenario
from lab.cvb.spans import holds
from lab.cvb.timeline import Punctuality, Timeline
from lab.tars.aio import AsyncTarsClient
from tests.cvb.places import corners, places
from tests.cvb.small_edge import TOKENS, small_edge


def watched(camera: Camera, mover: Mover, walls: list[Obstacle]) -> Scenario:
    return Scenario(
        title="any",
        duration_s=10,
        cameras={"one": camera},
        obstacles={str(number): wall for number, wall in enumerate(walls)},
        movers={"walker": mover},
    )


@given(
    places,
    st.floats(-720, 720),
    st.floats(1, 360),
    st.floats(1, 100),
    st.lists(st.lists(corners, min_size=3, max_size=4), max_size=3),
    st.tuples(places, places),
    st.lists(st.floats(0, 10, exclude_max=True), min_size=20, max_size=20),
)
def test_it_sees_what_the_truth_says(
    at: tuple[float, float],
    facing: float,
    opening: float,
    reach: float,
    walls: list[list[tuple[float, float]]],
    ends: tuple[tuple[float, float], tuple[float, float]],
    moments: list[float],
) -> None:
    """One is worked out for a moment, the other for all time; at a sight's edge either is right."""
    camera = Camera(edge="edge-a", at=at, facing_deg=facing, opening_deg=opening, range_m=reach)
    mover = Mover(kind="pedestrian", track=((0, *ends[0]), (10, *ends[1])))
    scenario = watched(camera, mover, [Obstacle(corners=tuple(wall)) for wall in walls])
    spans = sight.seen(camera, mover, scenario.obstacles.values())
    looking = RoadsideCamera(scenario, "one")
    for moment in moments:
        place = mover.at(moment)
        assert place is not None
        if math.dist(at, (place.x, place.y)) < 1e-3:
            continue  # where the camera hangs there is no direction to it
        around = {
            looking.sees((place.x + aside * 1e-6, place.y + ahead * 1e-6))
            for aside in (-1, 0, 1)
            for ahead in (-1, 0, 1)
        }
        assert holds(spans, moment) in around


def by_track(camera: RoadsideCamera, number: int) -> dict[str, Detection]:
    return {one.track: one for one in camera.detections(number)}


def test_what_it_says_is_within_its_errors_of_the_truth() -> None:
    scenario = scenarios.scenario("crowded")
    camera = RoadsideCamera(scenario, "plaza")
    for number in (0, 77, 130):
        motions = [m.at(camera.moment(number)) for m in scenario.everybody.values()]
        there = [motion for motion in motions if motion and camera.sees(motion[:2])]
        detections = camera.detections(number)
        assert len(detections) == len(there) > 100
        for motion, seen in zip(there, detections, strict=True):
            off = math.dist(motion[:2], (seen.position.x, seen.position.y))
            wrong = math.dist(motion[2:], (seen.velocity.x, seen.velocity.y))
            assert 0 < off <= camera.camera.error_m
            assert 0 < wrong <= camera.camera.error_mps
            assert 0.8 <= seen.confidence <= 1


def test_the_same_seed_sees_the_same_and_another_does_not() -> None:
    scenario = scenarios.scenario("two-cameras")
    one, same, other = (RoadsideCamera(scenario, "north", seed=seed) for seed in (1, 1, 2))
    assert one.detections(50) == same.detections(50)
    assert one.detections(50) != other.detections(50)


def test_tracks_say_nothing_of_another_camera_s() -> None:
    scenario = scenarios.scenario("crowded")
    plaza, street = (RoadsideCamera(scenario, name) for name in ("plaza", "street"))

    def numbers(camera: RoadsideCamera) -> list[str]:
        return [one.track.partition("#")[2] for one in camera.detections(40)]

    assert len(set(numbers(plaza))) == len(numbers(plaza))
    assert set(by_track(plaza, 40)) & set(by_track(plaza, 41)), "from frame to frame the same"
    assert numbers(plaza)[: len(numbers(street))] != numbers(street)


def test_plates_are_vehicles_own() -> None:
    camera = RoadsideCamera(scenarios.scenario("hidden-pedestrian"), "crossing")
    seen = {one.kind: one.plate for one in camera.detections(80)}
    assert seen == {Kind.VEHICLE: "IEC 401", Kind.PEDESTRIAN: None}


def test_a_driver_s_view_is_not_the_camera_s() -> None:
    """The published case: the truck is between car and pedestrian, not between camera and them."""
    scenario = scenarios.scenario("hidden-pedestrian")
    behind, in_front = scenario.movers["walker"].at(3.0), scenario.movers["walker"].at(6.5)
    assert behind is not None
    assert in_front is not None
    camera = RoadsideCamera(scenario, "crossing")
    assert not camera.sees(behind[:2])
    assert camera.sees(in_front[:2])
    car = scenario.movers["car"].at(6.5)
    assert car is not None
    eye = scenario.cameras["crossing"].model_copy(update={"at": car[:2], "facing_deg": 0.0})
    driver = RoadsideCamera(scenario.model_copy(update={"cameras": {"driver": eye}}), "driver")
    assert not driver.sees(in_front[:2])


def short(scenario: Scenario, seconds: float) -> Scenario:
    return scenario.model_copy(update={"duration_s": seconds})


async def published(scenario: Scenario, address: tuple[str, int], token: str) -> Replay:
    camera = RoadsideCamera(scenario, "crossing", source="crossing-7")
    async with AsyncTarsClient(address) as client:
        timeline = Timeline.starting_in(0.1)
        return await replay(camera, client, token, "pedestrians", timeline, first=5)


def test_every_frame_comes_at_its_moment() -> None:
    scenario = short(scenarios.scenario("hidden-pedestrian"), 1.5)
    with small_edge() as (edge, address):
        told = asyncio.run(published(scenario, address, TOKENS["publisher"]))
    frames = [frame for frame, _ in edge.frames]
    assert [frame.sequence for frame in frames] == list(range(5, 20))
    assert {(frame.source, frame.application) for frame in frames} == {
        ("crossing-7", "pedestrians")
    }
    moments = [frame.at_us for frame in frames]
    assert {b - a for a, b in pairwise(moments)} == {100_000}
    assert told.codes == {0: 15}
    if not told.spoilt_by:
        assert all(0 <= came - frame.at_us < 100_000 for frame, came in edge.frames)


def test_a_refused_camera_goes_on_and_says_so() -> None:
    scenario = short(scenarios.scenario("hidden-pedestrian"), 0.5)
    with small_edge() as (_, address):
        told = asyncio.run(published(scenario, address, "another"))
    assert told.codes == {1: 5}


def test_where_nobody_listens_the_errors_are_told() -> None:
    scenario = short(scenarios.scenario("hidden-pedestrian"), 0.3)
    with small_edge() as (_, address):
        pass
    told = asyncio.run(published(scenario, address, TOKENS["publisher"]))
    assert told.codes == {"unanswered": 3}
    assert all("no connection to" in one.error for one in told.frames)


def test_who_falls_behind_says_that_the_window_is_spoilt() -> None:
    """The loop is held for 0.3 s: three frames are late, one by more than a period."""
    scenario = short(scenarios.scenario("hidden-pedestrian"), 1.0)

    async def held_up(address: tuple[str, int]) -> Replay:
        loop = asyncio.get_running_loop()
        loop.call_later(0.45, time.sleep, 0.3)
        return await published(scenario, address, TOKENS["publisher"])

    with small_edge() as (_, address):
        told = asyncio.run(held_up(address))
    assert len(told.spoilt_by) == 2
    assert told.spoilt_by[0].startswith("camera crossing-7 was up to ")
    assert "may be 100 ms late" in told.spoilt_by[1]


def test_one_late_frame_of_many_spoils_nothing() -> None:
    on_time = Punctuality("camera", [0.001] * 200)
    assert on_time.spoilt_by(0.1) == ()
    once = replace(on_time, late_s=[*on_time.late_s, 0.05])
    assert once.spoilt_by(0.1) == ()
    often = replace(on_time, late_s=[*on_time.late_s, *[0.05] * 5])
    assert often.spoilt_by(0.1) == ("camera was up to 50 ms late (p99), may be 10 ms late",)
