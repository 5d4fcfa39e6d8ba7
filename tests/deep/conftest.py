"""A deep lab of two machines, where this machine can have one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.labs import TTL_S
from lab.deep.lifecycle import down, missing, up
from lab.inventory import HostEntry, Inventory

TEMPLATE = Inventory(
    name="test",
    kind="deep",
    profile="embedded",
    capabilities=("faults", "own-root"),
    hosts={
        "one": HostEntry(roles=("dc",), sudo=True),
        "two": HostEntry(roles=("student",), sudo=True),
    },
)


@pytest.fixture(scope="session")
def needs_root() -> None:
    """SKIP where this machine cannot have a deep lab, with what to do about it."""
    if lack := missing():
        pytest.skip(lack)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own: its labs are not swept by others."""
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@contextmanager
def running(state: Path) -> Iterator[Inventory]:
    """A deep lab, down again at the end of the context."""
    inventory = up(TEMPLATE, state, owner_pid=os.getpid(), ttl_s=TTL_S)
    try:
        yield inventory
    finally:
        down(state)


@pytest.fixture(scope="module")
def inventory(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IEC4_CACHE", str(tmp_path_factory.mktemp("cache")))
        with running(tmp_path_factory.mktemp("lab")) as inventory:
            yield inventory
