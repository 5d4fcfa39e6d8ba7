"""What the ``lab`` commands do; each returns an exit code."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

from lab import inventory as inventories
from lab.session import Lab
from lab.task import running_lab
from pipeline import story


def up() -> int:
    from lab.loopback.lifecycle import up

    started = time.monotonic()
    state = story.embedded_state()
    inventory = up(inventories.load("embedded"), state, owner_pid=None, ttl_s=story.LAB_TTL_S)
    for name, host in inventory.hosts.items():
        print(f"{name:<16} {host.address}:{host.port}  {', '.join(host.roles)}")
    print(f"up in {time.monotonic() - started:.1f} s; inventory: {state / 'inventory.yaml'}")
    return 0


def status(*, as_json: bool) -> int:
    from lab.loopback.lifecycle import status

    state = story.embedded_state()
    hosts = status(state)
    if as_json:
        print(json.dumps([vars(host) for host in hosts], indent=2, default=str))
        return 0
    for host in hosts:
        print(
            f"{host.name:<16} {host.address}:{host.port}  {host.processes} processes, "
            f"{host.rss_bytes / 2**20:.0f} MiB"
        )
    from lab.faults import active

    print("faults: " + (", ".join(active(inventories.load(running_lab()))) or "none"))
    return 0


def down() -> int:
    from lab.loopback.lifecycle import down

    down(story.embedded_state())
    return 0


def check(name: str | None, *, as_json: bool) -> int:
    from lab.checkup import check

    inventory = inventories.load(name or running_lab())
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

    inventory = inventories.load(lab or running_lab())
    for one in [name] if name else faults.active(inventory):
        if inject:
            faults.inject(inventory, one)
        else:
            faults.clear(inventory, one)
        print(f"{one}: {'injected' if inject else 'cleared'}")
    return 0
