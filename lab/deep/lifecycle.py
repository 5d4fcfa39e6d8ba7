"""Bringing a deep lab up, and looking at it; `lab.loopback.state` has what all labs share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from blueprints.errors import ConfigError
from lab.deep.inside import NAMESPACES, PATH, first_process
from lab.inventory import Inventory
from lab.loopback.cleanup import descendants
from lab.loopback.state import (
    HostStatus,
    Making,
    down,
    hosts_status,
    making,
    with_accounts,
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


def missing() -> str | None:
    """What this machine lacks for a deep lab, and what to do about it; None when nothing."""
    if os.geteuid() != 0:
        return "a deep lab makes machines of namespaces: run it as root (sudo ./iec4 ...)"
    packages = sorted({p for c, p in _COMMANDS.items() if shutil.which(c, path=PATH) is None})
    if packages:
        return (
            f"a deep lab's machines share this machine's programs; it lacks {', '.join(packages)}: "
            f"apt-get install --no-install-recommends {' '.join(packages)}"
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
    with making(state) as new:
        _lay_out(template, new)
        addresses = new.start("lab.deep.keeper", owner_pid=owner_pid, ttl_s=ttl_s)
        hosts = {
            name: with_accounts(host, state, name).model_copy(
                update={"address": addresses[name], "port": 22}
            )
            for name, host in template.hosts.items()
        }
        return new.write_inventory(template.model_copy(update={"hosts": hosts, "state": state}))


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
    for name in template.hosts:
        (new.state / "hosts" / name / "home").mkdir(parents=True)
        new.write_host_key(name)
    specification = {"hosts": list(template.hosts), "accounts": accounts}
    (new.state / "hosts.json").write_text(json.dumps(specification, indent=1))
