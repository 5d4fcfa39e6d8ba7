"""What is applied to a cluster: files of ours beside this one, and others' stock manifests.

A stock manifest lies in the directory of the Go module that its programs are built from. The
build keeps it in the cache; nothing of it is in the checkout. Its SHA-256 is pinned here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from blueprints.errors import ConfigError
from lab.fetching import fetch
from lab.iec.installation import ClusterInstall
from lab.payload import cache_dir


@dataclass(frozen=True)
class Stock:
    """A file in a Go module's directory: ``module``@``version``/``path``."""

    module: str
    version: str
    path: str
    sha256: str

    @property
    def within(self) -> Path:
        """Where it lies below a Go module cache."""
        return Path(f"{self.module}@{self.version}", self.path)

    @property
    def kept(self) -> Path:
        return cache_dir() / "iec" / "manifests" / f"{self.sha256}.yaml"


STOCK = {
    "calico": Stock(  # Calico v3.28.5
        "github.com/projectcalico/calico",
        "v1.11.0-cni-plugin.0.20250813170300-a0db560f0520",
        "manifests/calico-vxlan.yaml",
        "034b15449b896732fd65e30ec109fb469fa97b78d0d8b6986dac478f7a960629",
    ),
    "multus": Stock(
        "gopkg.in/k8snetworkplumbingwg/multus-cni.v4",
        "v4.2.2",
        "deployments/multus-daemonset.yml",
        "e79898f936e32e50426d6b23e75f85a71d134918e8f82b612b531146fb2a5a45",
    ),
}


def ours(name: str) -> bytes:
    """A file of this directory."""
    return Path(__file__).with_name(name).read_bytes()


def keep(module_cache: Path) -> None:
    """Keep the stock manifests that a Go module cache has; whatever is another file is left."""
    for stock in STOCK.values():
        source = module_cache / stock.within
        if stock.kept.exists() or not source.is_file():
            continue
        if hashlib.sha256(source.read_bytes()).hexdigest() == stock.sha256:
            stock.kept.parent.mkdir(parents=True, exist_ok=True)
            unfinished = stock.kept.with_suffix(f".{os.getpid()}")
            shutil.copyfile(source, unfinished)
            unfinished.rename(stock.kept)


def missing() -> str | None:
    """What to do about stock manifests that are not here; None when all are."""
    if given := os.environ.get("GOMODCACHE"):
        keep(Path(given))
    lacking = [name for name, stock in STOCK.items() if not stock.kept.exists()]
    if not lacking:
        return None
    return (
        f"the stock manifests of {' and '.join(lacking)} are not on this machine: "
        "./iec4 lab build --deep brings them"
    )


def stock(name: str, install: ClusterInstall) -> bytes:
    """A stock manifest: the inventory's own, else the cache's. Raises `ConfigError`."""
    if given := install.manifests.get(name):  # type: ignore[call-overload]
        return fetch(given.at, given.sha256).read_bytes()
    if not STOCK[name].kept.exists() and (lack := missing()):
        raise ConfigError(
            f"{lack}; or name it in the inventory (systems.iec.cluster.manifests.{name})"
        )
    return STOCK[name].kept.read_bytes()
