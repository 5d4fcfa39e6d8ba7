"""A build while it runs: its log, workspace and variables, its result, and how it is stopped."""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab.jenkins.embedded import console
from lab.jenkins.embedded.console import Console
from lab.jenkins.embedded.jobconfig import JobConfig
from lab.jenkins.embedded.keeper import COOKIE
from lab.jenkins.embedded.nodes import Keeper, Node, NodeDown, Step
from lab.jenkins.embedded.store import BuildRow

T = TypeVar("T")

#: Results, from the best to the worst.
RESULTS = ("SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED")


@dataclass(frozen=True)
class Place:
    """What a build is given: ``directory`` for its files, ``credentials`` by id, and URLs.

    ``job_url`` and ``base_url`` end with a slash.
    """

    directory: Path
    credentials: Path
    base_url: str
    job_url: str
    #: Whether what steps write reaches the log (not so by a fault).
    keeps_output: bool = True


class BuildFailed(Exception):
    """The build cannot go on; the text is what its log says."""


class Stopped(Exception):
    """The build was stopped, by a person or a time-out."""


class Running(ABC):
    """A build that runs. A subclass says what is done in `perform`."""

    def __init__(self, row: BuildRow, config: JobConfig, place: Place) -> None:
        self.row = row
        self.config = config
        self.place = place
        self.result = "SUCCESS"
        self.console = Console(place.directory / "log")
        self.description: str | None = None
        self.stopped_by: str | None = None
        self.cookie = secrets.token_hex(16)
        self.node: Node | None = None
        self.workspace = ""
        #: Further variables of its steps: bound secrets, a pipeline's environment.
        self.bound: dict[str, str] = {}
        self.let_go = False
        self._stop = asyncio.Event()
        self._left: asyncio.Task[Any] | None = None

    @property
    def job(self) -> str:
        return self.row.item

    @property
    def artifacts(self) -> Path:
        return self.place.directory / "archive"

    def worsen(self, result: str) -> None:
        if RESULTS.index(result) > RESULTS.index(self.result):
            self.result = result

    def stop(self, user: str, *, let_go: bool = False) -> None:
        """End what runs. ``let_go``: say so, and leave the processes (a fault)."""
        if self.stopped_by is None:
            self.stopped_by = user
            self.let_go = let_go
            self._stop.set()

    @abstractmethod
    async def perform(self) -> None:
        """Do the build's work, and set its result."""

    async def run(self) -> None:
        """The whole build: from its first line to its last. The row is not touched."""
        for user in self.row.causes:
            self.console.write(b"Started by user " + console.NOTE + user.encode() + b"\n")
        keeper = await Keeper.start(self.cookie)
        try:
            await self.perform()
        except (NodeDown, BuildFailed) as error:
            self.console.line(f"ERROR: {error}")
            self.worsen("FAILURE")
        finally:
            if not self.let_go:
                if self.node is not None:
                    await self.node.end_processes(self.cookie)
                await keeper.end()
        self.console.line(f"Finished: {self.result}")
        self.console.close()

    async def stoppable(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` unless `stop` ends it, or has been called before; then raises `Stopped`."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Stopped
            return task.result()
        finally:
            stop.cancel()
            if self.let_go:
                self._left = task
            elif not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def step(self, script: str, *, title: str | None = None) -> int:
        """Run a shell step in the workspace; returns its status. Raises `NodeDown`."""
        assert self.node is not None, "a build has a node before its steps"
        step = Step(script, self.workspace, self.variables(), title)
        write = self.console.write if self.place.keeps_output else _lose
        status = await self.node.run(step, write)
        self.console.flush()
        return status

    def variables(self) -> dict[str, str]:
        """The variables of its steps: Jenkins' own, those of its node while it has one, and the
        build's parameters.
        """
        row, base = self.row, self.row.item.rpartition("/")[2]
        own = {
            "BUILD_DISPLAY_NAME": f"#{row.number}",
            "BUILD_ID": str(row.number),
            "BUILD_NUMBER": str(row.number),
            "BUILD_TAG": f"jenkins-{row.item.replace('/', '-')}-{row.number}",
            "BUILD_URL": f"{self.place.job_url}{row.number}/",
            "CI": "true",
            "JENKINS_URL": self.place.base_url,
            "JOB_BASE_NAME": base,
            "JOB_NAME": row.item,
            "JOB_URL": self.place.job_url,
            COOKIE: self.cookie,
        }
        if self.node is not None:
            own |= {
                "NODE_LABELS": " ".join(self.node.labels),
                "NODE_NAME": self.node.environment_name,
                "WORKSPACE": self.workspace,
            }
        return own | {name: _as_text(value) for _, name, value in row.parameters} | self.bound

    def credential(self, identifier: str) -> str:
        """The secret of an id, masked in the log from now on. Raises `BuildFailed` without one."""
        with suppress(OSError):
            if "/" not in identifier:
                secret = (self.place.credentials / identifier).read_text().rstrip("\n")
                self.console.mask(secret)
                return secret
        raise BuildFailed(f"Could not find credentials entry with ID '{identifier}'")


def _lose(_output: bytes) -> None:
    """What becomes of output by the fault jenkins.output-lost."""


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
