"""Where frames are worked out, and what happens when that is not done in time."""

from __future__ import annotations

import pytest

from lab.cvb import contracts
from lab.cvb.contracts import Code, Target, Vector, VehicleState
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, detection
from lab.wait import wait_for
from tests.cvb.running_site import RunningSite

WALKER = detection(-80.0, -3.0, 0.0, 1.5)


@pytest.fixture
def app(running: RunningSite) -> App:
    return App(running, "edge-a", "app")


def warned(app: App, running: RunningSite, *, within: float = 3) -> list[contracts.Warning]:
    with Listener(running, "edge-a", "car") as car:
        car.drive(-100.0, 0.0, 10.0)
        assert app.publish(WALKER) == Code.DONE
        return car.warnings(app.name, within=within)


@pytest.mark.parametrize("target", Target)
def test_a_frame_is_worked_out_at_its_target(
    app: App, running: RunningSite, target: Target
) -> None:
    app.set_policy(target=target)
    [warning] = warned(app, running)
    assert warning.worked_out is target
    assert warning.edge == "edge-a"
    assert warning.position == WALKER.position
    assert getattr(app.counters(), target.name.lower()) == 1
    uplink = app.proxy.statistics().uplink_bytes
    assert (uplink > 200) == (target is Target.DATA_CENTRE)


def test_only_the_edges_token_has_work_done(running: RunningSite) -> None:
    app = App(running, "edge-b", "app")
    state = VehicleState("car", now_us(), Vector(-100.0, 0.0), Vector(10.0, 0.0))
    for place in (app.proxy, running.data_centre):
        assert place.work_out("publisher", app.frame(WALKER), [state]).ret == Code.UNAUTHORISED
        done = place.work_out("edge", app.frame(WALKER), [state])
        assert [one.vehicle for one in done.warnings] == ["car"]
        malformed = app.frame(WALKER, at_us=0)
        assert place.work_out("edge", malformed, [state]).ret == Code.MALFORMED


def test_a_missed_deadline_leads_to_the_next_fallback(app: App, running: RunningSite) -> None:
    running.fault("cvb.data-centre-silent")
    running.stop("edge-b")
    app.set_policy(
        target=Target.DATA_CENTRE, deadline_ms=600, fallback=[Target.NEIGHBOUR, Target.LOCAL]
    )
    [warning] = warned(app, running)
    assert warning.worked_out is Target.LOCAL
    told = app.counters()
    assert (told.late, told.local, told.lost) == (2, 1, 0)
    # The silent one takes its whole deadline, the one that is not there nothing.
    assert 600_000 <= warning.issued_us - warning.seen_us < 1_200_000


def test_without_a_fallback_the_frame_is_lost(app: App, running: RunningSite) -> None:
    running.fault("cvb.data-centre-silent")
    app.set_policy(target=Target.DATA_CENTRE, deadline_ms=50)
    app.publish_all(3, WALKER)
    wait_for("their loss", lambda: app.counters().lost == 3, timeout=3)
    assert app.counters().late == 0


def test_the_next_frame_follows_the_next_policy(app: App, running: RunningSite) -> None:
    order = [Target.LOCAL, Target.DATA_CENTRE, Target.NEIGHBOUR, Target.LOCAL]
    for target in order:
        app.set_policy(target=target)
        app.publish_all(5)

    def all_there() -> bool:
        told = app.counters()
        return (told.received, told.local, told.neighbour, told.data_centre) == (20, 10, 5, 5)

    wait_for("all frames", all_there, timeout=3)


@pytest.mark.parametrize("gone", ["edge-b", "core"])
def test_a_target_that_was_away_is_found_again(app: App, running: RunningSite, gone: str) -> None:
    target = Target.NEIGHBOUR if gone == "edge-b" else Target.DATA_CENTRE
    app.set_policy(target=target, deadline_ms=500)
    app.publish_all(1)
    wait_for("one", lambda: getattr(app.counters(), target.name.lower()) == 1, timeout=3)
    running.stop(gone)
    app.publish_all(1)
    wait_for("its loss", lambda: app.counters().lost == 1, timeout=3)
    running.start(gone)
    app.publish_all(1)
    wait_for("another", lambda: getattr(app.counters(), target.name.lower()) == 2, timeout=3)


def test_faults_of_targets(app: App, running: RunningSite) -> None:
    app.set_policy(target=Target.DATA_CENTRE, deadline_ms=50, fallback=[Target.LOCAL])
    running.fault("cvb.target-ignored")
    assert [one.worked_out for one in warned(app, running)] == [Target.LOCAL]
    assert app.counters().late == 0


def test_a_deadline_can_be_forgotten_on_request(app: App, running: RunningSite) -> None:
    app.set_policy(target=Target.DATA_CENTRE, deadline_ms=50, fallback=[Target.LOCAL])
    running.fault("cvb.data-centre-silent")
    running.fault("cvb.deadline-ignored")
    assert not warned(app, running, within=0.5)
    assert (app.counters().late, app.counters().local) == (0, 0)


def test_uplink_can_be_wasted_on_request(app: App, running: RunningSite) -> None:
    app.set_policy()
    running.fault("cvb.uplink-wasted")
    app.publish_all(1, WALKER)
    wait_for("waste", lambda: app.proxy.statistics().uplink_bytes > 100, timeout=3)
