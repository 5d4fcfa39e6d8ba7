"""Inside a Locust process: users that keep a pace, one window, and its result.

A Locust file derives its users from `LoadUser` and says `load_with(ItsUser)`. It then works
under the engine, which hands over a plan, and by itself: ``locust -f perf/rpc.py``.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from abc import abstractmethod
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar

import gevent
from gevent.event import Event
from locust import User, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser

from blueprints.errors import ConfigError
from lab.errors import LabError, WaitTimeout
from lab.wait import wait_for
from perf import handover, together
from perf.generator import GeneratorMonitor
from perf.load import Conditions, GeneratorHealth, LoadPlan, LoadResult, plan_from_json
from perf.observer import Observer
from perf.pace import Pace, counts_from

log = logging.getLogger("perf")
logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every request

#: The window of a load that a person ends: a day.
_UNTIL_STOPPED_S = 86_400.0


class LoadUser(User):
    """A user that acts when its pace says so, and reports to the load's observer.

    Subclasses say what they need (`arranged`), what they do (`act`) and, around it, what is
    not timed (`prepare`, `settle`).
    """

    abstract = True
    wait_time = constant(0)
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

    @task
    def turn(self) -> None:
        due = self._pace.take()
        prepared = self.load.observer.attempt(self.prepare)
        ready = time.perf_counter()
        self.load.pause(0.0 if due is None else due - ready)
        began = time.perf_counter()
        if prepared and self.load.observer.measure(self.act, counts_from(due, ready, began)):
            self.settle()


class Load:
    """The load that this process puts on: its plan, its window, what its users share."""

    def __init__(self, user: type[LoadUser], environment: Environment) -> None:
        self.target: Any = None
        self.plan = _plan(user, environment)
        by_itself = handover.RESULT not in os.environ
        self.observer = Observer(self._tell_locust if by_itself else None)
        # Locust's tables stay empty when it is not told of the actions.
        logging.getLogger("locust.stats_logger").disabled = not by_itself
        self._user = user
        self._environment = environment
        self._resources = ExitStack()
        self._over = Event()
        self._monitor = GeneratorMonitor(self._over.wait)
        self._health: GeneratorHealth | None = None
        self._defect: str | None = None
        self._paces = 0
        self._start = 0.0
        self._conductor: Any = None
        self._is_worker = together.is_worker(environment)
        self._ended = False

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

    # -- from Locust's events -----------------------------------------------------------

    def arrange(self) -> None:
        """Make what the users share; ends the process when that cannot be made."""
        try:
            made = self._user.arranged(self._environment.host, self.plan)
            self.target = self._resources.enter_context(made)
        except (LabError, ConfigError) as error:
            if self._is_worker:
                self._over.set()
                together.report(self._environment, {handover.BROKEN: str(error)})
                return
            handover.write_broken(str(error))
            sys.exit(f"the load cannot be put on: {error}")

    def follow_the_master(self, **_: object) -> None:
        """On a worker that is told to spawn: take the master's plan over, and arrange."""
        self.plan = together.received_plan(self._environment) or self.plan
        self.arrange()

    def all_users_are_there(self, **_: object) -> None:
        if self._conductor is None:
            gevent.spawn(self._monitor.watch)
            self._conductor = gevent.spawn(self._conduct)

    def note_defect(self, exception: Exception, **_: object) -> None:
        """A user raised what is neither the system's failure nor its own end."""
        self._defect = self._defect or f"{type(exception).__name__}: {exception}"

    def end(self, **_: object) -> None:
        """Close the window, if it is open, and hand over the result."""
        if self._ended:
            return
        self._ended = True
        self._close_window()
        self._resources.close()
        found: LoadResult | str
        if self._defect is not None:
            found = f"a load user has a defect: {self._defect}"
        elif self._health is None:
            found = "the load ended before its window opened"
        else:
            found = self._result(self._health)
        if self._is_worker:
            told = {handover.BROKEN: found} if isinstance(found, str) else found.to_json()
            together.report(self._environment, told)
        else:
            hand_over(found)

    def _conduct(self) -> None:
        """Warm up, open the window, close it, give what is in flight its time-out, quit."""
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
        assert self._environment.runner is not None, "the users have a runner"
        if self._is_worker:
            self.end()  # the master quits when it has every worker's result
        else:
            self._environment.runner.quit()

    def _close_window(self) -> None:
        if self.observer.is_open:
            self.observer.close()
            self._health = self._monitor.stop()
        self._over.set()

    def _result(self, health: GeneratorHealth) -> LoadResult:
        names = ("locust", "gevent", "numpy", *self._user.distributions)
        return LoadResult(
            plan=self.plan,
            conditions=Conditions(
                cores=len(os.sched_getaffinity(0)),
                machine=platform.machine(),
                body_bytes=self._user.body_bytes,
                connections=self._paces,
                versions={"python": platform.python_version(), **{n: version(n) for n in names}},
            ),
            window_s=self.observer.window_s,
            latencies=self.observer.latencies,
            succeeded_in_window=self.observer.succeeded_in_window,
            failures=self.observer.failures,
            generator=health,
            series=self.observer.series,
        )

    def _tell_locust(self, latency_us: float, error: Exception | None) -> None:
        """For people who watch Locust's own table; its whole milliseconds decide nothing."""
        happens: Any = self._environment.events
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

    @events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
    def add_ours(parser: LocustArgumentParser) -> None:
        parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
        together.add_option(parser)

    @events.init.add_listener  # type: ignore[untyped-decorator]
    def begin(environment: Environment, **_: object) -> None:
        happens: Any = environment.events  # Locust has no types for it
        if together.is_master(environment):
            together.send_plan(environment, _plan(user, environment))
            collected = together.Collected(environment)
            happens.quitting.add_listener(lambda **_: hand_over(collected.result()))
            return
        user.load = load = Load(user, environment)
        happens.spawning_complete.add_listener(load.all_users_are_there)
        happens.user_error.add_listener(load.note_defect)
        if together.is_worker(environment):
            happens.test_start.add_listener(load.follow_the_master)
            happens.test_stop.add_listener(load.end)
        else:
            happens.quitting.add_listener(load.end)
            load.arrange()


def hand_over(found: LoadResult | str) -> None:
    """A result, or why there is none, to whoever asked for the load; and to people."""
    if isinstance(found, str):
        handover.write_broken(found)
        log.error("%s", found)
        return
    handover.write_result(found)
    log.info("%s", found.summary())
    for spoilt in found.spoilt_by:
        log.warning("these figures say nothing about the system: %s", spoilt)


def _plan(user: type[LoadUser], environment: Environment) -> LoadPlan:
    """The engine's plan, else the user's own with what the command line says."""
    if handover.PLAN in os.environ:
        return plan_from_json(os.environ[handover.PLAN])
    options = environment.parsed_options
    assert options is not None, "Locust was started from its command line"
    return replace(
        user.plan,
        users=options.num_users or user.plan.users,
        window_s=float(options.run_time or _UNTIL_STOPPED_S),
    )
