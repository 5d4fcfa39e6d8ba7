"""A load in a Locust process, whatever its users are: its plan, what they share, its result.

`LocustLoad` follows Locust's events in a process of its own, and beside others under a master.
"""

from __future__ import annotations

import logging
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from blueprints.errors import ConfigError
from lab.errors import LabError
from perf import handover, together
from perf.load import LoadPlan, LoadResult, plan_from_json

log = logging.getLogger("perf")

#: The window of a load that a person ends: a day.
UNTIL_STOPPED_S = 86_400.0

#: What all users share, made once, yielded as `LocustLoad.target`; ``--host`` and the plan come
#: in. Raises `LabError` or `ConfigError`: then there is no load.
Arranged = Callable[[str | None, LoadPlan], AbstractContextManager[Any]]


class LocustLoad(ABC):
    """The load that this process puts on."""

    def __init__(self, environment: Environment, plan: LoadPlan, arranged: Arranged) -> None:
        self.target: Any = None
        self.plan = plan
        self.environment = environment
        self.is_worker = together.is_worker(environment)
        self._arranged = arranged
        self._resources = ExitStack()
        self._ended = False

    def arrange(self) -> None:
        """Make what the users share; ends the process when that cannot be made."""
        try:
            made = self._arranged(self.environment.host, self.plan)
            self.target = self._resources.enter_context(made)
        except (LabError, ConfigError) as error:
            if self.is_worker:
                self._ended = True
                together.report(self.environment, {handover.BROKEN: str(error)})
                self.give_up()
                return
            handover.write_broken(str(error))
            sys.exit(f"the load cannot be put on: {error}")

    def follow_the_master(self, **_: object) -> None:
        """On a worker that is told to spawn: take the master's plan over, and arrange."""
        self.plan = together.received_plan(self.environment) or self.plan
        self.arrange()

    def end(self, **_: object) -> None:
        """Stop, and hand over the result."""
        if self._ended:
            return
        self._ended = True
        found = self.finish()
        self._resources.close()
        if self.is_worker:
            told = {handover.BROKEN: found} if isinstance(found, str) else found.to_json()
            together.report(self.environment, told)
        else:
            hand_over(found)

    def leave(self) -> None:
        """The window is over: a worker reports, any other process quits."""
        assert self.environment.runner is not None, "the users have a runner"
        if self.is_worker:
            self.end()  # the master quits when it has every worker's result
        else:
            self.environment.runner.quit()

    @abstractmethod
    def all_users_are_there(self, **_: object) -> None:
        """Locust has spawned what it was told to."""

    @abstractmethod
    def give_up(self) -> None:
        """There will be no load: the users have nothing to do."""

    @abstractmethod
    def finish(self) -> LoadResult | str:
        """Close the window, if it is open; its result, or why there is none."""


def put_on(
    made: Callable[[Environment], LocustLoad], planned: Callable[[Environment], LoadPlan]
) -> None:
    """Have this Locust process put on the load that ``made`` gives.

    ``planned`` is what a master without one of its own would have its workers do.
    """

    @events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
    def add_ours(parser: LocustArgumentParser) -> None:
        parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
        together.add_option(parser)

    @events.init.add_listener  # type: ignore[untyped-decorator]
    def begin(environment: Environment, **_: object) -> None:
        try:
            follow(environment)
        except ConfigError as error:
            handover.write_broken(str(error))
            sys.exit(f"the load cannot be put on: {error}")

    def follow(environment: Environment) -> None:
        happens: Any = environment.events  # Locust has no types for it
        if together.is_master(environment):
            together.send_plan(environment, planned(environment))
            collected = together.Collected(environment)
            happens.quitting.add_listener(lambda **_: hand_over(collected.result()))
            return
        load = made(environment)
        happens.spawning_complete.add_listener(load.all_users_are_there)
        if together.is_worker(environment):
            happens.test_start.add_listener(load.follow_the_master)
            happens.test_stop.add_listener(load.end)
        else:
            happens.quitting.add_listener(load.end)
            load.arrange()


def plan_of(environment: Environment, by_itself: Callable[[Any], LoadPlan]) -> LoadPlan:
    """The plan that an engine handed over, else what the command line's options make."""
    if handover.PLAN in os.environ:
        return plan_from_json(os.environ[handover.PLAN])
    assert environment.parsed_options is not None, "Locust was started from its command line"
    return by_itself(environment.parsed_options)


def is_by_itself() -> bool:
    """Whether a person started this Locust, rather than `perf.locust_engine`."""
    return handover.RESULT not in os.environ


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
