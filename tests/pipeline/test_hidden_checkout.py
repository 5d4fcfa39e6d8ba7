"""A host runs only what was copied to it: deploying works where the checkout cannot be seen."""

from pathlib import Path

import pytest

from fixtures.labs import running_lab
from lab import inventory as inventories
from lab.classroom.recipe import EmbeddedClassroom
from lab.loopback import hiding
from lab.payload import ROOT
from lab.recipe import Recipe, execute
from lab.session import Lab
from lab.tars.recipe import EmbeddedTars


@pytest.mark.parametrize("recipe", [EmbeddedTars(), EmbeddedClassroom()], ids=lambda r: r.system)
def test_deploy_with_the_checkout_hidden(tmp_path: Path, recipe: Recipe) -> None:
    if reason := hiding.refused():
        pytest.skip(f"{reason}: allow unprivileged user namespaces to run this test")
    template = inventories.load("embedded")
    with running_lab(template, tmp_path / "lab", hide=[ROOT]) as inventory, Lab(inventory) as lab:
        for name in inventory.hosts:
            seen = lab.host(name).run(["ls", "-A", str(ROOT)])
            assert (seen.status, seen.text) == (0, ""), "the checkout is not hidden"
        done = []
        execute(recipe.steps(lab), lab, done=lambda what: done.append(what.outcome))
        assert done
        assert all(outcome == "done" for outcome in done)
