"""The reference application, in the scenarios that the suite has: the ground truth judges it."""

from __future__ import annotations

import asyncio

import pytest

from lab.cvb import scenario as scenarios
from lab.cvb.play import Tokens, play
from lab.cvb.roles import PUBLISHER, VEHICLE
from lab.cvb.site import Site
from lab.cvb.trial import new_app

#: One edge, an object seen twice, and two edges; criteria play the others.
PLAYED = ("hidden-pedestrian", "two-cameras", "roaming")


@pytest.mark.parametrize("name", PLAYED)
def test_it_warns_as_the_truth_says(site: Site, name: str) -> None:
    tokens = Tokens(site.token(PUBLISHER), site.token(VEHICLE))
    app = new_app(site)
    for edge in site.addresses:
        app.at(edge).set_policy()
    found = asyncio.run(play(scenarios.scenario(name), site.addresses, tokens, app.name))
    judgement = found.judged()
    assert not judgement.missed, str(judgement)
    assert not judgement.false, str(judgement)
    assert not judgement.repeated, str(judgement)
    assert not judgement.late or found.spoilt_by, str(judgement)
