"""The reference application on a whole embedded Tars: packaged, published, found by name."""

from __future__ import annotations

import pytest

from lab.cvb.contracts import Code, Detection, Kind, Vector
from lab.cvb.probe import probe
from lab.cvb.recipe import recipe, settings
from lab.cvb.site import Site
from lab.cvb.trial import App, Listener
from lab.errors import SystemDown
from lab.faults import clear, inject
from lab.recipe import execute
from lab.session import Lab


def test_a_second_deployment_finds_its_work_done(lab: Lab) -> None:
    done: dict[str, str] = {}
    execute(
        recipe(lab).steps(lab), lab, done=lambda one: done.update({one.step.title: one.outcome})
    )
    assert done["publish an edge"] == done["publish the data centre"] == "unchanged"
    assert done["bring the edges' token"] == "unchanged"


def test_a_pedestrian_is_warned_of(site: Site) -> None:
    app = App(site, "edge-a", "pedestrians")
    app.set_policy()
    with Listener(site, "edge-a", "car") as car:
        car.drive(-100.0, 0.0, 10.0)
        walker = Detection("w", Kind.PEDESTRIAN, Vector(-80.0, -3.0), Vector(0.0, 1.5), 0.9)
        assert app.publish(walker) == Code.DONE
        [warning] = car.warnings(app.name, within=5)
    assert warning.kind is Kind.PEDESTRIAN
    assert warning.edge == "edge-a"
    assert warning.collision_ms == pytest.approx(2000, abs=30)


def test_no_token_is_in_what_the_application_is_told(lab: Lab) -> None:
    told = str(settings(lab))
    assert not any(str(lab.secret("cvb", role)) in told for role in settings(lab)["digests"])


def test_a_silent_edge_is_down(lab: Lab) -> None:
    assert set(probe(lab)) == {"edge-a", "edge-b"}
    inject(lab.inventory, "cvb.edge-silent")
    try:
        with pytest.raises(SystemDown):
            probe(lab)
    finally:
        clear(lab.inventory, "cvb.edge-silent")
    assert probe(lab)
