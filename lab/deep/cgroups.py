"""Control groups of a lab's machines: one of its own for each, in every hierarchy.

A container runtime and a kubelet want a tree of groups below them. A machine gets one in each
hierarchy that this machine has (version 1), or in the one that there is (version 2), and sees it
as the root, through a control group namespace. The kernel removes no group by itself: ``STATE/
cgroups`` lists what was made, and `remove` takes it away. Standard library only.
Source: Linux, ``Documentation/admin-guide/cgroup-v1`` and ``cgroup-v2.rst``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lab.deep.mounting import NODEV, NOEXEC, NOSUID, mount, own_control_groups
from lab.errors import WaitTimeout
from lab.wait import wait_for

#: The file of a lab's state that lists its groups.
LIST = "cgroups"
_PLACE = Path("sys/fs/cgroup")
_QUIET = NOSUID | NODEV | NOEXEC
#: For dead processes to leave their groups (s).
_PATIENCE_S = 20.0


class Hierarchy(NamedTuple):
    """A mounted hierarchy. ``options``: its controllers, or ``none,name=NAME``; of v2 empty."""

    options: str
    mounted: Path
    #: The group that this process is in.
    ours: Path


def make(state: Path, lab_id: str, machines: Iterable[str]) -> None:
    """Make a group for each machine in each hierarchy; what was made stands in the state."""
    found = hierarchies()
    tops = [(h.ours if h.options else h.mounted) / f"iec4-{lab_id}" for h in found]
    lines = [f"{h.options}\t{top}\n" for h, top in zip(found, tops, strict=True)]
    (state / LIST).write_text("".join(lines))
    for hierarchy, top in zip(found, tops, strict=True):
        if not hierarchy.options:
            _pass_on(hierarchy.mounted)
        _make_group(top)
        for machine in machines:
            _make_group(top / machine)


def enter(state: Path, machine: str) -> None:
    """Move this process into its machine's groups, which are the roots that it sees then."""
    for _, top in _listed(state):
        (top / machine / "cgroup.procs").write_text("0")
    own_control_groups()


def mount_in(root: Path, state: Path) -> None:
    """Mount what a machine has of them where everybody looks for it."""
    place = root / _PLACE
    made = [options for options, _ in _listed(state)]
    if made == [""]:
        mount("cgroup2", place, "cgroup2", flags=_QUIET)
        # A group that has members and hands controllers on cannot be: the members move.
        own = place / "machine"
        own.mkdir()
        (own / "cgroup.procs").write_text("0")
        return
    mount("tmpfs", place, "tmpfs", flags=_QUIET, options="mode=755,size=1m")
    for options in made:
        directory = place / options.removeprefix("none,name=")
        directory.mkdir()
        mount("cgroup", directory, "cgroup", flags=_QUIET, options=options)


def remove(state: Path) -> bool:
    """Remove a lab's groups, once its processes have ended; returns whether all are gone."""
    tops = [top for _, top in _listed(state)]
    try:
        return wait_for("empty control groups", lambda: _removed(tops), timeout=_PATIENCE_S)
    except WaitTimeout:
        return False


def _removed(tops: Iterable[Path]) -> bool:
    for top in tops:
        for directory, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):  # somebody dies in it still
                Path(directory).rmdir()
    return not any(top.exists() for top in tops)


def _listed(state: Path) -> list[tuple[str, Path]]:
    try:
        lines = (state / LIST).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [(options, Path(top)) for options, _, top in (line.partition("\t") for line in lines)]


def hierarchies() -> list[Hierarchy]:
    """The hierarchies of this machine: those of version 1, or the one of version 2."""
    memberships = [
        line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()
    ]
    ours = {frozenset(names.split(",")): path for _, names, path in memberships}
    first, second = [], []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2":
            second.append(Hierarchy("", Path(place), _within(Path(place), root, ours, "")))
        elif kind == "cgroup":
            words = [w for w in options.split(",") if frozenset([w]) & _members(ours)]
            names = ",".join(words)
            mine = _within(Path(place), root, ours, names)
            as_mounted = f"none,{names}" if names.startswith("name=") else names
            first.append(Hierarchy(as_mounted, Path(place), mine))
    return first or second[:1]


def _members(ours: dict[frozenset[str], str]) -> frozenset[str]:
    return frozenset().union(*ours) - {""}


def _within(place: Path, root: str, ours: dict[frozenset[str], str], names: str) -> Path:
    """Where this process's group is below a mount of the group ``root``."""
    path = ours.get(frozenset(names.split(",")), "/")
    below = os.path.relpath(path, root)
    return place if below.startswith("..") else place / below


def _make_group(group: Path) -> None:
    group.mkdir()
    for file in ("cpuset.cpus", "cpuset.mems"):  # of version 1: empty, nobody could join
        if (group / file).exists() and not (group / "cgroup.controllers").exists():
            (group / file).write_text((group.parent / file).read_text())
    if (children := group / "cgroup.clone_children").exists():
        children.write_text("1")
    _pass_on(group)


def _pass_on(group: Path) -> None:
    """Of version 2: let the groups below have every controller that this one has."""
    if (group / "cgroup.controllers").exists():
        for controller in (group / "cgroup.controllers").read_text().split():
            with suppress(OSError):  # not every one can be handed on (realtime tasks and cpu)
                (group / "cgroup.subtree_control").write_text(f"+{controller}")
