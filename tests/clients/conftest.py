"""An embedded lab whose edge host is taken for one that carries the clients' virtual machines.

Its KVM is this machine's; its libvirt is a stand-in for virsh that tells what is in files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fixtures.labs import running_lab, template
from lab.inventory import load
from lab.payload import ROOT
from lab.session import Lab

#: Answers as virsh of libvirt 10 does, where it is asked as the suite asks.
VIRSH = """#!/bin/sh
[ "$1 $2 $LC_ALL" = "--connect qemu:///system C" ] || exit 2
case $3 in
    version) cat domains/version ;;
    dominfo)
        [ -f "domains/$4" ] || { echo "error: failed to get domain '$4'" >&2; exit 1; }
        cat "domains/$4" ;;
    *) exit 2 ;;
esac
"""
VERSION = """Compiled against library: libvirt 10.0.0
Using library: libvirt 10.0.0
Using API: QEMU 10.0.0
Running hypervisor: QEMU 8.2.2
"""
DOMINFO = """Id:             3
Name:           {name}
UUID:           6f1c2a6e-6a1d-4a37-8c0c-5a4d8a4f2b11
OS Type:        hvm
State:          {state}
CPU(s):         {cpus}
CPU time:       812.4s
Max memory:     {memory} KiB
Used memory:    {memory} KiB
Persistent:     yes
Autostart:      {autostart}
Managed save:   no
Security model: apparmor
Security DOI:   0
"""


@dataclass
class EdgeHouse:
    """The lab's inventory as a file, and its edge host's stand-in for libvirt."""

    file: Path

    def lab(self) -> Lab:
        return Lab(load(str(self.file)))

    def domain(
        self,
        name: str,
        *,
        state: str = "running",
        cpus: int = 2,
        memory: int = 4 * 2**20,
        autostart: str = "enable",
    ) -> None:
        """Have libvirt tell this of a domain."""
        told = DOMINFO.format(name=name, state=state, cpus=cpus, memory=memory, autostart=autostart)
        with self.lab() as lab:
            lab.host("edge").put(told.encode(), f"domains/{name}")

    def judge(self) -> dict[str, str]:
        """Judge the machines' criteria; test → PASSED, or FAILED and the reason."""
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "validation/os/test_machines.py",
                "-p", "no:cacheprovider", "-p", "no:randomly", "-rA", "--tb=no", "-q",
            ],
            cwd=ROOT,
            env={**os.environ, "IEC4_LAB": str(self.file), "COLUMNS": "500"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )  # fmt: skip
        told = {}
        for line in done.stdout.splitlines():
            verdict, _, rest = line.partition(" validation/os/test_machines.py::")
            if rest:
                test, _, reason = rest.partition(" - ")
                told[test] = f"{verdict} {reason}".strip()
        assert len(told) == 5, done.stdout
        return told


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeHouse]:
    directory = tmp_path_factory.mktemp("edge")
    hosts = template(edge=["tars-agent"], teacher=["teacher"], student=["student"])
    with running_lab(hosts, directory / "lab") as inventory:
        data = inventory.model_dump(mode="json", exclude_none=True)
        data["hosts"]["edge"]["capabilities"] = ["kvm"]
        for role in ("teacher", "student"):
            data["hosts"][role]["vm"] = {"on": "edge", "domain": f"iec4-{role}"}
        file = directory / "edge.yaml"
        file.write_text(yaml.safe_dump(data))
        house = EdgeHouse(file)
        with house.lab() as lab:
            edge = lab.host("edge")
            edge.check(["mkdir", "-p", "bin", "domains"])
            edge.put(VIRSH.encode(), "bin/virsh", mode=0o755)
            edge.put(VERSION.encode(), "domains/version")
        yield house
