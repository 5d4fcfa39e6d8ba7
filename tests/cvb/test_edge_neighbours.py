"""Edges among each other: what is sent on, what is asked for, who comes over the border."""

from __future__ import annotations

import pytest

from lab.cvb.contracts import Area, Code, Detection, Kind, Vector, VehicleState
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, detection
from lab.wait import wait_for
from tests.cvb.running_site import RunningSite

EVERYWHERE = Area(Vector(-300.0, -300.0), Vector(300.0, 300.0))
WEST = detection(-50.0, 10.0, track="w")
EAST = detection(50.0, 10.0, track="e")


@pytest.fixture
def west(running: RunningSite) -> App:
    app = App(running, "edge-a", "app")
    app.set_policy()
    return app


@pytest.fixture
def east(running: RunningSite) -> App:
    app = App(running, "edge-b", "app")
    app.set_policy()
    app.source = "camera-east"
    return app


def query(app: App, *, neighbours: bool = True, area: Area = EVERYWHERE) -> list[Detection]:
    answer = app.proxy.query("vehicle", area, now_us() - 10_000_000, neighbours=neighbours)
    assert answer.ret == Code.DONE
    return answer.detections


def places(found: list[Detection]) -> list[float]:
    return sorted(one.position.x for one in found)


def test_what_lies_in_a_neighbours_area_is_sent_on(west: App, east: App) -> None:
    west.publish(WEST, EAST)
    wait_for("the relay", lambda: query(east, neighbours=False), timeout=3)
    assert places(query(east, neighbours=False)) == [50.0]
    assert places(query(west, neighbours=False)) == [-50.0, 50.0]


def test_only_edges_relay(west: App) -> None:
    assert west.proxy.relay("publisher", west.frame(WEST)) == Code.UNAUTHORISED
    assert not query(west)


def test_what_is_sent_on_warns_the_neighbours_vehicles(
    west: App, east: App, running: RunningSite
) -> None:
    with Listener(running, "edge-b", "car") as car:
        car.drive(30.0, 10.0, 10.0)
        west.publish(EAST)
        [warning] = car.warnings("app", within=3)
    assert warning.edge == "edge-b"


@pytest.mark.parametrize(
    ("x", "edge"), [(-10.0, "edge-a"), (5.0, "edge-b")], ids=["before-the-border", "beyond-it"]
)
def test_a_vehicle_that_reports_to_both_is_warned_by_the_edge_whose_area_it_is_in(
    west: App, east: App, running: RunningSite, x: float, edge: str
) -> None:
    west.publish(detection(150.0, -50.0, track="first"))
    wait_for("the relay", lambda: east.counters().received == 1, timeout=3)
    wait_for("its answer", lambda: _is_taken(west, east), timeout=3)
    with Listener(running, "edge-a", "car") as here, Listener(running, "edge-b", "car") as there:
        for listener in (here, there):
            listener.drive(x, 10.0, 10.0)
        for _ in range(3):
            west.publish(detection(35.0, 10.0, track="walker"))
        told = here.warnings("app", within=0.4) + there.warnings("app", within=0.4)
    assert [one.edge for one in told] == [edge]


def _is_taken(west: App, east: App) -> bool:
    """Another frame has come over, so the first one's answer has come back."""
    before = east.counters().received
    west.publish(detection(150.0, -50.0, track="first"))
    wait_for("the next relay", lambda: east.counters().received > before, timeout=3)
    return True


def test_neighbours_are_asked_for_what_one_has_not_seen(west: App, east: App) -> None:
    west.publish(WEST)
    east.publish(EAST)
    assert places(query(west, neighbours=False)) == [-50.0]
    assert places(query(west)) == [-50.0, 50.0]
    assert places(query(east)) == [-50.0, 50.0]


def test_neighbours_are_asked_for_their_own_area_only(west: App, east: App) -> None:
    east.publish(EAST)
    only_west = Area(Vector(-200.0, -100.0), Vector(0.0, 100.0))
    assert not query(west, area=only_west)


@pytest.mark.parametrize(("apart", "told"), [(1.0, 1), (2.0, 2)])
def test_what_two_edges_have_seen_of_one_object_is_told_once(
    west: App, east: App, apart: float, told: int
) -> None:
    at_us = now_us()
    for app, place in ((west, -apart / 2), (east, apart / 2)):
        seen = detection(place, 10.0)
        assert app.proxy.publish("publisher", app.frame(seen, at_us=at_us)) == Code.DONE
    assert len(query(west)) == told


def test_a_neighbour_that_is_away_is_left_out(west: App, running: RunningSite, east: App) -> None:
    west.publish(WEST, EAST)
    running.stop("edge-b")
    assert places(query(west)) == [-50.0, 50.0]


def test_a_frame_that_was_sent_on_is_counted_into_no_batch(
    west: App, east: App, running: RunningSite
) -> None:
    for app in (west, east):
        app.set_policy(urgent=False)
    west.publish(WEST, EAST)
    wait_for("the batch", lambda: running.data_centre.stored("policy", "edge-a").batches, timeout=3)
    wait_for("the relay", lambda: east.counters().received == 1, timeout=3)
    wait_for("two periods", lambda: _batches(running, "edge-a", west, WEST) >= 3, timeout=3)
    assert not running.data_centre.stored("policy", "edge-b").batches


def _batches(running: RunningSite, edge: str, app: App, seen: Detection) -> int:
    app.publish(seen)
    return len(running.data_centre.stored("policy", edge).batches)


def test_a_roaming_vehicle_is_warned_where_it_is(
    west: App, east: App, running: RunningSite
) -> None:
    with Listener(running, "edge-b", "car") as there:
        with Listener(running, "edge-a", "car") as here:
            here.drive(-5.0, 10.0, 10.0)
            there.drive(1.0, 10.0, 10.0)
        east.publish(detection(30.0, 10.0))
        assert [one.edge for one in there.warnings("app", within=3)] == ["edge-b"]


def test_another_episode_is_warned_of_again(west: App, running: RunningSite) -> None:
    with Listener(running, "edge-a", "car") as car:
        car.drive(-100.0, 0.0, 10.0)
        for _ in range(3):
            west.publish(detection(-70.0, 0.0))
        assert len(car.warnings("app", within=0.3, least=2)) == 1
        walker = detection(-70.0, 0.0, track="2", kind=Kind.CYCLIST)
        west.publish(walker)
        assert len(car.warnings("app", within=3, least=2)) == 2


def test_only_vehicles_report_and_only_what_can_be(west: App) -> None:
    def report(token: str, **changed: object) -> int:
        values = {
            "vehicle": "van",
            "at_us": now_us(),
            "position": Vector(0.0, 0.0),
            "velocity": Vector(1.0, 0.0),
        }
        return west.proxy.report(token, VehicleState(**{**values, **changed}))

    assert report("publisher") == Code.UNAUTHORISED
    assert report("vehicle", at_us=0) == Code.MALFORMED
    assert report("vehicle", vehicle="") == Code.MALFORMED
    assert report("vehicle", position=Vector(float("nan"), 0.0)) == Code.MALFORMED
    assert report("vehicle") == Code.DONE
    assert report("vehicle", at_us=now_us() - 1_000_000) == Code.STALE


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("cvb.neighbour-not-asked", [-50.0]),
        ("cvb.merged-twice", [-50.0, -50.0, 50.0]),
    ],
)
def test_faults_of_queries(
    west: App, east: App, running: RunningSite, fault: str, found: list[float]
) -> None:
    running.fault(fault)
    west.publish(WEST)
    west.source = "another-camera"
    west.publish(WEST)
    east.publish(EAST)
    assert places(query(west)) == found


def test_a_relay_can_be_lost_on_request(west: App, east: App, running: RunningSite) -> None:
    running.fault("cvb.relay-lost")
    west.publish(EAST)
    east.publish(detection(80.0, 0.0))
    assert places(query(east, neighbours=False)) == [80.0]


def test_who_roams_can_be_forgotten_on_request(west: App, east: App, running: RunningSite) -> None:
    running.fault("cvb.roaming-forgotten")
    with (
        Listener(running, "edge-b", "roaming") as roaming,
        Listener(running, "edge-b", "native") as native,
    ):
        native.drive(60.0, 10.0, 10.0)
        roaming.drive(1.0, 20.0, 10.0)
        east.publish(detection(90.0, 10.0, track="1"), detection(30.0, 20.0, track="2"))
        assert native.warnings("app", within=3)
        assert not roaming.warnings("app", within=0.2)


@pytest.mark.parametrize("fault", ["cvb.warning-missed", "cvb.warnings-late", "cvb.warning-false"])
def test_faults_of_warnings(west: App, running: RunningSite, fault: str) -> None:
    running.fault(fault, value="600" if fault == "cvb.warnings-late" else "")
    aside = 3.0 if fault == "cvb.warning-false" else 0.0
    with Listener(running, "edge-a", "car") as car:
        car.drive(-100.0, 0.0, 10.0)
        west.publish(detection(-70.0, aside))
        heard = car.warnings("app", within=0.4 if fault == "cvb.warning-missed" else 3)
        if fault == "cvb.warning-missed":
            assert not heard
        else:
            assert heard
            late_ms = (car.heard[0][1] - heard[0].issued_us) / 1000
            assert (late_ms >= 600) == (fault == "cvb.warnings-late")
