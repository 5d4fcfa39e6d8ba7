from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.classroom_backend.running import Backend, running_backend


@pytest.fixture(scope="session")
def shared_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with running_backend(tmp_path_factory.mktemp("classroom-host")) as backend:
        yield backend


@pytest.fixture
def backend(shared_backend: Backend) -> Backend:
    """The backend, without any session."""
    with shared_backend.api() as api:
        for session in api.sessions():
            api.close_session(session.id)
    return shared_backend
