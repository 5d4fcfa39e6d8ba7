"""What a runner is asked to judge, and whether it can: the same for pytest, Robot and Locust.

A runner is a child process; it learns its task from the environment, so that
``pytest validation/paas``, ``robot robot/paas`` and ``locust -f perf/rpc.py`` work by
themselves too.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from blueprints import model
from blueprints.cvb import figures
from blueprints.errors import ConfigError
from blueprints.evidence import Recorder
from blueprints.model import Blueprint, Criterion, Maturity
from lab import inventory as inventories
from lab.chromium import chromium
from lab.errors import LabError, SystemDown, ToolMissing
from lab.inventory import Inventory
from lab.payload import cache_dir
from lab.session import Lab

#: The environment variables by which a task is handed on.
LAB = "IEC4_LAB"
BLUEPRINT = "IEC4_BLUEPRINT"
RUN = "IEC4_RUN"
ONLY = "IEC4_ONLY"
DISRUPTIVE = "IEC4_DISRUPTIVE"
MATURITY = "IEC4_MATURITY"
SHUFFLE = "IEC4_SHUFFLE"

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """A lab, a blueprint, and which of its criteria to judge there.

    ``run``: the run directory, None when a runner is used by itself. ``only``: criterion
    ids, empty for all. ``disruptive``: criteria with impact may run on a lab that the
    suite did not make. ``maturity``: what the release is held to; what takes minutes and only
    maturity asks for may be left out below it. ``shuffle``: the seed of the order in which a runner
    judges; None for its own order.
    """

    inventory: Inventory
    blueprint: Blueprint
    run: Path | None = None
    only: frozenset[str] = frozenset()
    disruptive: bool = False
    maturity: Maturity = "incubation"
    shuffle: int | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Task:
        """The task that the environment describes; raises `ConfigError`."""
        run = environ.get(RUN)
        return cls(
            inventory=inventories.load(running_lab(environ.get(LAB))),
            blueprint=model.load(environ.get(BLUEPRINT) or model.DEFAULT),
            run=Path(run) if run else None,
            only=frozenset(filter(None, environ.get(ONLY, "").split(","))),
            disruptive=environ.get(DISRUPTIVE) == "1",
            maturity="mature" if environ.get(MATURITY) == "mature" else "incubation",
            shuffle=_seed(environ.get(SHUFFLE)),
        )

    def environment(self) -> dict[str, str]:
        """The variables that hand this task to a child process."""
        assert self.inventory.file is not None, "a task's inventory was loaded from a file"
        variables = {
            LAB: str(self.inventory.file),
            BLUEPRINT: str(self.blueprint.file),
            ONLY: ",".join(sorted(self.only)),
            DISRUPTIVE: "1" if self.disruptive else "0",
            MATURITY: self.maturity,
        }
        if self.run is not None:
            variables[RUN] = str(self.run)
        if self.shuffle is not None:
            variables[SHUFFLE] = str(self.shuffle)
        return variables

    @property
    def run_name(self) -> str:
        """The run's name, ``alone`` for a runner that is used by itself."""
        return self.run.name if self.run else "alone"

    def wants(self, criterion: Criterion) -> bool:
        return not self.only or criterion.id in self.only

    def ordered(self, judged: Iterable[T]) -> list[T]:
        """``judged`` in the order in which to judge: the same in every process of a runner."""
        order = list(judged)
        if self.shuffle is not None:
            random.Random(self.shuffle).shuffle(order)  # noqa: S311  nothing secret hangs on it
        return order

    def systems(self) -> set[str]:
        """The systems that the wanted criteria judge or stand on."""
        return {
            system
            for criterion in self.blueprint.criteria
            if self.wants(criterion)
            for system in criterion.systems
        }

    def recorder(self) -> Recorder:
        events = None if self.run is None else self.run / "events.jsonl"
        return Recorder(self.inventory.profile, events)

    def skip_reason(self, criterion: Criterion) -> str | None:
        """Why ``criterion`` cannot be judged on this lab; None when it can. The one place."""
        inventory = self.inventory
        for system in criterion.systems:
            if system not in inventory.systems:
                return _lacking(f"the lab has no {system}", inventory.lacks.get(system))
        able = set(inventory.capabilities)
        for role in criterion.roles:
            hosts = inventory.with_role(role)
            if not hosts:
                return f"no host access: the lab has no host with role {role}"
            able |= {c for name in hosts for c in inventory.hosts[name].capabilities}
        if not criterion.roles:  # it judges whichever hosts can
            able |= {c for host in inventory.hosts.values() for c in host.capabilities}
        able |= _supplied(inventory)
        if reason := _lacks_here(criterion, inventory, able):
            return reason
        for capability in criterion.capabilities:
            if capability not in able:
                reason = inventory.lacks.get(capability)
                return _lacking(f"capability missing: {capability}", reason)
        if criterion.impact != "none" and inventory.state is None and not self.disruptive:
            return f"has an impact on the {criterion.impact}: needs --disruptive on this lab"
        return None

    def preflight(self, criterion: Criterion, lab: Lab) -> None:
        """Check what ``criterion`` stands on; raises a `LabError` that begins "blocked by"."""
        blocked = self._failed_deployments()
        for system in criterion.systems:
            if reason := blocked.get(system):
                raise SystemDown(f"blocked by the deployment of {system}", found=reason)
        for system in criterion.stands_on:
            if system != criterion.liveness_of:
                liveness = self.blueprint.liveness_criterion(system)
                name = f"{system} ({liveness.id})" if liveness else system
                _blocked_unless(partial(PROBES[system], lab), name)
        for role in criterion.roles:
            for host in lab.with_role(role):
                _blocked_unless(partial(host.check, ["true"]), f"host {host.name}")

    def _failed_deployments(self) -> dict[str, str]:
        """system → why its deployment failed in this run: even its life cannot be judged."""
        if self.run is None:
            return {}
        found: dict[str, str] = json.loads((self.run / "run.json").read_text())["blocked"]
        return found


def _seed(text: str | None) -> int | None:
    if text and not text.isdecimal():
        raise ConfigError(f"{SHUFFLE} is {text!r}; expected the seed of an order, a whole number")
    return int(text) if text else None


def _blocked_unless(probe: Callable[[], object], name: str) -> None:
    try:
        probe()
    except LabError as error:
        raise SystemDown(f"blocked by {name}", found=str(error), evidence=error.evidence) from error


def _supplied(inventory: Inventory) -> set[str]:
    """The capabilities that a lab has by what its inventory names."""
    classroom, cluster = (inventory.systems.get(name) for name in ("classroom", "iec"))
    supplied = {
        "webhook": classroom is not None and classroom.webhook,
        "conformance": cluster is not None and cluster.conformance,
        "vuls": any(host.vuls for host in inventory.hosts.values()),
        "neighbour-edge": len(inventory.with_role("tars-agent")) >= len(figures().site),
    }
    return {capability for capability, there in supplied.items() if there}


def _lacks_here(criterion: Criterion, inventory: Inventory, able: set[str]) -> str | None:
    """What this machine lacks to judge ``criterion``, which no inventory knows; None if nothing.

    A browser that it has is added to ``able``.
    """
    if "browser" in criterion.capabilities and "browser" not in able:
        try:
            chromium()
        except ToolMissing as missing:
            return f"capability missing: browser: {missing}"
        able.add("browser")
    to_run = able - _supplied(inventory)
    if "conformance" in criterion.capabilities and "conformance" in to_run:
        from lab.iec import binaries, conformance

        if lacking := binaries.missing([conformance.PROGRAM]):
            return _lacking("capability missing: conformance", lacking)
    return None


def _lacking(words: str, reason: str | None) -> str:
    return f"{words}: {reason}" if reason else words


def _probe_tars(lab: Lab) -> None:
    from lab.tars.probe import probe

    probe(lab)


def _probe_classroom(lab: Lab) -> None:
    from lab.classroom.probe import probe

    probe(lab)


def _probe_clients(lab: Lab) -> None:
    from lab.clients.probe import probe

    probe(lab)


def _probe_iec(lab: Lab) -> None:
    from lab.iec.probe import probe

    probe(lab)


def _probe_cvb(lab: Lab) -> None:
    from lab.cvb.probe import probe

    probe(lab)


def _probe_jenkins(lab: Lab) -> None:
    from lab.jenkins.probe import probe

    probe(lab)


#: system → what raises `SystemDown` unless it answers as itself
PROBES: dict[str, Callable[[Lab], None]] = {
    "tars": _probe_tars,
    "classroom": _probe_classroom,
    "clients": _probe_clients,
    "iec": _probe_iec,
    "cvb": _probe_cvb,
    "jenkins": _probe_jenkins,
}


#: Labs that the suite makes, by name; each is the template of its kind.
OURS = ("embedded", "deep")


def state_of(name: str) -> Path:
    """Where ``lab up`` keeps a lab that the suite makes."""
    return cache_dir() / "labs" / name


def running_lab(name: str | None = None) -> str:
    """The inventory of the lab of that name; of one of ours, that which ``lab up`` left running.

    The embedded one when no name is given. Raises `ConfigError` when that is not up.
    """
    if name and name not in OURS:
        return name
    place = state_of(name or OURS[0]) / "inventory.yaml"
    if not place.exists():
        raise ConfigError(
            f"the {name} lab is not up; start it with ./iec4 lab up --lab {name}"
            if name
            else "no lab is given and none is up; start one with ./iec4 lab up, "
            f"or name one with --lab (or {LAB})"
        )
    return str(place)
