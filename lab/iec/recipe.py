"""How the IEC cluster gets onto its hosts: in an embedded lab, one without root on its master."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blueprints.errors import ConfigError
from lab import service
from lab.errors import SystemDown, ToolMissing
from lab.iec import binaries
from lab.iec.client import ENDPOINT, SYSTEM
from lab.iec.handing_over import FetchKubeconfig, kubeconfig_place
from lab.iec.probe import probe
from lab.iec.programs import PROGRAMS
from lab.payload import python_runtime
from lab.recipe import Await, Command, Install, Recipe, Step
from lab.session import Lab

#: The roles of the hosts with the control plane, and of those that are nodes.
MASTER = "tars-master"
AGENT = "tars-agent"

#: What the embedded cluster needs of the suite; nothing else of it travels.
MODULES = ("lab/__init__.py", "lab/iec/__init__.py", "lab/iec/embedded")

_UP_TIMEOUT_S = 90.0
#: The cluster that is up is the one that runs: one that was before has left its files.
_IS_UP = '[ "$(cat "$1/up")" = "$(cat ".iec4/services/$2/pid")" ]'

# From the host account's home directory.
_HOME = "iec"
_RUNTIME = f"{_HOME}/runtime"
_KUBECONFIG = f"{_HOME}/admin.conf"


def recipe(lab: Lab) -> Recipe:
    """The recipe for this kind of lab; raises `ConfigError` where there is none."""
    if lab.inventory.kind == "embedded":
        return EmbeddedIec()
    from lab.iec.kubeadm.recipe import KubeadmIec

    return KubeadmIec()


def master(lab: Lab) -> str:
    """The name of the control plane's host; raises `ConfigError` when there is none."""
    hosts = lab.inventory.with_role(MASTER)
    if not hosts:
        raise ConfigError(f"lab {lab.inventory.name} has no host with the role {MASTER}")
    return hosts[0]


def runtime() -> tuple[Path, str]:
    """The archive that the embedded cluster runs from: ``(path, sha256)``."""
    return python_runtime(["aiohttp", "cryptography"], MODULES)


@dataclass(frozen=True)
class LinkPrograms(Step):
    """Have the cluster's programs on an embedded host: links to this machine's, or copies.

    They are half a gigabyte, and the host is on this machine: nothing travels over SSH.
    """

    directory: Path

    def execute(self, lab: Lab) -> str:
        del lab
        found = binaries.find(PROGRAMS)
        if lacking := binaries.missing(PROGRAMS):
            raise ToolMissing(lacking)
        self.directory.mkdir(parents=True, exist_ok=True)
        outcome = "unchanged"
        for name, path in found.items():
            place = self.directory / name
            with suppress(FileNotFoundError):
                if place.stat().st_size == path.stat().st_size:
                    continue
                place.unlink()
            try:
                os.link(path, place)
            except OSError:  # another file system, or a file of somebody else's
                shutil.copy2(path, place)
            outcome = "done"
        return outcome

    def describe(self) -> str:
        return f"link into {_HOME}/bin: {', '.join(PROGRAMS)}"


class EmbeddedIec(Recipe):
    """Our cluster on its endpoint's address: its nodes have the names of the hosts that it has
    nodes for, and live beside the control plane."""

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        host = master(lab)
        if lab.inventory.state is None:
            raise ConfigError(f"lab {lab.inventory.name} is not up: its hosts have no homes")
        home = lab.inventory.state / "hosts" / host / "home" / _HOME
        return [
            Install("bring the embedded cluster", host, _RUNTIME, runtime),
            LinkPrograms("have its programs", host, home / "bin"),
            self.start(lab),
            service.Answers(
                "the cluster is up", host, _handed_over, timeout=_UP_TIMEOUT_S, service=SYSTEM
            ),
            FetchKubeconfig("fetch its kubeconfig", host, _KUBECONFIG, kubeconfig_place(lab)),
            Await("its API says that it is ready", host, probe),
        ]

    def start(self, lab: Lab) -> Step:
        """Start what is installed: a cluster with nothing in it. It answers a little later."""
        address, port = lab.address(SYSTEM, ENDPOINT)
        argv = ["python3", "-m", "lab.iec.embedded.cluster", "--home", _HOME]
        argv += ["--logs", f".iec4/services/{SYSTEM}"]
        argv += ["--listen", f"{address}:{port}"]
        for name in lab.inventory.with_role(AGENT):
            argv += ["--node", name]
        environment = {"PYTHONPATH": _RUNTIME}
        return service.start(master(lab), SYSTEM, argv, env=environment, runs_from=[_RUNTIME])

    def removal(self, lab: Lab) -> list[Step]:
        host = master(lab)
        return [
            service.stop(host, SYSTEM),
            Command("remove the cluster's files", host, ["rm", "-rf", _HOME]),
        ]


def _handed_over(lab: Lab) -> bool:
    """True once the cluster has left its kubeconfig; raises `SystemDown` before."""
    if not lab.host(master(lab)).run(["sh", "-c", _IS_UP, "sh", _HOME, SYSTEM]).ok:
        raise SystemDown("the cluster is not up yet", expected=f"its process id in {_HOME}/up")
    return True
