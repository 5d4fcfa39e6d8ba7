"""One lab of two hosts for all tests of this folder (in one xdist worker)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.labs import running_lab, template
from lab.host.base import Host
from lab.host.local import LocalHost
from lab.host.ssh import SshHost
from lab.inventory import HostEntry, Inventory
from lab.loopback.cleanup import remove_tree


@pytest.fixture(scope="session")
def lab_inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    # Nothing is set in the environment here: it would stay so for tests of other folders.
    of = template(one=["tars-master"], two=["dc"])
    with running_lab(of, tmp_path_factory.mktemp("lab")) as inventory:
        yield inventory


@pytest.fixture(scope="session")
def entry(lab_inventory: Inventory) -> HostEntry:
    return lab_inventory.hosts["one"]


@pytest.fixture
def overflow(tmp_path: Path) -> Path:
    return tmp_path / "overflow"


@pytest.fixture
def ssh_host(entry: HostEntry, overflow: Path) -> Iterator[SshHost]:
    host = SshHost("one", entry, overflow=overflow)
    yield host
    host.close()


@pytest.fixture(params=["ssh", "local"])
def host(request: pytest.FixtureRequest, tmp_path: Path, overflow: Path) -> Iterator[Host]:
    """A host by each of the ways to reach one: they keep the same contract."""
    if request.param == "ssh":
        yield request.getfixturevalue("ssh_host")
    else:
        home = tmp_path / "home"
        home.mkdir()
        yield LocalHost(home=home, overflow=overflow)
        remove_tree(home)
