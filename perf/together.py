"""Several Locust processes that put on one load: a master, and workers on one host or many.

The plan goes to the workers with Locust's own order to spawn; a worker's result, histogram and
all, comes back in Locust's own reports, and the master merges them.
"""

from __future__ import annotations

import logging
from typing import Any

from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from perf.handover import BROKEN
from perf.load import LoadPlan, LoadResult, plan_from_json, plan_to_json
from perf.merging import merged

log = logging.getLogger("perf")

#: Of the master's options those that Locust does not know itself reach the workers.
OPTION = "iec4_plan"
_KEY = "iec4"


def add_option(parser: LocustArgumentParser) -> None:
    """Have Locust carry the plan from the master to its workers."""
    parser.add_argument("--iec4-plan", dest=OPTION, default="", help="(set by the suite)")


def is_master(environment: Environment) -> bool:
    return isinstance(environment.runner, MasterRunner)


def is_worker(environment: Environment) -> bool:
    return isinstance(environment.runner, WorkerRunner)


def send_plan(environment: Environment, plan: LoadPlan) -> None:
    """On the master, before users are spawned."""
    setattr(environment.parsed_options, OPTION, plan_to_json(plan))


def received_plan(environment: Environment) -> LoadPlan | None:
    """On a worker, once it was told to spawn: the master's plan."""
    text = getattr(environment.parsed_options, OPTION, "")
    return plan_from_json(text) if text else None


class Collected:
    """The workers' results, on the master."""

    def __init__(self, environment: Environment) -> None:
        self._runner = environment.runner
        self._results: dict[str, LoadResult] = {}
        self._broken: str | None = None
        happens: Any = environment.events
        happens.worker_report.add_listener(self._take)

    def _take(self, client_id: str, data: dict[str, Any], **_: object) -> None:
        sent = data.get(_KEY)
        if sent is None or client_id in self._results:
            return
        if BROKEN in sent:
            self._broken = f"worker {client_id}: {sent[BROKEN]}"
        else:
            self._results[client_id] = LoadResult.from_json(sent)
        assert isinstance(self._runner, MasterRunner), "the master collects"
        if self._broken or len(self._results) >= self._runner.worker_count:
            self._runner.quit()

    def result(self) -> LoadResult | str:
        """All results as one, or why there is none."""
        if self._broken is not None:
            return self._broken
        return merged([*self._results.values()]) if self._results else "no worker had a result"


def report(environment: Environment, told: dict[str, Any]) -> None:
    """On a worker: have its next report to the master carry ``told``."""

    def add(data: dict[str, Any], **_: object) -> None:
        data[_KEY] = told

    happens: Any = environment.events
    happens.report_to_master.add_listener(add)
