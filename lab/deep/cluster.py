"""What a deep lab's cluster is installed from: this machine's cache, as its hosts' mirror.

Programs and image archives are linked into the lab's state (copied where a link cannot be), and
the machines see them read-only. All else is the recipe's, the same as in a real lab.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab import debian
from lab.deep.inside import PATH
from lab.deep.machine import MIRROR
from lab.iec import binaries, images, manifests
from lab.iec.binaries.catalogue import COREDNS, DEEP, ETCD, KUBERNETES
from lab.iec.client import ENDPOINT, SECRET, SYSTEM
from lab.iec.installation import BINARIES, ClusterInstall, ImageArchive
from lab.iec.kubeadm.documents import PORT
from lab.iec.kubeadm.recipe import MASTER_ROLE as ROLE
from lab.inventory import Inventory, SystemEntry

__all__ = ["ROLE", "SYSTEM", "installed_from", "lacking", "lay_out", "without_cluster"]

#: What a deep lab can do when it has a cluster.
CAPABILITIES = ("cluster", "kubelet", "service-proxy", "cluster-dns", "second-interface")
#: Programs that only tests bring along.
_TESTS = ("e2e.test",)
_PROGRAMS = tuple(name for name in DEEP if name not in _TESTS)
#: command → the Debian package that has it; machines share this machine's programs.
_COMMANDS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "ipset": "ipset",
}
#: One of the plugins that pods' second interfaces take.
_PLUGINS = Path("/usr/lib/cni/macvlan")


def lacking() -> str | None:
    """What this machine lacks for a cluster on a deep lab, and what to do; None when nothing."""
    packages = debian.lacking(_COMMANDS, path=PATH)
    if not _PLUGINS.exists():
        packages.add("containernetworking-plugins")
    if packages:
        return (
            "the machines of a cluster share this machine's programs; it lacks "
            f"{debian.told(packages)}"
        )
    return binaries.missing(_PROGRAMS, exact=True) or manifests.missing()


def without_cluster(template: Inventory) -> Inventory:
    """``template`` as it is where a cluster can be had; elsewhere without, and why."""
    system = template.systems.get(SYSTEM)
    if system is None or system.adopted or (reason := lacking()) is None:
        return template
    systems = {name: entry for name, entry in template.systems.items() if name != SYSTEM}
    able = tuple(one for one in template.capabilities if one not in CAPABILITIES)
    lacks = {**template.lacks, **dict.fromkeys((SYSTEM, *CAPABILITIES), reason)}
    return template.model_copy(update={"systems": systems, "capabilities": able, "lacks": lacks})


def lay_out(state: Path) -> tuple[ImageArchive, ...]:
    """Fill the mirror of a lab's machines; returns the images that are in it.

    Raises `ToolMissing` when they cannot be made.
    """
    mirror = state / "mirror"
    for directory in ("bin", "images"):
        (mirror / directory).mkdir(parents=True)
    programs = binaries.find(BINARIES, exact=True)
    for name in BINARIES:
        _link(programs[name], mirror / "bin" / name)
    found = []
    for name, archive in images.make().items():
        _link(archive.path, mirror / "images" / f"{name}.tar")
        found.append(
            ImageArchive(
                image=archive.reference,
                file=f"/{MIRROR}/images/{name}.tar",
                digest=archive.digest,
            )
        )
    return tuple(found)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
        target.chmod(0o755)


def installed_from(
    system: SystemEntry,
    state: Path,
    archives: tuple[ImageArchive, ...],
    address: str,
) -> SystemEntry:
    """The inventory's entry of a lab whose control plane will be at ``address``."""
    given = (system.cluster or ClusterInstall()).model_dump(exclude_unset=True)
    ours = {
        "kubernetes": KUBERNETES.version,
        "etcd": f"{ETCD.version}-0",
        "coredns": f"v{COREDNS.version}",
        "mirror": f"/{MIRROR}",
        "archives": archives,
    }
    return system.model_copy(
        update={
            "cluster": ClusterInstall.model_validate({**ours, **given}),
            "endpoints": {ENDPOINT: f"https://{address}:{PORT}"},
            "secrets": {SECRET: f"file:{state / 'secrets' / 'kubeconfig'}"},
        }
    )
