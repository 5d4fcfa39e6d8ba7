from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.iec.client import Cluster
from tests.iec.client import apiserver


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apiserver.ApiServer]:
    found = apiserver.binaries()
    if found is None:
        pytest.skip("no etcd and kube-apiserver: ./iec4 lab build, or KUBEBUILDER_ASSETS")
    with apiserver.running(found, tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture
def cluster(server: apiserver.ApiServer) -> Iterator[Cluster]:
    with Cluster(server.access) as opened:
        yield opened
