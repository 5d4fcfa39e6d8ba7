"""Loopback hosts that are taken for a real lab, with a stand-in for docker.

No container runs on them: "images" are the embedded master and node, so what the recipe waits
for really answers.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import inventory as inventories
from lab.inventory import Inventory, load
from lab.loopback import lifecycle
from lab.nodejs import node_binary
from lab.payload import ROOT
from lab.recipe import execute
from lab.session import Lab
from lab.tars.recipe import recipe

FRAMEWORK = "registry.example.org/tarscloud/framework:v3.0.17"
NODE = f"tarscloud/tars-node@sha256:{'ab' * 32}"
MYSQL = "mysql:5.6"
PASSWORD = "canary-of-the-database"

_ROLES = {"master": ("tars-master",), "edge": ("tars-agent",), "core": ("dc",)}


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class House:
    """A real lab's inventory as a file, over loopback hosts."""

    file: Path
    hosts: Inventory

    def lab(self, **platform: Any) -> Lab:
        """The lab, with other values in ``systems.tars.platform``."""
        data = yaml.safe_load(self.file.read_text())
        data["systems"]["tars"]["platform"] |= platform
        self.file.write_text(yaml.safe_dump(data))
        return Lab(load(str(self.file)))

    def without_ticket(self) -> None:
        """A deployment then ends with the containers: nothing asks TarsWeb."""
        data = yaml.safe_load(self.file.read_text())
        data["systems"]["tars"]["secrets"] = {}
        self.file.write_text(yaml.safe_dump(data))

    def said(self, lab: Lab, host: str) -> list[list[str]]:
        """Every argv that the host's docker was given so far."""
        lines = lab.host(host).check(["cat", "docker/argv"]).splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    template = Inventory(
        name="test",
        kind="embedded",
        profile="embedded",
        hosts={name: inventories.HostEntry(roles=roles) for name, roles in _ROLES.items()},
    )
    state = tmp_path_factory.mktemp("lab") / "lab"
    inventory = lifecycle.up(template, state, owner_pid=os.getpid(), ttl_s=300)
    try:
        yield inventory
    finally:
        lifecycle.down(state)


@pytest.fixture
def house(hosts: Inventory, tmp_path: Path) -> Iterator[House]:
    """The hosts with docker on their PATH, and the inventory of a Tars to be installed."""
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "ticket").write_text("canary-of-the-ticket")
    master = str(hosts.hosts["master"].address)
    registry, web = (f"{master}:{_free_port(master)}" for _ in range(2))
    data = hosts.model_dump(mode="json", exclude_none=True, exclude={"state"})
    data |= {"name": "house", "kind": "real", "profile": "lab"}
    data["systems"] = {
        "tars": {
            "endpoints": {"registry": f"tcp://{registry}", "web": f"http://{web}"},
            "secrets": {"ticket": f"file:{tmp_path}/ticket"},
            "platform": {
                "framework": FRAMEWORK,
                "node": NODE,
                "database": {"image": MYSQL, "password": f"file:{tmp_path}/password"},
                "interfaces": {"core": "ens3"},
            },
        }
    }
    file = tmp_path / "house.yaml"
    file.write_text(yaml.safe_dump(data))
    module = [sys.executable, "-m", "lab.tars.embedded."]
    environment = {"PYTHONPATH": str(ROOT), "PATH": f"{node_binary().parent}:/usr/bin:/bin"}
    docker = Path(__file__).with_name("stand_in_docker.py").read_bytes()
    docker = docker.replace(b"/usr/bin/env python3", f"{sys.executable} -IS".encode(), 1)
    with Lab(load(str(file))) as lab:
        for name, entry in lab.inventory.hosts.items():
            host = lab.host(name)
            home = host.check(["pwd"]).strip()
            options = ["--home", home, "--registry", registry]
            programs = {
                FRAMEWORK: [*module[:2], f"{module[2]}master", *options, "--web", web],
                NODE: [*module[:2], f"{module[2]}node", *options, "--name", str(entry.address)],
                MYSQL: ["sleep", "300"],
            }
            described = {
                image: {"argv": argv, "environment": environment}
                for image, argv in programs.items()
            }
            host.run(["mkdir", "-p", "bin", "docker"]).check()
            host.put(docker, "bin/docker", mode=0o755)
            host.put(json.dumps(described).encode(), "docker/programs")
        try:
            yield House(file, hosts)
        finally:
            for name in lab.inventory.hosts:
                lab.host(name).put(docker, "bin/docker", mode=0o755)
            execute(recipe(lab).removal(lab), lab)
            for name in lab.inventory.hosts:
                lab.host(name).run(["rm", "-rf", "docker", ".iec4/tars-master", ".iec4/tarsnode"])
