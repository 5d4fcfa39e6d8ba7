"""Where an inventory has the framework's optional servers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from blueprints.errors import ConfigError
from lab.inventory import Inventory, load
from lab.session import Lab
from lab.tars.components import placement
from lab.tars.installation import OPTIONAL_SERVERS
from lab.tars.recipe import recipe


def inventory(
    place: Path, *, kind: str = "embedded", system: str = "tars", **said: str
) -> Inventory:
    file = place / "lab.yaml"
    shipped = yaml.safe_load(Path(str(load("embedded").file)).read_text())
    shipped["kind"] = kind
    shipped["systems"] |= {system: {"placement": said}}
    file.write_text(yaml.safe_dump(shipped))
    return load(str(file))


def test_they_are_on_dc_unless_said_otherwise(tmp_path: Path) -> None:
    assert placement(Lab(load("embedded"))) == dict.fromkeys(OPTIONAL_SERVERS, "dc")
    moved = inventory(tmp_path, tarsstat="tars-agent", tarslog="none")
    assert placement(Lab(moved)) == {
        "tarsstat": "edge-a",
        "tarsproperty": "dc",
        "tarsnotify": "dc",
    }


def test_without_such_a_host_they_run_beside_the_agents(tmp_path: Path) -> None:
    lab = load("embedded")
    hosts = {name: host for name, host in lab.hosts.items() if name != "dc"}
    left = Lab(lab.model_copy(update={"hosts": hosts}))
    assert set(placement(left).values()) == {"edge-a"}


def test_the_dry_run_says_where(tmp_path: Path) -> None:
    said = inventory(tmp_path, tarsstat="tars-agent", tarslog="none")
    endpoints = {"registry": "tcp://127.1.1.1:1", "web": "http://127.1.1.1:2"}
    tars = said.systems["tars"].model_copy(update={"endpoints": endpoints})
    hosts = {
        name: host.model_copy(update={"address": "127.1.1.1"}) for name, host in said.hosts.items()
    }
    lab = Lab(said.model_copy(update={"systems": {"tars": tars}, "hosts": hosts}))
    [told] = [step.describe() for step in recipe(lab).steps(lab) if "optional" in step.title]
    assert told == (
        "TarsWeb: of application tars, tarsstat on edge-a, tarsproperty on dc, tarsnotify on dc"
    )


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"tarsstats": "dc"}, "did you mean tarsstat"),
        ({"tarsstat": "edge"}, "unknown role 'edge'"),
    ],
)
def test_a_placement_that_cannot_be_meant_is_refused(
    said: dict[str, str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        inventory(tmp_path, **said)


def test_only_an_embedded_tars_is_placed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only an embedded Tars"):
        inventory(tmp_path, system="classroom", tarsstat="dc")
    with pytest.raises(ConfigError, match="only an embedded Tars"):
        inventory(tmp_path, kind="real", tarsstat="dc")
