"""The reference application on a whole embedded Tars: packaged, published, found by name."""

from __future__ import annotations

import pytest

from blueprints.errors import ConfigError
from fixtures.labs import template
from lab.cvb.contracts import APPLICATION, Code, Detection, Kind, Policy, Vector
from lab.cvb.probe import probe
from lab.cvb.recipe import edge_hosts, recipe, settings
from lab.cvb.site import Site
from lab.cvb.trial import App, Listener
from lab.errors import SystemDown
from lab.faults import clear, inject
from lab.recipe import execute
from lab.session import Lab
from lab.tars.probe import tars_web
from lab.wait import wait_for


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


def test_an_edge_that_dies_is_started_again_with_its_policies(lab: Lab, site: Site) -> None:
    app = App(site, "edge-b", "survivor")
    kept = app.set_policy(sampling=0.5)
    with tars_web(lab) as web:
        here = str(lab.inventory.hosts["edge-b"].address)
        [server] = [one for one in web.servers(APPLICATION) if one.node_name == here]
    lab.host("edge-b").check(["kill", "-KILL", str(server.process_id)])

    def told() -> Policy:
        return site.edge("edge-b").get_policy("survivor").policy

    assert wait_for("the edge's policy", told, timeout=20) == kept


def test_a_removal_leaves_nothing_of_it(lab: Lab) -> None:
    execute(recipe(lab).removal(lab), lab)
    with tars_web(lab) as web:
        assert not [one for one in web.applications() if one.f_name == APPLICATION]
    assert not lab.host("edge-a").run(["test", "-e", "cvb"]).ok
    with pytest.raises(SystemDown):
        probe(lab)
    execute(recipe(lab).steps(lab), lab)
    assert probe(lab)


def test_a_lab_with_one_edge_carries_the_first_of_the_site() -> None:
    small = template(master=["tars-master"], edge=["tars-agent"], core=["dc"])
    with Lab(small) as lab:
        assert edge_hosts(lab) == {"edge-a": "edge"}


def test_a_lab_without_an_edge_is_told_what_it_wants() -> None:
    small = template(master=["tars-master"], core=["dc"])
    with Lab(small) as lab, pytest.raises(ConfigError, match="no host with the role tars-agent"):
        recipe(lab).steps(lab)


def test_a_silent_edge_is_down(lab: Lab) -> None:
    assert set(probe(lab)) == {"edge-a", "edge-b"}
    inject(lab.inventory, "cvb.edge-silent")
    try:
        with pytest.raises(SystemDown):
            probe(lab)
    finally:
        clear(lab.inventory, "cvb.edge-silent")
    assert probe(lab)
