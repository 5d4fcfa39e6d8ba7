"""One embedded cluster for all tests here, where this machine can have one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.labs import running_lab, template
from lab.iec.client import Cluster, open_cluster
from lab.iec.recipe import recipe
from lab.iec.workload import Place, new_place
from lab.inventory import Inventory, SystemEntry
from lab.loopback.lifecycle import without_cluster
from lab.payload import cache_dir
from lab.recipe import execute
from lab.session import Lab

TEMPLATE = template(master=["tars-master"], edge_a=["tars-agent"], edge_b=["tars-agent"])


def with_cluster(of: Inventory) -> Inventory:
    # A host's name is a node's, in which an underscore may not stand.
    hosts = {name.replace("_", "-"): host for name, host in of.hosts.items()}
    update = {
        "hosts": hosts,
        "systems": {"iec": SystemEntry()},
        "capabilities": (*of.capabilities, "cluster"),
    }
    return of.model_copy(update=update)


@dataclass(frozen=True)
class Deployed:
    """A lab with a cluster on it. ``home``: of the host that it runs on."""

    lab: Lab
    home: Path

    @property
    def inventory(self) -> Inventory:
        return self.lab.inventory

    @property
    def kubeconfig(self) -> Path:
        assert self.inventory.state is not None
        return self.inventory.state / "secrets" / "kubeconfig"

    def log(self, name: str) -> Path:
        return self.home / ".iec4/services/iec" / name


@pytest.fixture(scope="session")
def needs_cluster() -> None:
    """SKIP where this machine cannot have a cluster, with what to do about it."""
    if reason := without_cluster(with_cluster(TEMPLATE)).lacks.get("cluster"):
        pytest.skip(reason)


@contextmanager
def deployed(state: Path, *, hide: Sequence[Path] = ()) -> Iterator[Deployed]:
    """A lab with a cluster, down again at the end of the context."""
    with running_lab(with_cluster(TEMPLATE), state, hide=hide) as inventory, Lab(inventory) as lab:
        execute(recipe(lab).steps(lab), lab)
        yield Deployed(lab, state / "hosts" / "master" / "home")


@contextmanager
def own_cache(directory: Path) -> Iterator[Path]:
    """A cache of the test's own, that its labs are not swept by others; programs are the
    project's."""
    built = cache_dir() / "iec"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IEC4_CACHE", str(directory))
        (cache_dir() / "iec").symlink_to(built)
        yield directory


@pytest.fixture(scope="session")
def running(needs_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with (
        own_cache(tmp_path_factory.mktemp("cache")) as cache,
        deployed(cache / "labs" / "test") as found,
    ):
        yield found


@pytest.fixture
def cluster(running: Deployed) -> Iterator[Cluster]:
    with open_cluster(running.lab) as opened:
        yield opened


@pytest.fixture
def place(cluster: Cluster) -> Iterator[Place]:
    """A namespace of the test's own."""
    with new_place(cluster, "test", run="test") as made:
        yield made
