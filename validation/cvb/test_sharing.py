"""Edges talk to each other, and send on what another needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blueprints.evidence import Evidence
from lab.cvb.contracts import Code, Detection
from lab.cvb.roles import VEHICLE
from lab.cvb.site import Site
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, around, detection

NewApp = Callable[..., App]
NewVehicle = Callable[..., Listener]

SHOWS_S = 3.0


def told(site: Site, edge: str, x: float, y: float, *, neighbours: bool) -> list[Detection]:
    """What an edge tells of three metres around a place, of the last ten seconds."""
    asked = site.edges[edge].query(
        site.token(VEHICLE), around(x, y, reach=3), now_us() - 10_000_000, neighbours=neighbours
    )
    if asked.ret != Code.DONE:
        raise AssertionError(f"a query is answered {asked.ret}")
    return asked.detections


@pytest.mark.criterion("CVB-13")
def test_what_two_edges_see_is_told_once(app: NewApp, site: Site, evidence: Evidence) -> None:
    here, there = app("edge-a"), app("edge-b")
    for one in (here, there):
        one.set_policy()
    with evidence.judge("one object that two edges see is told once, and another beside it too"):
        here.publish_all(1, detection(-0.4, 60, track="left"))
        there.publish_all(1, detection(0.4, 60, track="7"), detection(2.4, 60, track="8"))
        found = told(site, "edge-a", 0, 60, neighbours=True)
        places = sorted(one.position.x for one in found)
        assert len(places) == 2, f"two are there, they are told at x = {places}"
        assert places[1] == pytest.approx(2.4), f"they are told at x = {places}"
