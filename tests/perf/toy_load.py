"""A Locust file whose users behave as ``--host`` says, for tests of engine and harness."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.errors import LabError
from perf.harness import LoadUser, load_with
from perf.load import LoadPlan


class Toy(LoadUser):
    """``quick``, ``busy``, ``defect``, ``refused``, ``nothing-there`` or ``tcp://HOST:PORT``."""

    action = "toy"
    plan = LoadPlan(users=1, window_s=1, warm_up_s=0.1, interval_s=0.01)
    body_bytes = 3

    @classmethod
    @contextmanager
    def arranged(cls, host: str | None, _plan: LoadPlan) -> Iterator[str]:
        if host == "nothing-there":
            raise LabError("the toy is not there", advice="buy one")
        yield str(host)

    def act(self) -> None:
        match self.load.target:
            case "quick":
                return
            case "busy":
                until = time.perf_counter() + 0.02
                while time.perf_counter() < until:
                    pass
            case "defect":
                raise ZeroDivisionError("the toy's own")
            case "refused":
                raise LabError("the toy was refused")
            case url:
                self._ask(url)

    def _ask(self, url: str) -> None:
        host, port = url.removeprefix("tcp://").split(":")
        # Without a time-out of its own: the load must end nevertheless.
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"toy")
            assert connection.recv(3) == b"toy"


load_with(Toy)
