"""What ties Robot tests to criteria: one task, one lab and one recorder for the process.

Keyword libraries derive from `CriterionLibrary`, which listens to the tests of the suites
that import it: a test names its criterion by a tag, is skipped where a capability is
missing, and is blocked where what it stands on is down.
"""

from __future__ import annotations

import atexit
from functools import cache
from typing import Any

from robot.errors import ExecutionFailed
from robot.result import TestCase as ResultTest
from robot.running import TestCase as RunningTest

from blueprints.errors import ConfigError
from blueprints.evidence import Evidence, Recorder
from blueprints.model import Criterion
from lab import secrets
from lab.errors import LabError
from lab.session import Lab
from lab.task import Task

#: How Robot's signal handler ends the keyword that is running, and its message.
Evidence.interruptions += (ExecutionFailed,)
_TERMINATED = "Execution terminated by signal"


@cache
def task() -> Task:
    """What this process was asked to judge."""
    found = Task.from_environment()
    secrets.learn(found.inventory)
    return found


@cache
def recorder() -> Recorder:
    return task().recorder()


@cache
def lab() -> Lab:
    """The lab, open until the process ends."""
    opened = Lab(task().inventory)
    atexit.register(opened.close)
    return opened


def evidence() -> Evidence:
    """The evidence of the test that is running."""
    current = recorder().current
    assert current is not None, "keywords of this library are used inside tests"
    return current


class CriterionLibrary:
    """Base of the keyword libraries: binds each test to its criterion and settles it."""

    ROBOT_LIBRARY_SCOPE = "SUITE"
    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self) -> None:
        self.ROBOT_LIBRARY_LISTENER = self
        self._evidence: Evidence | None = None

    def start_test(self, data: RunningTest, _result: ResultTest) -> None:
        criterion = self._criterion(data)
        self._evidence = recorder().start(criterion)
        if reason := task().skip_reason(criterion):
            self._instead(data, "Skip", reason)
            return
        try:
            task().preflight(criterion, lab())
        except LabError as error:
            self._instead(data, "Fail", f"ERROR: {error}")

    def end_test(self, _data: RunningTest, result: ResultTest) -> None:
        assert self._evidence is not None
        if result.message == _TERMINATED:
            self.close_test()  # no verdict: `run --resume` judges it again
            return
        status = {"PASS": "passed", "SKIP": "skipped"}.get(result.status, "failed")
        message = result.message.removeprefix("ERROR: ")
        recorder().end(self._evidence, status=status, message=message)
        self.close_test()

    def close_test(self) -> None:
        """Release what the test's keywords opened; libraries that open things override it."""

    @staticmethod
    def _criterion(data: RunningTest) -> Criterion:
        known = [tag for tag in data.tags if tag in task().blueprint.by_id]
        if len(known) != 1:
            raise ConfigError(
                f"test {data.full_name!r} must have one criterion's id among its tags; "
                f"found {list(data.tags)}"
            )
        return task().blueprint.criterion(known[0])

    @staticmethod
    def _instead(data: RunningTest, keyword: str, message: str) -> None:
        """Run one keyword of BuiltIn in place of the test's body, set-up and teardown."""
        step: Any = data.body
        step.clear()
        data.setup = None
        data.teardown = None
        # Robot would take $ and @ in the message for variables.
        escaped = message.replace("\\", "\\\\").replace("${", "\\${").replace("@{", "\\@{")
        step.create_keyword(name=keyword, args=[escaped])
