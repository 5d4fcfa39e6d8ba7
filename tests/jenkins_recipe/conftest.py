"""Loopback hosts that are taken for a real lab, with a stand-in for Java and for Jenkins.

No war can be had from the package registries, so none of these tests needs one: `java` on the
hosts is a script that runs the "war" with Python.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab import inventory as inventories
from lab.inventory import Inventory, load
from lab.jenkins.plugins import CONFIGURING, pinned_plugins
from lab.loopback import lifecycle
from lab.payload import ROOT
from lab.session import Lab

PASSWORD = "canary-of-the-suite"
SECRETS = {
    "suite": PASSWORD,
    "admin": "canary-of-an-admin",
    "nexus": "canary-of-nexus:pass",
    "signing": "canary-of-the-signing-key\nsecond line",
}
JAVA = """#!/bin/sh
if [ "$1" = -version ]; then
    echo 'openjdk version "17.0.15" 2025-04-15' >&2
    exit 0
fi
while [ "$1" != -jar ]; do shift; done
shift
PYTHONPATH={root} exec {python} "$@"
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def offered(tmp_path: Path) -> Path:
    """A directory with a war, every pinned plugin, their sums, and secrets."""
    directory = tmp_path / "offered"
    directory.mkdir()
    war = Path(__file__).with_name("stand_in_war.py").read_bytes()
    (directory / "jenkins.war").write_bytes(war)
    sums = []
    for name, version in {**pinned_plugins(), **CONFIGURING}.items():
        (directory / f"{name}-{version}.hpi").write_text(version)
        sums.append(f"{sha256(version.encode())}  {name}-{version}.hpi\n")
    (directory / "SHA256SUMS").write_text("".join(sums))
    for name, value in SECRETS.items():
        (directory / name).write_text(value)
    return directory


def install_entry(offered: Path) -> dict[str, object]:
    """``systems.jenkins.install`` as a person writes it."""
    return {
        "war": {
            "at": f"{offered}/jenkins.war",
            "sha256": sha256((offered / "jenkins.war").read_bytes()),
        },
        "plugins": {"at": f"{offered}/{{name}}-{{version}}.hpi", "sums": f"{offered}/SHA256SUMS"},
        "agents": {"edge": ["iec4", "tars-agent"], "master": ["beside"]},
        "admins": {"root": f"file:{offered}/admin"},
        "credentials": {
            "iec4-nexus": {"user": "up", "password": f"file:{offered}/nexus"},
            "iec4-signing-key": {"file": f"file:{offered}/signing"},
        },
        "resource_root": "http://reports.example.org",
        "labs": ["other"],
    }


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    """Two bare hosts with a stand-in Java."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IEC4_CACHE", str(tmp_path_factory.mktemp("cache")))
        template = Inventory(
            name="test",
            kind="embedded",
            profile="embedded",
            hosts={
                "master": inventories.HostEntry(roles=("jenkins-master",)),
                "edge": inventories.HostEntry(roles=("tars-agent",)),
            },
        )
        state = tmp_path_factory.mktemp("lab") / "lab"
        inventory = lifecycle.up(template, state, owner_pid=os.getpid(), ttl_s=300)
        try:
            with Lab(inventory) as lab:
                java = JAVA.format(root=ROOT, python=sys.executable).encode()
                for name in inventory.hosts:
                    lab.host(name).run(["mkdir", "-p", "bin"]).check()
                    lab.host(name).put(java, "bin/java", mode=0o755)
            yield inventory
        finally:
            lifecycle.down(state)


@pytest.fixture
def inventory_file(hosts: Inventory, offered: Path, tmp_path: Path) -> Path:
    """The inventory of a real lab on these hosts, whose Jenkins is to be installed."""
    address = hosts.hosts["master"].address
    with socket.create_server((str(address), 0)) as probe:
        port = probe.getsockname()[1]
    data = hosts.model_dump(mode="json", exclude_none=True, exclude={"state"})
    data |= {"name": "house", "kind": "real", "profile": "lab"}
    data["systems"] = {
        "jenkins": {
            "endpoints": {"web": f"http://{address}:{port}/ci"},
            "secrets": {"iec4": f"file:{offered}/suite"},
            "install": install_entry(offered),
        }
    }
    file = tmp_path / "house.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "cache"
    monkeypatch.setenv("IEC4_CACHE", str(directory))
    return directory


@pytest.fixture
def lab(inventory_file: Path, cache: Path) -> Iterator[Lab]:
    from lab.jenkins.recipe import recipe
    from lab.recipe import execute

    with Lab(load(str(inventory_file))) as lab:
        try:
            yield lab
        finally:
            execute(recipe(lab).removal(lab), lab)
