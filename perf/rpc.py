"""Locust users that call the echo servant, found through the Tars name service.

By itself: ``locust -f perf/rpc.py --headless -u 20 -r 20 -t 10s``, on the lab that
``IEC4_LAB`` names, else on the embedded lab that is up. ``--host`` names another lab's
inventory, or a registry alone: ``--host tcp://127.0.0.1:17890``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from locust.env import Environment

from lab.errors import LabError
from lab.tars.body import encode_body
from lab.tars.client import Address, TarsClient
from lab.tars.echo_client import ECHO_OBJECT, ECHO_STRING, Echo, Value
from lab.tars.errors import CallFailed
from perf.echo_target import echo_addresses
from perf.engines.call import TEXT
from perf.harness import LoadUser, load_with
from perf.load import LoadPlan


@dataclass
class Endpoints:
    """Where the echo servant listens; users take its endpoints in turn."""

    addresses: tuple[Address, ...]
    _turn: Iterator[int] = field(default_factory=itertools.count, repr=False)

    def next(self) -> Address:
        return self.addresses[next(self._turn) % len(self.addresses)]


class Caller(LoadUser):
    """Calls the echo servant over a connection of its own, one call after the other."""

    action = f"{ECHO_OBJECT}.{ECHO_STRING.name}"
    plan = LoadPlan(users=20, window_s=5, interval_s=0.02)
    body_bytes = len(encode_body(Value[str](value=TEXT)))
    distributions = ("tarsio",)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        endpoints: Endpoints = self.load.target
        self._client = TarsClient(endpoints.next(), timeout=self.load.plan.timeout_s)
        self._echo = Echo(self._client)

    @classmethod
    @contextmanager
    def arranged(cls, host: str | None, plan: LoadPlan) -> Iterator[Endpoints]:
        yield Endpoints(echo_addresses(host, plan.timeout_s))

    @staticmethod
    def code_of(error: Exception | None) -> int | None:
        if error is None:
            return 0
        return error.code if isinstance(error, CallFailed) else None

    def act(self) -> None:
        answer = self._echo.echo(ECHO_STRING, TEXT)
        if (answer.ret, answer.copy) != (TEXT, TEXT):
            raise LabError(
                "the echo is not what was sent",
                found=f"{answer.ret!r}, {answer.copy!r}",
                expected=f"{TEXT!r}, twice",
            )

    def on_stop(self) -> None:
        self._client.close()


load_with(Caller)
