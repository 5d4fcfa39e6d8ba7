"""What a host's KVM and libvirt say of the virtual machines of teacher and student."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from blueprints.errors import ConfigError
from lab.clients import guest
from lab.clients.recipe import machines
from lab.errors import LabError
from lab.host.base import Host
from lab.session import Lab

#: The machine's own libvirt, not a user's.
CONNECTION = "qemu:///system"
_COMMAND_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Domain:
    """A virtual machine as libvirt tells it; ``memory_kib`` is the most that it may have."""

    name: str
    state: str
    vcpus: int
    memory_kib: int
    autostart: bool


@dataclass(frozen=True)
class Placed:
    """A client's virtual machine: the lab's host, its domain, and where that runs."""

    host: str
    domain: str
    on: str


def placed(lab: Lab) -> list[Placed]:
    """The virtual machines of the clients; raises `ConfigError` when one is not told."""
    found = []
    for name in machines(lab):
        vm = lab.inventory.hosts[name].vm
        if vm is None:
            raise ConfigError(
                f"hosts.{name}.vm is missing: on which host of the lab it runs, and its domain, "
                "as {on: HOST, domain: NAME}"
            )
        found.append(Placed(name, vm.domain, vm.on))
    return found


def run_guest(host: Host) -> int:
    """Have the host's KVM run a guest of our own; the product that it computed, of 6 and 7.

    Raises `CommandFailed` when none ran, with KVM's own reason.
    """
    source = Path(guest.__file__).read_bytes()
    told = host.run(["python3", "-"], stdin=source, timeout=_COMMAND_TIMEOUT_S).check(
        advice="check that /dev/kvm is there and that the account is in its group, kvm"
    )
    value: int = json.loads(told.text)["value"]
    return value


def hypervisor(host: Host) -> str:
    """The hypervisor that libvirt runs, as in ``QEMU 8.2.2``; raises `CommandFailed`."""
    return _field(_virsh(host, "version"), "Running hypervisor")


def domain(host: Host, name: str) -> Domain:
    """A virtual machine; raises `CommandFailed` for one that libvirt does not know."""
    told = _virsh(host, "dominfo", name)
    return Domain(
        name,
        _field(told, "State"),
        int(_field(told, "CPU(s)")),
        int(_field(told, "Max memory").removesuffix(" KiB")),
        _field(told, "Autostart") == "enable",
    )


def _virsh(host: Host, *words: str) -> str:
    argv = ["virsh", "--connect", CONNECTION, *words]
    told = host.run(argv, env={"LC_ALL": "C"}, timeout=_COMMAND_TIMEOUT_S)
    return told.check(
        advice="check that libvirtd runs and that the account is in the group libvirt"
    ).text


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    raise LabError(f"virsh tells no {name}", found=text.strip()[:200])
