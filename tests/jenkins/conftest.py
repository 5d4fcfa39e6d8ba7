"""A Jenkins to speak to: recorded answers on a real socket."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lab import secrets
from lab.jenkins.access import Access
from lab.jenkins.client import Client
from tests.jenkins.relay import Relay, relayed
from tests.jenkins.replay import Replay
from tests.jenkins_double.running import TOKEN as MASTER_TOKEN
from tests.jenkins_double.running import Master, running_master

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


@dataclass(frozen=True)
class Server:
    """A Jenkins that runs jobs: the one at JENKINS_URL when JENKINS_USER and JENKINS_TOKEN say as
    whom, else the embedded one. ``prefix`` begins the names of the jobs that these tests make."""

    url: str
    user: str
    token: str
    prefix: str
    master: Master | None = None

    def client(self, url: str = "", **options: Any) -> Client:
        return Client(Access(url or self.url, self.user, self.token), **options)

    @property
    def environment(self) -> dict[str, str]:
        """What the command line needs to reach it."""
        secret = secrets.resolve(self.token)
        return {"JENKINS_URL": self.url, "JENKINS_USER": self.user, "JENKINS_TOKEN": secret}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    prefix = f"iec4-test-{os.urandom(4).hex()}"
    url, user = os.environ.get("JENKINS_URL"), os.environ.get("JENKINS_USER")
    if url and user:  # a build on a Jenkins has the URL alone
        found = Server(url, user, "env:JENKINS_TOKEN", prefix)
        yield found
        _remove_jobs(found)
        return
    home = tmp_path_factory.mktemp("jenkins")
    (home / "token").write_text(MASTER_TOKEN)
    with running_master(home / "master", "--quiet-period", "0", context="/ci") as master:
        yield Server(master.url, "admin", f"file:{home / 'token'}", prefix, master)


def _remove_jobs(server: Server) -> None:
    client = server.client()
    for job in client.jobs.get_jobs():
        if job["fullname"].startswith(server.prefix):
            client.jobs.delete_job(job["fullname"])


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    """The server behind something that loses what the test chooses."""
    with relayed(server.url) as started:
        yield started
