"""A platform with two nodes, shared by a module's tests; each uses an application of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tars_master.platforms import Platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(tmp_path_factory.mktemp("platform"))
    try:
        running.start_master()
        running.start_node(1)
        running.start_node(2)
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def lone_master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A master without nodes."""
    master = Platform(tmp_path_factory.mktemp("lone-master"))
    try:
        master.start_master()
        yield master
    finally:
        master.close()


@pytest.fixture
def application(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    return request.node.name.removeprefix("test_").translate(str.maketrans("[]-.", "____"))[:60]
