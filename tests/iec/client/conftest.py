from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.iec import binaries
from lab.iec.client import Cluster
from tests.iec.client import apiserver


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apiserver.ApiServer]:
    if lacking := binaries.missing(apiserver.NEEDED):
        pytest.skip(lacking)
    with apiserver.running(
        binaries.find(apiserver.NEEDED), tmp_path_factory.mktemp("control-plane")
    ) as running:
        yield running


@pytest.fixture
def cluster(server: apiserver.ApiServer) -> Iterator[Cluster]:
    with Cluster(server.access) as opened:
        yield opened
