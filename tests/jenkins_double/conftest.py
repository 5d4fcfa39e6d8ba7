"""One embedded Jenkins for a module's tests, and one of its own for a test that changes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jenkins_double.running import Master, running_master


@pytest.fixture(scope="module")
def shared_master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """For tests that use names of their own, and leave the rest as it is."""
    with running_master(tmp_path_factory.mktemp("jenkins")) as master:
        yield master


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    with running_master(tmp_path) as started:
        yield started
