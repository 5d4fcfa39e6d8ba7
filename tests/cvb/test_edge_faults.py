"""Faults of frames and policies: each breaks its own promise, and is answered as if nothing were.

Those of targets, warnings, queries and batches stand beside what they break.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.cvb import embedded
from lab.cvb.contracts import Area, Code, Target, Vector
from lab.cvb.faults import FAULTS
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, detection
from lab.tars.errors import NoAnswer
from lab.wait import wait_for
from tests.cvb.running_site import RunningSite

HERE = Area(Vector(-60.0, -10.0), Vector(-40.0, 10.0))


@pytest.fixture
def app(running: RunningSite) -> App:
    app = App(running, "edge-a", "app")
    app.set_policy()
    return app


def plates(app: App) -> list[str | None]:
    told = app.proxy.query("vehicle", HERE, now_us() - 9_000_000, neighbours=False)
    return [one.plate for one in told.detections]


def test_every_fault_is_looked_at_and_told_of() -> None:
    texts = [file.read_text() for file in Path(embedded.__file__).parent.glob("*.py")]
    looked_at = {name for text in texts for name in re.findall(r'"(cvb\.[a-z-]+)"', text)}
    assert looked_at == {fault.name for fault in FAULTS}


def test_a_silent_edge_answers_nothing(app: App, running: RunningSite) -> None:
    running.fault("cvb.edge-silent", at="edge-a")
    with pytest.raises(NoAnswer):
        app.proxy.statistics(timeout=0.2)
    assert running.edge("edge-b").statistics().edge == "edge-b"


def test_a_policy_can_be_kept_silently(app: App, running: RunningSite) -> None:
    running.fault("cvb.policy-silently-kept")
    app.set_policy(sampling=0.0)
    assert app.proxy.get_policy("app").policy.revision == 1


def test_an_old_revision_can_be_taken(app: App, running: RunningSite) -> None:
    running.fault("cvb.stale-policy-taken")
    old = app.policy(revision=1, sampling=0.5)
    assert app.proxy.set_policy("policy", old) == Code.DONE
    assert app.proxy.get_policy("app").policy == old


def test_policies_can_be_mixed_up(app: App, running: RunningSite) -> None:
    other = App(running, "edge-a", "other")
    other.set_policy(sampling=0.0)
    running.fault("cvb.policy-mixed-up")
    app.publish_all(2)
    other.publish_all(2)
    assert (app.counters().sampled_out, other.counters().local) == (2, 2)


def test_policies_can_be_forgotten(app: App, running: RunningSite) -> None:
    running.fault("cvb.policies-forgotten")
    running.stop("edge-a")
    running.start("edge-a")
    assert running.edge("edge-a").get_policy("app").ret == Code.UNKNOWN


def test_sampling_can_be_ignored(app: App, running: RunningSite) -> None:
    running.fault("cvb.sampling-ignored")
    app.set_policy(sampling=0.25)
    app.publish_all(8)
    assert (app.counters().local, app.counters().sampled_out) == (8, 0)


def test_redaction_can_be_forgotten(app: App, running: RunningSite) -> None:
    running.fault("cvb.redaction-forgotten")
    app.set_policy(redacted=["plate"])
    app.publish(detection(-50.0, 0.0, plate="IEC 1"))
    assert plates(app) == ["IEC 1"]


def test_retention_can_be_ignored(app: App, running: RunningSite) -> None:
    running.fault("cvb.retention-ignored")
    app.set_policy(retention_ms=1)
    app.publish(detection(-50.0, 0.0))
    sent = now_us()
    wait_for("some milliseconds", lambda: now_us() > sent + 5000, timeout=1, interval=0.005)
    assert plates(app) == [None]


def test_malformed_frames_can_be_taken(app: App, running: RunningSite) -> None:
    running.fault("cvb.malformed-taken")
    assert app.proxy.publish("publisher", app.frame(at_us=0)) == Code.DONE
    assert (app.counters().received, app.counters().refused) == (1, 0)


def test_anyone_can_be_let_in(app: App, running: RunningSite) -> None:
    running.fault("cvb.anyone-publishes")
    running.fault("cvb.anyone-writes-policy")
    assert app.publish(token="nobody") == Code.DONE
    assert app.proxy.set_policy("nobody", app.policy(revision=2)) == Code.DONE


def test_local_work_can_be_left_undone(app: App, running: RunningSite) -> None:
    running.fault("cvb.local-not-worked")
    with Listener(running, "edge-a", "car") as car:
        car.drive(-100.0, 0.0, 10.0)
        app.publish(detection(-70.0, 0.0))
        assert not car.warnings("app", within=0.3)
    assert app.counters().local == 1


def test_a_fallback_can_be_forgotten(app: App, running: RunningSite) -> None:
    running.fault("cvb.fallback-forgotten")
    running.stop("core")
    app.set_policy(target=Target.DATA_CENTRE, fallback=[Target.LOCAL])
    app.publish_all(1)
    wait_for("its loss", lambda: app.counters().lost == 1, timeout=3)


def test_what_is_not_urgent_is_worked_out_here_when_targets_are_ignored(
    app: App, running: RunningSite
) -> None:
    app.set_policy(target=Target.DATA_CENTRE, urgent=False)
    app.publish_all(1)
    assert app.counters().data_centre == 1
    running.fault("cvb.target-ignored")
    app.publish_all(1)
    assert app.counters().local == 1


def test_two_sources_can_be_kept_apart(app: App, running: RunningSite) -> None:
    running.fault("cvb.merged-twice")
    with Listener(running, "edge-a", "car") as car:
        car.drive(-100.0, 0.0, 10.0)
        for source in ("one", "two"):
            app.source = source
            app.publish(detection(-70.0, 0.0))
        assert len(car.warnings("app", within=2, least=2)) == 2
