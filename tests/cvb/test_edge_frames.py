"""What an edge takes, whose it is, and what its policy makes of it: over real connections."""

from __future__ import annotations

import math

import pytest

from lab.cvb.contracts import Area, Code, Detection, Policy, Target, Vector
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, detection
from lab.tars import body
from lab.wait import wait_for
from tests.cvb.running_site import RunningSite

EVERYWHERE = Area(Vector(-300.0, -300.0), Vector(300.0, 300.0))


@pytest.fixture
def app(running: RunningSite) -> App:
    app = App(running, "edge-a", "app")
    app.set_policy()
    return app


def query(app: App, *, area: Area = EVERYWHERE, neighbours: bool = False) -> list[Detection]:
    since = now_us() - 60_000_000
    return app.proxy.query("vehicle", area, since, neighbours=neighbours).detections


@pytest.mark.parametrize(
    "changed",
    [
        {"sequence": 1},
        {"at_us": 0},
        {"detections": [detection(0.0, 0.0, confidence=1.5)]},
        {"detections": [detection(0.0, 0.0, confidence=math.nan)]},
        {"detections": [detection(math.inf, 0.0)]},
        {"detections": [detection(0.0, 0.0, math.nan)]},
        {"detections": [detection(1.0 * n, 0.0, track=str(n)) for n in range(1001)]},
    ],
    ids=["sequence", "moment", "confidence", "no-confidence", "position", "velocity", "many"],
)
def test_malformed_frames_change_nothing_but_a_counter(
    app: App, changed: dict[str, object]
) -> None:
    assert app.publish(detection(-50.0, 0.0)) == Code.DONE
    good = app.frame(detection(-60.0, 0.0))
    bad = body.changed(good, **changed)
    assert app.proxy.publish("publisher", bad) == Code.MALFORMED
    assert app.counters().refused == 1
    assert app.counters().received == 1
    assert [one.position.x for one in query(app)] == [-50.0]
    assert app.proxy.publish("publisher", good) == Code.DONE


def test_a_publisher_needs_its_own_token(app: App) -> None:
    for token in ("vehicle", "policy", "edge", "", "publisher "):
        assert app.publish(detection(-50.0, 0.0), token=token) == Code.UNAUTHORISED
    assert app.counters().refused == 5
    assert not query(app)


def test_an_application_without_a_policy_is_unknown(running: RunningSite) -> None:
    app = App(running, "edge-a", "nobody")
    assert app.publish() == Code.UNKNOWN
    assert app.proxy.get_policy("nobody").ret == Code.UNKNOWN


def test_policies_are_read_back_and_outlive_a_restart(app: App, running: RunningSite) -> None:
    set_ = app.set_policy(
        target=Target.NEIGHBOUR,
        fallback=[Target.DATA_CENTRE, Target.LOCAL],
        sampling=0.5,
        redacted=["plate"],
    )
    assert app.proxy.get_policy("app").policy == set_
    running.stop("edge-a")
    running.start("edge-a")
    assert running.edge("edge-a").get_policy("app").policy == set_


def test_a_policy_is_the_next_of_its_writer(app: App) -> None:
    assert app.proxy.set_policy("publisher", app.policy(revision=2)) == Code.UNAUTHORISED
    for revision in (0, 1, 3):
        assert app.proxy.set_policy("policy", app.policy(revision=revision)) == Code.STALE
    assert app.proxy.get_policy("app").policy.revision == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"sampling": 1.5},
        {"sampling": math.nan},
        {"deadline_ms": 0},
        {"retention_ms": -1},
        {"fallback": [Target.LOCAL]},
        {"redacted": ["position"]},
        {"application": ""},
    ],
    ids=str,
)
def test_a_policy_out_of_range_is_malformed(app: App, changed: dict[str, object]) -> None:
    policy: Policy = app.policy(**{"revision": 2, **changed})
    assert app.proxy.set_policy("policy", policy) == Code.MALFORMED
    assert app.proxy.get_policy("app").policy.revision == 1


@pytest.mark.parametrize("share", [0.0, 0.25, 0.3, 0.7, 1.0])
def test_sampling_takes_a_share_evenly(app: App, share: float) -> None:
    app.set_policy(sampling=share)
    app.publish_all(20)
    told = app.counters()
    assert told.local == round(20 * share)
    assert told.sampled_out == 20 - told.local


def test_redaction_comes_before_keeping(app: App) -> None:
    app.set_policy(redacted=["plate", "track"])
    app.publish(detection(-50.0, 0.0, plate="IEC 1", track="7"))
    [kept] = query(app)
    assert (kept.plate, kept.track) == (None, "")


def test_retention_bounds_what_is_found(app: App) -> None:
    app.set_policy(retention_ms=300)
    app.publish(detection(-50.0, 0.0))
    assert query(app)
    wait_for("its end", lambda: not query(app), timeout=3, interval=0.05)


def test_policies_of_two_applications_do_not_touch_each_other(
    app: App, running: RunningSite
) -> None:
    other = App(running, "edge-a", "other")
    other.set_policy(sampling=0.0)
    app.publish_all(4)
    other.publish_all(4)
    assert (app.counters().local, other.counters().sampled_out) == (4, 4)


def test_a_query_needs_a_token_and_an_area(app: App) -> None:
    assert app.proxy.query("nobody", EVERYWHERE, 0, neighbours=False).ret == Code.UNAUTHORISED
    nowhere = Area(EVERYWHERE.high, EVERYWHERE.low)
    assert app.proxy.query("vehicle", nowhere, 0, neighbours=False).ret == Code.MALFORMED
