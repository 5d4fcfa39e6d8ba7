"""A Jenkins to speak to: recorded answers on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab.jenkins.access import Access
from lab.jenkins.client import Client
from tests.jenkins.replay import Replay

TOKEN = "made-up-token-4711"


@pytest.fixture
def replay() -> Iterator[Replay]:
    with Replay() as server:
        yield server
    assert server.unexpected == []


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Client]:
    """A client of a server's URL; ``user=None`` for an anonymous one."""

    def client(url: str, *, user: str | None = "admin", **options: object) -> Client:
        monkeypatch.setenv("REPLAY_TOKEN", TOKEN)
        token = "env:REPLAY_TOKEN" if user else None
        ca = options.pop("ca", None)
        return Client(Access(url, user, token, ca), **options)

    return client
