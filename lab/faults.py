"""The catalogue of what can go wrong on request, and how it is made to.

Only a lab that the suite made has the capability ``faults``. Which criteria a fault may
flip (its blast radius) stands in the blueprint; here stands what it does, and where.
"""

from __future__ import annotations

from pathlib import Path

from blueprints.errors import ConfigError, nearest
from lab.classroom.faults import FAULTS as CLASSROOM
from lab.cvb.faults import FAULTS as CVB
from lab.deep import faults as deep
from lab.faultflags import DIRECTORY, Fault
from lab.iec import faults as iec
from lab.inventory import Inventory
from lab.jenkins.faults import FAULTS as JENKINS
from lab.loopback.faults import FAULTS as HOSTS
from lab.tars.faults import FAULTS as TARS

_ALL = (*HOSTS, *deep.FAULTS, *iec.FAULTS, *TARS, *CLASSROOM, *CVB, *JENKINS)


def catalogue() -> dict[str, Fault]:
    """Every fault by name."""
    return {fault.name: fault for fault in _ALL}


def _flags(inventory: Inventory, fault: Fault) -> list[Path]:
    """The flag files of a fault. They are reached by path, not over SSH: a fault may break SSH."""
    if inventory.state is None:
        raise ConfigError(
            f"lab {inventory.name} is a real one: faults can be injected on a lab that the "
            "suite made (embedded, deep)"
        )
    hosts = [name for role in fault.roles for name in inventory.with_role(role)]
    return [
        inventory.state / "hosts" / name / "home" / DIRECTORY / fault.name
        for name in dict.fromkeys(hosts)
    ]


def find(name: str) -> Fault:
    """The fault of that name; raises `ConfigError` with the nearest names."""
    known = catalogue()
    if name not in known:
        raise ConfigError(f"unknown fault {name!r}; {nearest(name, known)}")
    return known[name]


def inject(inventory: Inventory, name: str, value: str = "") -> None:
    """Inject a fault; it acts from the next time the faulty thing is done.

    What is done to a machine or a cluster at once is done when this returns.
    """
    fault = find(name)
    if fault in deep.FAULTS and inventory.kind != "deep":
        raise ConfigError(f"fault {name} is a machine's own: it can be injected on a deep lab")
    for flag in _flags(inventory, fault):
        if inventory.kind == "deep" and not flag.exists():
            deep.inject(*_machine(flag), name)
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.write_text(value)
        if inventory.kind == "embedded" and fault in iec.FAULTS:
            iec.await_deed(flag, done=True)


def clear(inventory: Inventory, name: str) -> None:
    """Clear a fault; one that is not injected is left alone."""
    fault = find(name)
    for flag in _flags(inventory, fault):
        if inventory.kind == "deep" and flag.exists():
            deep.clear(*_machine(flag), name)
        flag.unlink(missing_ok=True)
        if inventory.kind == "embedded" and fault in iec.FAULTS:
            iec.await_deed(flag, done=False)


def _machine(flag: Path) -> tuple[Path, str]:
    """The state directory and the host to which a flag belongs."""
    host = flag.parents[len(DIRECTORY.parts) + 1]
    return host.parent.parent, host.name


def active(inventory: Inventory) -> list[str]:
    """Names of the injected faults."""
    return [
        name
        for name, fault in catalogue().items()
        if any(flag.exists() for flag in _flags(inventory, fault))
    ]
