"""A `TarsServer` in a thread of its own, for tests that speak to it over real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lab.tars.client import Address
from lab.tars.packets import Dialect
from lab.tars.server import Limits, TarsServer
from lab.tars.serving import Servant


@dataclass
class RunningServer:
    server: TarsServer
    address: Address
    loop: asyncio.AbstractEventLoop

    def stop(self, grace_s: float) -> None:
        """Ask it to end gracefully, and wait until it has."""
        closing = self.server.close(grace_s=grace_s)
        asyncio.run_coroutine_threadsafe(closing, self.loop).result(30)


@contextmanager
def running_server(
    servants: Mapping[str, Servant],
    *,
    limits: Limits | None = None,
    dialect: Dialect = Dialect.TARSCPP,
    port: int = 0,
) -> Iterator[RunningServer]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = TarsServer(servants, dialect=dialect)
    try:
        listening = server.listen("127.0.0.1", port, limits=limits)
        address = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
        running = RunningServer(server, Address(*address), loop)
        yield running
        running.stop(0.1)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
