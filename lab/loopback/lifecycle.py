"""Bringing an embedded lab up, and looking at it. What all labs of ours share is in `state`."""

from __future__ import annotations

import json
import secrets
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab.cvb.roles import ROLES as CVB_ROLES
from lab.iec import binaries, rootless
from lab.iec.programs import PROGRAMS
from lab.inventory import HostEntry, Inventory, SystemEntry
from lab.loopback import ca, cleanup
from lab.loopback.state import (
    ACCOUNTS,
    HostStatus,
    Making,
    down,
    find_labs,
    hosts_status,
    lab_id,
    making,
    sweep,
    tokens,
    with_accounts,
    write_secret,
    write_tokens,
)

__all__ = ["HostStatus", "down", "find_labs", "missing", "status", "sweep", "up"]

#: (system, endpoint) → (the role on whose first host it answers, scheme, port; None: a free one)
_PLACES = {
    ("iec", "api"): ("tars-master", "https", 6443),  # scanners look for it there
    ("tars", "registry"): ("tars-master", "tcp", None),
    ("tars", "web"): ("tars-master", "http", None),
    ("classroom", "api"): ("tars-agent", "https", None),
    ("jenkins", "web"): ("jenkins-master", "http", None),
}


def missing() -> str | None:
    """What this machine lacks for an embedded lab: nothing, an ordinary user can make one."""
    return None


def up(
    template: Inventory,
    state: Path,
    *,
    owner_pid: int | None,
    ttl_s: float | None,
    hide: Sequence[Path] = (),
) -> Inventory:
    """Bring a lab up; returns its inventory, which is also ``STATE/inventory.yaml``.

    The lab ends when the process ``owner_pid`` ends, after ``ttl_s`` seconds, or by
    `down`. ``hide``: directories that commands on its hosts see empty (`hiding.refused`
    says whether the machine allows it). Raises `ConfigError` when ``state`` holds a
    running lab or something else, `LabError` when the SSH servers do not come up.
    """
    state = state.absolute()
    with making(state) as new:
        addresses = _lay_out(template, new, hide)
        ports = new.start("lab.loopback.sshd", owner_pid=owner_pid, ttl_s=ttl_s)
        concrete = _concrete(without_cluster(template), state, addresses, ports)
        return new.write_inventory(concrete)


def without_cluster(template: Inventory) -> Inventory:
    """``template`` as it is where a cluster can be had; elsewhere without, and why."""
    system = template.systems.get("iec")
    if system is None or system.adopted:
        return template
    reason = rootless.lacking() or binaries.missing(PROGRAMS)
    if reason is None:
        return template
    systems = {name: entry for name, entry in template.systems.items() if name != "iec"}
    able = tuple(one for one in template.capabilities if one != "cluster")
    lacks = {**template.lacks, "iec": reason, "cluster": reason}
    return template.model_copy(update={"systems": systems, "capabilities": able, "lacks": lacks})


def status(state: Path) -> list[HostStatus]:
    """The hosts of a running lab, in the inventory's order.

    Raises `SystemDown` when it does not run; what was left of it is swept then.
    """

    def processes(names: Iterable[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {name: [] for name in names}
        for pid in cleanup.tagged(lab_id(state)):
            found.get(cleanup.environment(pid).get(cleanup.HOST, ""), []).append(pid)
        return found

    return hosts_status(state, processes)


def _lay_out(template: Inventory, new: Making, hide: Sequence[Path]) -> dict[str, str]:
    """Make homes, keys, the CA and the SSH server's specification; returns the addresses."""
    state = new.state
    authorized = new.write_account_keys()
    (state / "secrets").mkdir(mode=0o700)
    write_secret(_classroom_secret(state), secrets.token_urlsafe(24))
    write_secret(_jenkins_token(state), secrets.token_hex(17))
    write_tokens(state, "cvb", CVB_ROLES)
    ca.make(state)
    # 127.0.0.0/8 is loopback (RFC 1122); the lower networks are left to others.
    network = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}"
    addresses = {name: f"{network}.{1 + i}" for i, name in enumerate(template.hosts)}
    hosts = []
    for name, address in addresses.items():
        home = state / "hosts" / name / "home"
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "python3").symlink_to(_base_interpreter())
        hosts.append(
            {
                "name": name,
                "address": address,
                "home": str(home),
                "key": str(new.write_host_key(name)),
                "accounts": authorized,
            }
        )
    spec = {"id": new.lab_id, "hide": [str(path.absolute()) for path in hide], "hosts": hosts}
    (state / "hosts.json").write_text(json.dumps(spec, indent=1))
    return addresses


def _concrete(
    template: Inventory, state: Path, addresses: Mapping[str, str], ports: Mapping[str, str]
) -> Inventory:
    hosts: dict[str, HostEntry] = {
        name: with_accounts(host, state, name).model_copy(
            update={"address": addresses[name], "port": ports[name]}
        )
        for name, host in template.hosts.items()
    }
    systems = {
        name: system if system.adopted else _system(name, system, template, state, addresses)
        for name, system in template.systems.items()
    }
    return template.model_copy(update={"hosts": hosts, "systems": systems, "state": state})


def _system(
    name: str,
    system: SystemEntry,
    template: Inventory,
    state: Path,
    addresses: Mapping[str, str],
) -> SystemEntry:
    """A system's endpoints on free ports of the hosts that carry its roles, and its secrets."""
    endpoints: dict[str, str] = {}
    for (its_system, endpoint), (role, scheme, port) in _PLACES.items():
        if its_system == name and (carriers := template.with_role(role)):
            address = addresses[carriers[0]]
            chosen = port or _free_port(address, endpoints)
            endpoints[endpoint] = f"{scheme}://{address}:{chosen}"
    update: dict[str, object] = {"endpoints": endpoints}
    if name == "classroom":
        update["ca"] = state / ca.CERTIFICATE
        update["secrets"] = {"api": f"file:{_classroom_secret(state)}"}
        if carriers := template.with_role("jenkins-master"):
            address = addresses[carriers[0]]
            update["webhook"] = f"http://{address}:{_free_port(address, endpoints)}/classroom"
    if name == "iec":
        update["secrets"] = {"kubeconfig": f"file:{state / 'secrets' / 'kubeconfig'}"}
    if name == "cvb":
        update["secrets"] = tokens(state, name, CVB_ROLES)
    if name == "jenkins":
        update["secrets"] = {ACCOUNTS[0]: f"file:{_jenkins_token(state)}"}
    return system.model_copy(update=update)


def _free_port(address: str, taken: Mapping[str, str]) -> int:
    """A port that nobody listens on; the address is the lab's own, so it stays free."""
    while True:
        with socket.create_server((address, 0)) as probe:
            port: int = probe.getsockname()[1]
        if not any(url.endswith(f"{address}:{port}") for url in taken.values()):
            return port


def _base_interpreter() -> str:
    """The interpreter behind the virtual environment: bare, as a host's own python3 is."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _classroom_secret(state: Path) -> Path:
    return state / "secrets" / "classroom"


def _jenkins_token(state: Path) -> Path:
    return state / "secrets" / "jenkins"
