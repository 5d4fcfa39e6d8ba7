"""A whole embedded Tars with the reference application on it; tests of a worker share it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.labs import running_lab, template
from lab.cvb.recipe import recipe
from lab.cvb.site import Site
from lab.inventory import SystemEntry
from lab.recipe import execute
from lab.session import Lab
from lab.tars.installation import ABSENT, OPTIONAL_SERVERS
from lab.tars.recipe import recipe as recipe_of_tars
from tests.cvb.running_site import RunningSite

ROLES = {
    "master": ["tars-master"],
    "edge-a": ["tars-agent"],
    "edge-b": ["tars-agent"],
    "core": ["dc"],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of Tars and the application alone, deployed."""
    tars = SystemEntry(placement=dict.fromkeys(OPTIONAL_SERVERS, ABSENT))
    bare = template(**ROLES)
    wanted = bare.model_copy(update={"systems": {"tars": tars, "cvb": SystemEntry()}})
    with (
        running_lab(wanted, tmp_path_factory.mktemp("cvb") / "lab") as inventory,
        Lab(inventory) as lab,
    ):
        execute(recipe_of_tars(lab).steps(lab), lab)
        execute(recipe(lab).steps(lab), lab)
        yield lab


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningSite]:
    """Edges and a data centre in this process."""
    with RunningSite(tmp_path) as running:
        yield running


@pytest.fixture
def site(lab: Lab) -> Iterator[Site]:
    with Site(lab) as site:
        yield site
