"""The load engines for remote calls under Locust: as many connections as Locust has users.

``locust -f perf/rpc_engines.py --calls-per-s 500 -u 4 -r 4`` offers 500 calls/s on each of four
connections (an open loop); ``--in-flight 64`` instead keeps so many calls under way on each.
``--host`` and the lab are as for ``perf/rpc.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from blueprints.errors import ConfigError
from lab.tars.client import Address
from lab.tars.echo_client import ECHO_OBJECT, ECHO_STRING
from perf.echo_target import echo_addresses
from perf.engine_load import Connection, EngineLoad
from perf.load import LoadPlan
from perf.locust_load import UNTIL_STOPPED_S, plan_of, put_on

PLAN = LoadPlan(users=4, window_s=5, interval_s=0.01)


class EchoConnection(Connection):
    """A connection to the echo servant."""


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    parser.add_argument(
        "--calls-per-s", type=float, help="open loop: calls/s on each connection (100)"
    )
    parser.add_argument(
        "--in-flight", type=int, help="saturation: calls under way on each connection"
    )


def planned(environment: Environment) -> LoadPlan:
    """The load that was handed over, or that the options ask for; raises `ConfigError`."""
    return plan_of(environment, _plan_of_options)


def _plan_of_options(options: Any) -> LoadPlan:
    rate, window = options.calls_per_s, options.in_flight
    if rate is not None and window is not None:
        raise ConfigError("--calls-per-s is an open loop, --in-flight a closed one: give one")
    if (rate is not None and rate <= 0) or (window is not None and window < 1):
        raise ConfigError("--calls-per-s and --in-flight are above zero")
    plan = replace(
        PLAN,
        users=options.num_users or PLAN.users,
        window_s=float(options.run_time or UNTIL_STOPPED_S),
    )
    if window is not None:
        return replace(plan, interval_s=None, window=window)
    return plan if rate is None else replace(plan, interval_s=1 / rate)


@contextmanager
def arranged(host: str | None, plan: LoadPlan) -> Iterator[tuple[Address, ...]]:
    yield echo_addresses(host, plan.timeout_s)


def made(environment: Environment) -> EngineLoad:
    action = f"{ECHO_OBJECT}.{ECHO_STRING.name}"
    EchoConnection.load = EngineLoad(environment, planned(environment), arranged, action=action)
    return EchoConnection.load


put_on(made, planned)
