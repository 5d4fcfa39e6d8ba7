"""An engine's load as Locust users: each user is one of the engine's connections.

The engine runs in a process of its own beside Locust's gevent. Locust decides how many
connections there are and when the load ends, on its command line, its page or as a master of
workers on several hosts; its statistics are fed second by second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from locust import User, constant, task
from locust.env import Environment
from locust.exception import StopUser

from lab.tars.client import Address
from perf.engines.orders import EndedSecond, Order
from perf.handover import BROKEN
from perf.load import LoadPlan, LoadResult
from perf.locust_load import Arranged, LocustLoad
from perf.locust_table import add_second

#: Seconds that an engine may take beyond its plan's time-outs once it was told to stop.
SLACK_S = 5.0


class Connection(User):
    """Stands for one connection of the engine, and does nothing itself."""

    abstract = True
    wait_time = constant(0)
    load: ClassVar[EngineLoad]

    @task
    def be_there(self) -> None:
        self.load.over.wait()
        raise StopUser


class EngineLoad(LocustLoad):
    """The load of one engine process. When Locust changes the number of users, it is another."""

    def __init__(
        self, environment: Environment, plan: LoadPlan, arranged: Arranged, *, action: str
    ) -> None:
        super().__init__(environment, plan, arranged)
        self.over = Event()
        self._action = action
        self._engine: _EngineProcess | None = None
        self._change = BoundedSemaphore()  # users may change again while an engine ends
        happens: Any = environment.events
        if not self.is_worker:
            happens.test_stop.add_listener(lambda **_: self._stop())

    def all_users_are_there(self, **_: object) -> None:
        runner = self.environment.runner
        assert runner is not None, "the users have a runner"
        with self._change:
            self._stop()
            if runner.user_count:
                plan = replace(self.plan, users=runner.user_count)
                self._engine = _EngineProcess(plan, self.target, self._add_second)
                gevent.spawn(self._follow, self._engine)

    def give_up(self) -> None:
        self.over.set()

    def finish(self) -> LoadResult | str:
        self._stop()
        self.over.set()
        if self._engine is None:
            return "the load ended before all its connections were there"
        found = self._engine.found
        if self.is_worker and not isinstance(found, str):
            return replace(found, plan=self.plan)  # its connections are part of that plan's
        return found

    def _follow(self, engine: _EngineProcess) -> None:
        """The load is over when the engine's window is, unless Locust ended it."""
        engine.ended.wait()
        if engine is self._engine and not engine.was_stopped:
            self.leave()

    def _stop(self) -> None:
        if self._engine is not None:
            self._engine.stop()

    def _add_second(self, second: EndedSecond) -> None:
        add_second(self.environment, self._action, second)


class _EngineProcess:
    """``python -m perf.engines`` with one order, and what it tells."""

    def __init__(
        self,
        plan: LoadPlan,
        addresses: Sequence[Address],
        add_second: Callable[[EndedSecond], None],
    ) -> None:
        self.found: LoadResult | str = "the engine ended without a result"
        self.ended = Event()
        self.was_stopped = False
        self._patience = 2 * plan.timeout_s + SLACK_S
        self._add_second = add_second
        self._process = subprocess.Popen(
            [sys.executable, "-m", "perf.engines"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        order = Order(plan, tuple((one.host, one.port) for one in addresses))
        gevent.spawn(self._read, order)

    def stop(self) -> None:
        """Have it close its window; returns when it has ended."""
        self.was_stopped = True
        with suppress(ProcessLookupError):
            self._process.terminate()
        if not self.ended.wait(self._patience):
            self._process.kill()
            self.ended.wait()

    def _read(self, order: Order) -> None:
        process = self._process
        assert process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError), process.stdin as out:
            out.write(order.to_json() + "\n")
        assert process.stdout is not None, "it is a pipe"
        with process.stdout as lines:
            for line in lines:
                self._take(json.loads(line))
        process.wait()
        self.ended.set()

    def _take(self, told: dict[str, Any]) -> None:
        if "result" in told:
            self.found = LoadResult.from_json(told["result"])
        elif BROKEN in told:
            self.found = told[BROKEN]
        else:
            self._add_second(EndedSecond.from_json(told))
