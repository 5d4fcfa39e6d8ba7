from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab.classroom.attendee import ClassroomLoop
from lab.classroom.rest import ClassroomApi
from lab.faultflags import DIRECTORY
from tests.classroom.people import Class
from tests.classroom.replay import ReplayServer, TlsFiles, make_tls_files
from tests.classroom_backend.running import Backend, running_backend


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def replay(tls: TlsFiles) -> Iterator[ReplayServer]:
    server = ReplayServer(tls)
    yield server
    server.close()


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """The embedded backend in a process of its own; a lost socket may come back for 1 s."""
    with running_backend(tmp_path_factory.mktemp("home"), "--reconnection-s", "1") as backend:
        yield backend


@pytest.fixture
def api(backend: Backend) -> Iterator[ClassroomApi]:
    with backend.api() as api:
        yield api


@pytest.fixture
def loop() -> Iterator[ClassroomLoop]:
    with ClassroomLoop() as loop:
        yield loop


@pytest.fixture
def session(api: ClassroomApi) -> str:
    return api.create_session().id


@pytest.fixture
def inject(backend: Backend) -> Iterator[Callable[[str], None]]:
    """Inject a fault by its flag; all are cleared in the end."""
    directory = backend.home / DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    yield lambda name: (directory / name).touch()
    for flag in directory.iterdir():
        flag.unlink()


@pytest.fixture
def lesson(backend: Backend, api: ClassroomApi, loop: ClassroomLoop, session: str) -> Class:
    return Class(backend, api, loop, session)
