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
from urllib.parse import urlsplit

from locust.env import Environment

from blueprints.errors import ConfigError
from lab.errors import LabError
from lab.inventory import load as load_inventory
from lab.session import Lab
from lab.tars.body import encode_body
from lab.tars.client import Address, TarsClient
from lab.tars.echo_client import ECHO_OBJECT, ECHO_STRING, Echo, Value
from lab.tars.queryf import resolve
from lab.task import Task
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


def registry_address(host: str | None) -> tuple[str, int]:
    """The registry that ``--host`` means; raises `ConfigError`."""
    if host is not None and "://" in host:
        parts = urlsplit(host)
        if parts.scheme != "tcp" or not parts.hostname or not parts.port:
            raise ConfigError(f"a registry reads tcp://HOST:PORT; found {host!r}")
        return parts.hostname, parts.port
    inventory = load_inventory(host) if host else Task.from_environment().inventory
    return Lab(inventory).address("tars", "registry")


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
        found = resolve(registry_address(host), ECHO_OBJECT, timeout=plan.timeout_s)
        yield Endpoints(tuple(Address(one.host, one.port) for one in found))

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
