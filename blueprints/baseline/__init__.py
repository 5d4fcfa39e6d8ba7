"""How the hosts' operating system must be, as data: ``blueprints/baseline/<blueprint>.yaml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from blueprints.config import Document, Model
from blueprints.errors import ConfigError
from blueprints.model import Blueprint
from blueprints.words import PROFILES

DIRECTORY = Path(__file__).parent


class Size(Model):
    """What a machine has at least."""

    cpus: int = Field(gt=0)
    memory_gib: int = Field(gt=0)
    disk_gib: int = Field(gt=0)


class Baseline(Model):
    """One blueprint's; the file says what each value means."""

    releases: dict[str, tuple[str, ...]]
    kernel: str = Field(pattern=r"^\d+\.\d+$")
    nics: int = Field(gt=0)
    link_mbits: int = Field(gt=0)
    stratum: int = Field(gt=0, lt=16)
    modules: tuple[str, ...]
    smaller: dict[str, Size]
    sysctl: dict[str, str]
    sshd: dict[str, str]
    password_days: int = Field(gt=0)
    modes: dict[str, str]

    def size(self, blueprint: Blueprint, roles: tuple[str, ...], profile: str) -> Size:
        """What a host with these roles has at least; raises `ConfigError`."""
        if profile in self.smaller:
            return self.smaller[profile]
        node = blueprint.machine(roles)
        return Size(cpus=node.cpus, memory_gib=node.memory_gib, disk_gib=node.disk_gib)


def load(blueprint: Blueprint) -> Baseline:
    """The baseline that goes with a blueprint; raises `ConfigError`."""
    path = DIRECTORY / f"{blueprint.name}.yaml"
    if not path.exists():
        raise ConfigError(f"blueprint {blueprint.name} has no baseline for its hosts: {path}")
    document = Document(path)
    baseline = document.load(Baseline)
    for profile in baseline.smaller:
        if profile not in PROFILES:
            raise document.error("smaller", profile, says=f"unknown profile {profile!r}")
    return baseline
