"""The command line as a person meets it: a process, its streams, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import inventory as inventories
from lab.inventory import Inventory
from lab.loopback.lifecycle import down, up

Iec4 = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def iec4(tmp_path: Path) -> Iec4:
    """Run a command in a directory of the test's own, with a cache of its own for labs."""

    def run(*arguments: str, timeout: float = 100, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=tmp_path,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Inventory]:
    """An embedded lab that is up, as ``lab up`` leaves it."""
    state = tmp_path / "lab"
    yield up(inventories.load("embedded"), state, owner_pid=os.getpid(), ttl_s=300)
    down(state)
