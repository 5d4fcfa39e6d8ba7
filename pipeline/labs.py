"""What the ``lab`` commands do; each returns an exit code."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from lab import inventory as inventories
from lab.inventory import Inventory
from lab.session import Lab
from lab.task import OURS, running_lab, state_of
from pipeline import story


def up(name: str | None) -> int:
    started = time.monotonic()
    template, state = _ours(name)
    lifecycle = story.lifecycle_of(template)
    inventory = lifecycle.up(template, state, owner_pid=None, ttl_s=story.LAB_TTL_S)
    for host_name, host in inventory.hosts.items():
        print(f"{host_name:<16} {host.address}:{host.port}  {', '.join(host.roles)}")
    print(f"up in {time.monotonic() - started:.1f} s; inventory: {state / 'inventory.yaml'}")
    return 0


def status(name: str | None, *, as_json: bool) -> int:
    template, state = _ours(name)
    hosts = story.lifecycle_of(template).status(state)
    if as_json:
        print(json.dumps([vars(host) for host in hosts], indent=2, default=str))
        return 0
    for host in hosts:
        print(
            f"{host.name:<16} {host.address}:{host.port}  {host.processes} processes, "
            f"{host.rss_bytes / 2**20:.0f} MiB"
        )
    from lab.faults import active

    print("faults: " + (", ".join(active(inventories.load(running_lab(name)))) or "none"))
    return 0


def down(name: str | None) -> int:
    template, state = _ours(name)
    story.lifecycle_of(template).down(state)
    return 0


def _ours(name: str | None) -> tuple[Inventory, Path]:
    """The template of a lab that the suite makes, and where ``lab up`` keeps it."""
    template = inventories.load(name or OURS[0])
    return template, state_of(template.name)


def check(name: str | None, *, as_json: bool) -> int:
    from lab.checkup import check

    inventory = inventories.load(running_lab(name))
    with Lab(inventory) as lab:
        findings = check(lab)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            mark = "ok" if finding.ok else "BAD"
            print(
                f"{mark:<4} {finding.kind:<9} {finding.name:<28} {finding.address or '-':<24} "
                f"{finding.duration_s:5.2f} s  {finding.says}"
            )
    return 0 if all(finding.ok for finding in findings) else 3


def fault_list() -> int:
    from lab.faults import catalogue

    for name, fault in catalogue().items():
        print(f"{name:<28} {', '.join(fault.roles):<14} {fault.does}")
    return 0


def fault_set(name: str, lab: str | None, *, inject: bool) -> int:
    from lab import faults

    inventory = inventories.load(running_lab(lab))
    for one in [name] if name else faults.active(inventory):
        if inject:
            faults.inject(inventory, one)
        else:
            faults.clear(inventory, one)
        print(f"{one}: {'injected' if inject else 'cleared'}")
    return 0
