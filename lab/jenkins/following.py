"""Follows a build: from the queue to its number, its log, and its result.

Source: the recorded sequences run-*, queue-*, pipeline-* and safe-restart. An item that has left
the queue is there for five more minutes; after a restart it may be gone, and its build names it
(``queueId``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lab.errors import WaitTimeout
from lab.jenkins.access import job_path
from lab.jenkins.client import Client
from lab.jenkins.console import ConsoleLog, PieceCutOff
from lab.jenkins.errors import JenkinsError, NotFound, RequestRefused
from lab.jenkins.triggering import LOOKED_AT, Asked
from lab.wait import wait_for

T = TypeVar("T")

#: Seconds for the whole of it, unless said otherwise: a queue and a long run.
LONGEST_S = 12 * 3600.0
#: Seconds between two looks at most.
POLL_S = 1.0
#: Seconds for what is missing to show (again), as after a restart: an item, a log, the log's end.
MISSING_S = 30.0
#: Seconds for a build to end that was told to stop.
STOPS_S = 60.0

_ITEM = "cancelled,why,executable[number]"
_BUILD = "building,result"


@dataclass(frozen=True)
class Build:
    """A build by its job and number."""

    job: str
    number: int

    @property
    def path(self) -> str:
        return f"{job_path(self.job)}{self.number}/"

    def __str__(self) -> str:
        return f"{self.job} #{self.number}"


class Cancelled(JenkinsError):
    """The item was taken out of the queue; there is no build."""


class Follower:
    """``log`` gets the build's output, in whole lines; ``notice`` sentences about the way there.

    Seconds: ``timeout`` for all calls together, ``poll`` between two looks at most, ``missing``
    for what Jenkins must have and does not show.
    """

    def __init__(
        self,
        client: Client,
        *,
        log: Callable[[str], None],
        notice: Callable[[str], None],
        timeout: float = LONGEST_S,
        poll: float = POLL_S,
        missing: float = MISSING_S,
    ) -> None:
        self._client = client
        self._log = log
        self._notice = notice
        self._deadline = time.monotonic() + timeout
        self._poll = poll
        self._missing = missing

    def build_of(self, asked: Asked) -> Build:
        """Wait until the item has become a build. Raises `Cancelled`."""
        if asked.number is not None:
            return Build(asked.job, asked.number)
        told = None
        gone_since: float | None = None

        def probe() -> Build | None:
            nonlocal told, gone_since
            try:
                item = self._client.json(f"queue/item/{asked.item}/", tree=_ITEM)
            except NotFound:
                gone_since = gone_since or time.monotonic()
                return self._build_of_gone(asked, gone_since)
            gone_since = None
            if item.get("cancelled"):
                raise Cancelled(f"queue item {asked.item} of {asked.job} was cancelled")
            if executable := item.get("executable"):
                return Build(asked.job, int(executable["number"]))
            if item.get("why") and item["_class"] != told:  # its text has a countdown
                told = item["_class"]
                self._notice(f"queued: {item['why']}")
            return None

        return self._until(f"the start of {asked.job}", probe)

    def _build_of_gone(self, asked: Asked, since: float) -> Build | None:
        """The build that came of an item which the queue does not know any more."""
        tree = f"builds[number,queueId]{{0,{LOOKED_AT}}}"
        for build in self._client.json(job_path(asked.job), tree=tree).get("builds", []):
            if build.get("queueId") == asked.item:
                return Build(asked.job, int(build["number"]))
        if time.monotonic() > since + self._missing:
            raise JenkinsError(
                f"queue item {asked.item} of {asked.job} is gone",
                found=f"no build that came of it within {self._missing:g} s",
                expected="a build, or the item in the queue",
                advice="Jenkins lost it (a crash?); trigger it again",
            )
        return None

    def result_of(self, build: Build) -> str:
        """Pass the whole log on while it grows; returns Jenkins' word for the result."""
        log = ConsoleLog()
        result: str | None = None
        ended_at = 0.0

        def probe() -> bool:
            nonlocal result, ended_at
            grew, more = self._piece(build, log)
            if result is not None:
                return not more or time.monotonic() > ended_at + self._missing
            if not (grew and more):
                result = self._result(build)
                ended_at = time.monotonic()
            return False  # what was written up to the end comes with the next piece

        self._until(f"the end of {build}", probe)
        self._log(log.finish())
        return str(result)

    def _piece(self, build: Build, log: ConsoleLog) -> tuple[bool, bool]:
        """Read and pass on what is new: whether the log grew, and whether there may be more."""
        before = log.offset

        def probe() -> tuple[str, bool]:
            path = f"{build.path}logText/progressiveText"
            answer = self._client.get(path, start=log.offset)
            size = int(answer.headers["X-Text-Size"])
            return log.feed(size, answer.content), "X-More-Data" in answer.headers

        missing = (NotFound, PieceCutOff, KeyError)  # KeyError: an answer without the log's size
        try:
            text, more = wait_for(
                f"the log of {build}", probe, timeout=self._missing, not_yet=missing
            )
        except WaitTimeout as late:
            raise JenkinsError(f"{build} has no log", found=late.found) from None
        if text:
            self._log(text)
        return log.offset > before, more

    def _result(self, build: Build) -> str | None:
        """The result, None while it runs."""
        found = self.state(build)
        if found.get("building"):
            return None
        result: str | None = found.get("result")
        return result or self._until(  # a crash may have left it without one
            f"a result of {build}", lambda: self.state(build).get("result"), at_most=MISSING_S
        )

    def state(self, build: Build) -> dict[str, Any]:
        """``building`` and ``result`` (None while it runs)."""
        return dict(self._client.json(build.path, tree=_BUILD))

    def stop(self, asked: Asked, build: Build | None) -> str:
        """End what was asked for, queued or running; returns the result, or CANCELLED."""
        if build is None:
            try:
                self._client.post("queue/cancelItem", id=int(asked.item or 0))
            except (RequestRefused, NotFound):
                # 500: it has left the queue (recorded: queue-blocked-cancel-stop).
                self._notice("it has left the queue already")
            try:
                build = self.build_of(asked)
            except Cancelled:
                return "CANCELLED"
        self._client.post(f"{build.path}stop")
        running = build
        return self._until(f"the end of {build}", lambda: self._result(running), at_most=STOPS_S)

    def _until(self, what: str, probe: Callable[[], T | None], *, at_most: float = LONGEST_S) -> T:
        left = max(0.0, self._deadline - time.monotonic())
        return wait_for(
            what,
            probe,
            timeout=min(left, at_most),
            interval=self._poll / 4,
            slowest=self._poll,
            not_yet=(),
        )
