from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.classroom.replay import ReplayServer, TlsFiles, make_tls_files


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def replay(tls: TlsFiles) -> Iterator[ReplayServer]:
    server = ReplayServer(tls)
    yield server
    server.close()
