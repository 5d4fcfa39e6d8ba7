"""What the criteria of hosts share: the machines behind them, and what is required of these."""

from __future__ import annotations

import pytest
from testinfra.host import Host as Machine

from blueprints import baseline
from blueprints.baseline import Baseline
from fixtures.machines import machine
from lab.session import Lab
from lab.task import Task


@pytest.fixture(scope="module")
def machines(lab: Lab) -> dict[str, Machine]:
    """Every host by name, asked as its root; raises `HostError` when one cannot be."""
    return {name: machine(lab.host(name)) for name in lab.inventory.hosts}


@pytest.fixture(scope="module")
def required(task: Task) -> Baseline:
    return baseline.load(task.blueprint)
