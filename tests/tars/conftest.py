from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.tars.client import TarsClient
from lab.tars.echo_client import Echo
from tests.tars.running_echo import RunningEcho, running_echo
from tests.tars.scripted_server import ScriptedServer


@pytest.fixture(scope="session")
def echo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEcho]:
    """One for all tests that neither end it nor inject faults into it."""
    with running_echo(tmp_path_factory.mktemp("echo")) as running:
        yield running


@pytest.fixture
def echo(echo_server: RunningEcho) -> Iterator[Echo]:
    with TarsClient(echo_server.address) as client:
        yield Echo(client)


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server
