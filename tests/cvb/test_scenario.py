"""Scenario files: what comes with the suite is sound, and a bad one says what is wrong where."""

import math
from pathlib import Path

import pytest

from blueprints.cvb import figures
from blueprints.errors import ConfigError
from lab.cvb import scenario as scenarios
from lab.cvb.truth import Tolerance, due

GOOD = """\
title: one car
duration_s: 10
roads:
  main: {line: [[-200, 0], [0, 0]], width_m: 7}
cameras:
  crossing: {edge: edge-a, at: [-60, 14], facing_deg: 270, opening_deg: 150, range_m: 150}
obstacles:
  truck: {corners: [[-65, -6], [-57, -6], [-57, -4]]}
movers:
  car: {kind: vehicle, reports: true, track: [[0, -180, 0], [4, -140, 0], [10, -100, 0]]}
  walker: {kind: pedestrian, track: [[2, -60, -9], [6, -54, -9]]}
"""


@pytest.mark.parametrize(
    ("wrong", "instead", "place", "says"),
    [
        ("edge: edge-a", "edge: edge-q", "6:14", "no edge of the site; did you mean edge-"),
        ("range_m: 150", "range: 150", "6:78", "unknown key 'range'; did you mean range_m"),
        ("range_m: 150", "range_m: -1", "6:78", "greater than 0; found -1"),
        ("kind: pedestrian", "kind: ghost", "11:12", "'vehicle', 'pedestrian' or 'cyclist'"),
        ("[4, -140, 0]", "[0, -140, 0]", "10:39", "0 s comes after 0 s"),
        (
            "[4, -140, 0]",
            "[4, -140, 4]",
            "10:61",
            "car is at (-140, 4), on none of the roads: main",
        ),
        ("[4, -140, 0]", "[4, .nan, 0]", "10:39", "a finite number is expected, found nan"),
        ("[4, -140, 0]", "[4, -140]", "10:61", "movers.car.track.1.2 is missing"),
        (
            "duration_s: 10",
            "duration_s: 9",
            "10:75",
            "car is still moving at 10 s; the scenario ends",
        ),
        (
            "kind: pedestrian,",
            "kind: pedestrian, plate: X,",
            "11:3",
            "only a vehicle reports or has",
        ),
        ("[[-65, -6], [-57, -6], [-57, -4]]", "[[-65, -6], [-57, -6]]", "8:11", "at least 3 items"),
        ("title: one car\n", "", "1:1", "title is missing"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, wrong: str, instead: str, place: str, says: str
) -> None:
    file = tmp_path / "scenario.yaml"
    assert wrong in GOOD
    file.write_text(GOOD.replace(wrong, instead, 1))
    with pytest.raises(ConfigError) as raised:
        scenarios.load(file)
    assert str(raised.value).startswith(f"{file}:{place}: ")
    assert says in str(raised.value)


def test_an_unknown_scenario_is_told_which_there_are() -> None:
    with pytest.raises(ConfigError, match="unknown scenario 'romaing'; did you mean roaming"):
        scenarios.scenario("romaing")


def test_movers_go_straight_between_waypoints(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(GOOD)
    car = scenarios.load(tmp_path / "scenario.yaml").movers["car"]
    assert car.at(3) == (-150, 0, 10, 0)
    assert car.at(4) == (-140, 0, 40 / 6, 0), "at a turn, how it goes on"
    assert car.at(10) is None
    assert car.at(-0.1) is None


def test_a_crowd_s_people_keep_their_distance() -> None:
    crowd = scenarios.scenario("crowded").crowds["visitors"]
    places = [mover.at(7.0) for mover in crowd.movers()]
    assert len(places) == crowd.count
    nearest = min(
        math.dist(a[:2], b[:2]) for i, a in enumerate(places) for b in places[:i] if a and b
    )
    assert nearest == pytest.approx(crowd.spacing_m)


@pytest.mark.parametrize("name", scenarios.names())
class TestEachOfTheSuite:
    """What makes an application's answer to a scenario certain."""

    def test_every_episode_is_due_for_sure(self, name: str) -> None:
        scenario = scenarios.scenario(name)
        for sampling in (1.0, 0.5):
            tolerance = Tolerance.of(scenario, sampling=sampling)
            assert all(one.due for one in due(scenario, tolerance))

    def test_different_objects_are_never_near_enough_to_be_merged(self, name: str) -> None:
        scenario = scenarios.scenario(name)
        worst = max(camera.error_m for camera in scenario.cameras.values())
        moments = range(0, int(scenario.duration_s * 100), 30)
        for moment in moments:
            there = [
                (mover.kind, place)
                for mover in scenario.everybody.values()
                if (place := mover.at(moment / 100))
            ]
            for number, (kind, a) in enumerate(there):
                for other, b in there[:number]:
                    apart = math.dist(a[:2], b[:2])
                    assert kind != other or apart > figures().merge_m + 2 * worst

    def test_a_vehicle_turns_so_gently_that_it_is_known_again(self, name: str) -> None:
        scenario = scenarios.scenario(name)
        tolerance = Tolerance.of(scenario)
        for host in scenario.host_vehicles.values():
            for before, after in zip(host.legs, host.legs[1:], strict=False):
                turn = math.dist(before.motion[2:], after.motion[2:])
                assert turn * tolerance.stale_s + tolerance.error_m < figures().merge_m


def test_what_each_scenario_is_about() -> None:
    found = {
        name: {(one.vehicle, one.object) for one in due(scenarios.scenario(name)) if one.due}
        for name in scenarios.names()
    }
    assert found == {
        "again": {("car", "walker")},
        "crowded": {("first", "walker")},
        "hidden-pedestrian": {("car", "walker")},
        "near-misses": set(),
        "neighbour-sees": {("car", "walker")},
        "one-road": {("first", "rider"), ("second", "rider"), ("third", "rider")},
        "over-the-border": {("car", "walker")},
        "roaming": {("car", "walker")},
        "two-cameras": {("car", "left"), ("car", "right")},
    }
    again = [one for one in due(scenarios.scenario("again")) if one.due]
    assert len(again) == 2, "two episodes"
    told = due(scenarios.scenario("neighbour-sees"), neighbours=False)
    assert any(one.due for one in told), "the neighbour sends on what lies in edge-a's area"
    border = due(scenarios.scenario("over-the-border"), neighbours=False)
    assert not any(one.due for one in border), "edge-a alone does not know of the walker"
