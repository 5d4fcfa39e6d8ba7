"""Loopback hosts that are taken for a real lab, with a stand-in for docker on them.

No container runs there: an "image" is a program of this machine, so what a recipe waits for
really answers.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import inventory as inventories
from lab.inventory import Inventory, load
from lab.loopback import lifecycle
from lab.recipe import Recipe, execute
from lab.session import Lab

#: image → what its container runs: the arguments, and the environment beside the container's own
Programs = Mapping[str, tuple[Sequence[str], Mapping[str, str]]]


def free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def bare_hosts(state: Path, **roles: Sequence[str]) -> Iterator[Inventory]:
    """Running loopback hosts: ``bare_hosts(state, edge=["tars-agent"])``."""
    template = Inventory(
        name="test",
        kind="embedded",
        profile="embedded",
        hosts={name: inventories.HostEntry(roles=tuple(of)) for name, of in roles.items()},
    )
    inventory = lifecycle.up(template, state, owner_pid=os.getpid(), ttl_s=300)
    try:
        yield inventory
    finally:
        lifecycle.down(state)


@dataclass
class House:
    """A real lab's inventory as a file, over loopback hosts."""

    file: Path
    system: str

    @classmethod
    def of(cls, hosts: Inventory, file: Path, system: str, entry: dict[str, Any]) -> House:
        data = hosts.model_dump(mode="json", exclude_none=True, exclude={"state"})
        data |= {"name": "house", "kind": "real", "profile": "lab", "systems": {system: entry}}
        file.write_text(yaml.safe_dump(data))
        return cls(file, system)

    def lab(self) -> Lab:
        return Lab(load(str(self.file)))

    def change(self, place: str, **values: Any) -> Lab:
        """The lab, with other values in one mapping of the system's entry."""
        data = yaml.safe_load(self.file.read_text())
        data["systems"][self.system].setdefault(place, {}).update(values)
        self.file.write_text(yaml.safe_dump(data))
        return self.lab()

    def said(self, lab: Lab, host: str) -> list[list[str]]:
        """Every argv that the host's docker was given so far."""
        lines = lab.host(host).check(["cat", "docker/argv"]).splitlines()
        return [json.loads(line) for line in lines]

    def made_in_the_past(self, lab: Lab, host: str) -> None:
        """Have the host's containers be older than whatever is written from now on.

        A file's time has whole seconds here; otherwise they might be the same.
        """
        script = 'sed -i "s/\\"created\\": \\"..../\\"created\\": \\"2001/" docker/containers/*'
        lab.host(host).check(["sh", "-c", script])


def bring_docker(lab: Lab, host: str, programs: Programs) -> None:
    """Put the stand-in on the host's PATH."""
    docker = Path(__file__).with_name("stand_in_docker.py").read_bytes()
    docker = docker.replace(b"/usr/bin/env python3", f"{sys.executable} -IS".encode(), 1)
    described = {
        image: {"argv": list(argv), "environment": dict(environment)}
        for image, (argv, environment) in programs.items()
    }
    there = lab.host(host)
    there.check(["mkdir", "-p", "bin", "docker"])
    there.put(docker, "bin/docker", mode=0o755)
    there.put(json.dumps(described).encode(), "docker/programs")


def deploy(recipe: Recipe, lab: Lab, *, waits: set[str]) -> dict[str, str]:
    """Deploy; "host: step title" → outcome, without what only waits."""
    outcomes: dict[str, str] = {}

    def done(what: Any) -> None:
        if what.step.title not in waits:
            outcomes[f"{what.step.host}: {what.step.title}"] = what.outcome

    execute(recipe.steps(lab), lab, done=done)
    return outcomes


def changed(outcomes: dict[str, str]) -> set[str]:
    return {step for step, outcome in outcomes.items() if outcome == "done"}


def runs(said: list[list[str]]) -> list[list[str]]:
    """The ``run`` commands, without what a label says."""
    return [
        [word if not word.startswith("iec4.made-from=") else "LABEL" for word in argv]
        for argv in said
        if argv[0] == "run"
    ]
