"""Locust users that keep a pace, and are measured one by one.

A Locust file derives its users from `LoadUser` and says `load_with(ItsUser)`. It then works
under the engine, which hands over a plan, and by itself: ``locust -f perf/rpc.py``.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any, ClassVar

import gevent
from gevent.event import Event
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from lab.errors import WaitTimeout
from lab.wait import wait_for
from perf.generator import GeneratorMonitor
from perf.load import Conditions, GeneratorHealth, LoadPlan, LoadResult
from perf.locust_load import UNTIL_STOPPED_S, LocustLoad, is_by_itself, plan_of, put_on
from perf.observer import Observer
from perf.pace import Pace, counts_from

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every request


class LoadUser(User):
    """A user that acts when its pace says so, and reports to the load's observer.

    Subclasses say what they need (`arranged`), what they do (`act`) and, around it, what is
    not timed (`prepare`, `settle`).
    """

    abstract = True
    #: What Locust's own table and the log call the action.
    action: ClassVar[str]
    #: The plan when no engine gives one.
    plan: ClassVar[LoadPlan]
    #: Payload of one action, and distributions whose versions matter.
    body_bytes: ClassVar[int]
    distributions: ClassVar[tuple[str, ...]] = ()
    #: The load that this process puts on; set before there are users.
    load: ClassVar[Load]

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._pace = self.load.new_pace()

    @classmethod
    @abstractmethod
    def arranged(cls, host: str | None, plan: LoadPlan) -> AbstractContextManager[Any]:
        """What all users share, made once: yields `Load.target`; ``host`` is ``--host``.

        Raises `LabError` or `ConfigError`: then there is no load.
        """

    def prepare(self) -> None:
        """Before an action, while its time has not come."""

    @abstractmethod
    def act(self) -> None:
        """The action that is timed. Raises `LabError` or `OSError` when it failed."""

    def settle(self) -> None:
        """After an action that succeeded."""

    @staticmethod
    def code_of(_error: Exception | None) -> int | None:
        """The code of an answer, where the system has such: see `perf.observer.CodeOf`."""
        return None

    def wait_time(self) -> float:
        """Seconds between a user's answer and its next action, as Locust asks for them."""
        return self.load.plan.think_s

    @task
    def turn(self) -> None:
        due = self._pace.take()
        prepared = self.load.observer.attempt(self.prepare)
        ready = time.perf_counter()
        self.load.pause(0.0 if due is None else due - ready)
        began = time.perf_counter()
        if prepared and self.load.observer.measure(self.act, counts_from(due, ready, began)):
            self.settle()


class Load(LocustLoad):
    """The load of users that act by themselves: its window, and what is seen of it."""

    def __init__(self, user: type[LoadUser], environment: Environment) -> None:
        super().__init__(environment, _plan(user, environment), user.arranged)
        self.observer = Observer(self._tell_locust if is_by_itself() else None, user.code_of)
        # Locust's tables stay empty when it is not told of the actions.
        logging.getLogger("locust.stats_logger").disabled = not is_by_itself()
        happens: Any = environment.events
        happens.user_error.add_listener(self._note_defect)
        self._user = user
        self._over = Event()
        self._monitor = GeneratorMonitor(self._over.wait)
        self._health: GeneratorHealth | None = None
        self._defect: str | None = None
        self._paces = 0
        self._start = 0.0
        self._conductor: Any = None

    # -- for users ----------------------------------------------------------------------

    def new_pace(self) -> Pace:
        """The pace of one more user."""
        self._start = self._start or time.perf_counter()
        self._paces += 1
        return Pace.of(self.plan, self._paces - 1, self._start)

    def pause(self, seconds: float) -> None:
        """Wait; raises `StopUser` when the load is over before or meanwhile."""
        if self._over.wait(seconds) if seconds > 0 else self._over.is_set():
            raise StopUser

    # -- the window ---------------------------------------------------------------------

    def all_users_are_there(self, **_: object) -> None:
        if self._conductor is None:
            gevent.spawn(self._monitor.watch)
            self._conductor = gevent.spawn(self._conduct)

    def give_up(self) -> None:
        self._over.set()

    def finish(self) -> LoadResult | str:
        self._close_window()
        if self._defect is not None:
            return f"a load user has a defect: {self._defect}"
        if self._health is None:
            return "the load ended before its window opened"
        return self._result(self._health)

    def _conduct(self) -> None:
        """Warm up, open the window, close it, give what is in flight its time-out, leave."""
        if self._over.wait(self.plan.warm_up_s):
            return
        self.observer.open()
        self._monitor.start()
        self._over.wait(self.plan.window_s)
        self._close_window()
        with suppress(WaitTimeout):  # what is still in flight then counts as unanswered
            wait_for(
                "the end of what is in flight",
                lambda: self.observer.in_flight == 0,
                timeout=self.plan.timeout_s,
            )
        self.leave()

    def _close_window(self) -> None:
        if self.observer.is_open:
            self.observer.close()
            self._health = self._monitor.stop()
        self._over.set()

    def _note_defect(self, exception: Exception, **_: object) -> None:
        """A user raised what is neither the system's failure nor its own end."""
        self._defect = self._defect or f"{type(exception).__name__}: {exception}"

    def _result(self, health: GeneratorHealth) -> LoadResult:
        return LoadResult(
            plan=self.plan,
            conditions=Conditions.here(
                ("locust", "gevent", "numpy", *self._user.distributions),
                body_bytes=self._user.body_bytes,
                connections=self._paces,
            ),
            window_s=self.observer.window_s,
            latencies=self.observer.latencies,
            succeeded_in_window=self.observer.succeeded_in_window,
            failures=self.observer.failures,
            generator=health,
            series=self.observer.series,
            returns=dict(self.observer.returns),
        )

    def _tell_locust(self, latency_us: float, error: Exception | None) -> None:
        """For people who watch Locust's own table; its whole milliseconds decide nothing."""
        happens: Any = self.environment.events
        happens.request.fire(
            request_type="iec4",
            name=self._user.action,
            response_time=latency_us / 1000,
            response_length=0,
            exception=error,
            context={},
        )


def load_with(user: type[LoadUser]) -> None:
    """Have this Locust process put on the load of ``user``."""

    def made(environment: Environment) -> Load:
        user.load = Load(user, environment)
        return user.load

    put_on(made, lambda environment: _plan(user, environment))


def _plan(user: type[LoadUser], environment: Environment) -> LoadPlan:
    """The engine's plan, else the user's own with what the command line says."""
    return plan_of(
        environment,
        lambda options: replace(
            user.plan,
            users=options.num_users or user.plan.users,
            window_s=float(options.run_time or UNTIL_STOPPED_S),
        ),
    )
