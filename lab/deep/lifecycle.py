"""Bringing a deep lab up, and looking at it; `lab.loopback.state` has what all labs share."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from blueprints.errors import ConfigError
from lab import debian
from lab.cvb.roles import ROLES as CVB_ROLES
from lab.deep import cluster, virtual
from lab.deep.inside import NAMESPACES, PATH, first_process
from lab.inventory import Inventory
from lab.loopback.cleanup import descendants
from lab.loopback.state import (
    START_TIMEOUT_S,
    HostStatus,
    Making,
    down,
    hosts_status,
    making,
    tokens,
    with_accounts,
    write_secret,
    write_tokens,
)

__all__ = ["down", "missing", "status", "up"]

#: command → the Debian package that has it
_COMMANDS = {
    "ip": "iproute2",
    "nsenter": "util-linux",
    "pivot_root": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "ss": "iproute2",
    "sshd": "openssh-server",
    "sudo": "sudo",
    "lynis": "lynis",
}
_TRY_TIMEOUT_S = 10.0

#: (system, endpoint) → the role on whose first host it answers, scheme, port: the usual ones.
_PLACES = {
    ("tars", "registry"): ("tars-master", "tcp", 17890),
    ("tars", "web"): ("tars-master", "http", 3000),
}


def missing() -> str | None:
    """What this machine lacks for a deep lab, and what to do about it; None when nothing."""
    if os.geteuid() != 0:
        return "a deep lab makes machines of namespaces: run it as root (sudo ./iec4 ...)"
    if packages := debian.lacking(_COMMANDS, path=PATH):
        return (
            f"a deep lab's machines share this machine's programs; it lacks {debian.told(packages)}"
        )
    trial = ["unshare", *NAMESPACES, "--fork", "true"]
    tried = subprocess.run(
        trial, capture_output=True, text=True, timeout=_TRY_TIMEOUT_S, check=False
    )
    if tried.returncode != 0:
        return (
            f"a deep lab makes machines of namespaces, which this machine refuses its root "
            f"({tried.stderr.strip()}): run it outside a container, or in a privileged one"
        )
    return None


def up(
    template: Inventory,
    state: Path,
    *,
    owner_pid: int | None,
    ttl_s: float | None,
) -> Inventory:
    """Bring a lab up; returns its inventory, which is also ``STATE/inventory.yaml``.

    It ends as an embedded one does (`lab.loopback.lifecycle.up`). Raises `ConfigError` when
    this machine lacks something, `LabError` when a host does not come up.
    """
    if lack := missing():
        raise ConfigError(lack)
    state = state.absolute()
    template = cluster.without_cluster(template)
    template = virtual.without_virtual(template)
    with making(state) as new:
        _lay_out(template, new)
        archives = cluster.lay_out(state) if cluster.SYSTEM in template.systems else ()
        addresses = new.start(
            "lab.deep.keeper",
            owner_pid=owner_pid,
            ttl_s=ttl_s,
            timeout_s=virtual.START_TIMEOUT_S if virtual.names(template) else START_TIMEOUT_S,
        )
        machines = virtual.names(template)
        emulated = () if virtual.accelerated() else machines
        hosts = {
            name: with_accounts(host, state, name).model_copy(
                update={
                    "address": addresses[name],
                    "port": virtual.PORT if name in machines else 22,
                    "emulated": name in emulated,
                    "connect_timeout": max(
                        host.connect_timeout, virtual.CONNECT_TIMEOUT_S if name in emulated else 0
                    ),
                }
            )
            for name, host in template.hosts.items()
        }
        systems = {
            name: system.model_copy(
                update={
                    "endpoints": _endpoints(name, template, addresses),
                    "secrets": _secrets(name, state),
                }
            )
            for name, system in template.systems.items()
        }
        if system := template.systems.get(cluster.SYSTEM):
            address = addresses[template.with_role(cluster.ROLE)[0]]
            systems[cluster.SYSTEM] = cluster.installed_from(system, state, archives, address)
        found = {"hosts": hosts, "systems": systems, "state": state}
        return new.write_inventory(template.model_copy(update=found))


def _endpoints(system: str, template: Inventory, addresses: Mapping[str, str]) -> dict[str, str]:
    """Where a system answers, on the first host that carries the role for it."""
    return {
        endpoint: f"{scheme}://{addresses[template.with_role(role)[0]]}:{port}"
        for (its_system, endpoint), (role, scheme, port) in _PLACES.items()
        if its_system == system
    }


def _secrets(system: str, state: Path) -> dict[str, str]:
    """A system's secrets, by reference to files of the lab."""
    if system == "tars":
        return {"ticket": f"file:{_tars_token(state)}"}
    return tokens(state, system, CVB_ROLES) if system == "cvb" else {}


def _tars_token(state: Path) -> Path:
    return state / "secrets" / "tars-token"


def status(state: Path) -> list[HostStatus]:
    """The hosts of a running lab, in the inventory's order; raises `SystemDown`."""

    def processes(names: Iterable[str]) -> dict[str, list[int]]:
        found = {}
        for name in names:
            first = first_process(state, name)
            found[name] = [first, *descendants(first)]
        return found

    return hosts_status(state, processes)


def _lay_out(template: Inventory, new: Making) -> None:
    accounts = new.write_account_keys()
    (new.state / "secrets").mkdir(mode=0o700)
    write_secret(_tars_token(new.state), secrets.token_hex(20))
    write_tokens(new.state, "cvb", CVB_ROLES)
    for name in template.hosts:
        (new.state / "hosts" / name / "home").mkdir(parents=True)
        new.write_host_key(name)
    of_their_own = virtual.names(template)
    specification = {
        "hosts": [name for name in template.hosts if name not in of_their_own],
        "virtual": of_their_own,
        "accounts": accounts,
    }
    (new.state / "hosts.json").write_text(json.dumps(specification, indent=1))
