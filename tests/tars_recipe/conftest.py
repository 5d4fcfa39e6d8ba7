"""A Tars to be installed on loopback hosts, whose "images" are the embedded master and node."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.inventory import Inventory, load
from lab.nodejs import node_binary
from lab.payload import ROOT
from lab.recipe import execute
from lab.session import Lab
from lab.tars.recipe import recipe
from tests.containers.house import House, bare_hosts, bring_docker, free_port

FRAMEWORK = "registry.example.org/tarscloud/framework:v3.0.17"
NODE = f"tarscloud/tars-node@sha256:{'ab' * 32}"
MYSQL = "mysql:5.6"
PASSWORD = "canary-of-the-database"


@dataclass
class TarsHouse(House):
    def platform(self, **values: Any) -> Lab:
        """The lab, with other values in ``systems.tars.platform``."""
        return self.change("platform", **values)

    def without_ticket(self) -> None:
        """A deployment then ends with the containers: nothing asks TarsWeb."""
        data = yaml.safe_load(self.file.read_text())
        data["systems"]["tars"]["secrets"] = {}
        self.file.write_text(yaml.safe_dump(data))


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    state = tmp_path_factory.mktemp("lab") / "lab"
    roles = {"master": ["tars-master"], "edge": ["tars-agent"], "core": ["dc"]}
    with bare_hosts(state, **roles) as inventory:
        yield inventory


@pytest.fixture
def house(hosts: Inventory, tmp_path: Path) -> Iterator[TarsHouse]:
    """The hosts with docker on their PATH, and the inventory of a Tars to be installed."""
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "ticket").write_text("canary-of-the-ticket")
    master = str(hosts.hosts["master"].address)
    registry, web = (f"{master}:{free_port(master)}" for _ in range(2))
    entry = {
        "endpoints": {"registry": f"tcp://{registry}", "web": f"http://{web}"},
        "secrets": {"ticket": f"file:{tmp_path}/ticket"},
        "platform": {
            "framework": FRAMEWORK,
            "node": NODE,
            "database": {"image": MYSQL, "password": f"file:{tmp_path}/password"},
            "interfaces": {"core": "ens3"},
        },
    }
    house = TarsHouse.of(hosts, tmp_path / "house.yaml", "tars", entry)
    module = [sys.executable, "-m", "lab.tars.embedded."]
    environment = {"PYTHONPATH": str(ROOT), "PATH": f"{node_binary().parent}:/usr/bin:/bin"}
    with Lab(load(str(house.file))) as lab:
        programs = {}
        for name, host in lab.inventory.hosts.items():
            home = lab.host(name).check(["pwd"]).strip()
            options = ["--home", home, "--registry", registry]
            master_argv = [*module[:2], f"{module[2]}master", *options, "--web", web]
            node_argv = [*module[:2], f"{module[2]}node", *options, "--name", str(host.address)]
            programs[name] = {
                FRAMEWORK: (master_argv, environment),
                NODE: (node_argv, environment),
                MYSQL: (["sleep", "300"], environment),
            }
            bring_docker(lab, name, programs[name])
        try:
            yield house
        finally:
            for name in lab.inventory.hosts:
                bring_docker(lab, name, programs[name])
            execute(recipe(lab).removal(lab), lab)
            for name in lab.inventory.hosts:
                lab.host(name).run(["rm", "-rf", "docker", ".iec4/tars-master", ".iec4/tarsnode"])
