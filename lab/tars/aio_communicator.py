"""Calls of objects by their names over asyncio, by the rules that `communicator` has, too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from lab.tars.aio import AsyncTarsClient
from lab.tars.client import DEFAULT_TIMEOUT_S
from lab.tars.errors import (
    CallFailed,
    ConnectFailed,
    ConnectionLost,
    NameServiceSilent,
    NoAnswer,
    TarsError,
)
from lab.tars.naming import Names, no_registry
from lab.tars.packets import Version
from lab.tars.queryf import QUERY_OBJECT
from lab.tars.routing import REFRESH_S, Blocking, Endpoint, Route

T = TypeVar("T")

#: How long the registry is left alone between two attempts to reach it for the first time.
_REGISTRY_PAUSE_S = 0.1


class AsyncCommunicator:
    """Calls of objects by their names over asyncio; parameters as of `Communicator`."""

    def __init__(
        self,
        registry: tuple[str, int] | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,
        refresh_s: float = REFRESH_S,
        set_name: str = "",
        rules: Blocking | None = None,
    ) -> None:
        self.timeout = timeout
        self._registry = AsyncTarsClient(registry, timeout=timeout) if registry else None
        self._names = Names(set_name, refresh_s, rules or Blocking())
        self._clients: dict[tuple[str, int], AsyncTarsClient] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def call(
        self,
        servant: str,
        function: str,
        body: bytes = b"",
        *,
        timeout: float | None = None,
        context: Mapping[str, str] | None = None,
        version: int = Version.TARS,
        key: int | None = None,
    ) -> bytes:
        """Call ``servant``, "Obj" or "Obj@ENDPOINT:…"; raises as `Communicator.call` does."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self.timeout if timeout is None else timeout)
        route = self._names.route(servant)

        async def called(client: AsyncTarsClient) -> bytes:
            left = max(deadline - loop.time(), 0.001)
            return await client.call(
                route.name, function, body, timeout=left, context=context, version=version
            )

        return await self._at_one_endpoint(route, deadline, key, called)

    async def send_one_way(
        self, servant: str, function: str, body: bytes = b"", *, key: int | None = None
    ) -> None:
        """Send a request that is never answered to one of the endpoints; raises as `call`."""
        route = self._names.route(servant)
        deadline = asyncio.get_running_loop().time() + self.timeout
        await self._at_one_endpoint(
            route, deadline, key, lambda client: client.send_one_way(route.name, function, body)
        )

    async def route(self, servant: str) -> Route:
        """What is known of an object, looked up when that is due; raises as `call` does."""
        route = self._names.route(servant)
        await self._look_up(route, asyncio.get_running_loop().time() + self.timeout)
        return route

    def close(self) -> None:
        """End all connections; what is known of objects stays."""
        for task in self._asking.values():
            task.cancel()
        for client in (*self._clients.values(), *filter(None, [self._registry])):
            client.close()
        self._clients.clear()

    async def __aenter__(self) -> AsyncCommunicator:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _at_one_endpoint(
        self,
        route: Route,
        deadline: float,
        key: int | None,
        act: Callable[[AsyncTarsClient], Awaitable[T]],
    ) -> T:
        now = asyncio.get_running_loop().time
        await self._look_up(route, deadline)
        refused: dict[Endpoint, ConnectFailed] = {}
        while True:
            endpoint = route.choose(now(), key=key)
            if endpoint in refused:
                raise refused[endpoint]
            client = self._clients.get(endpoint.address)
            if client is None:
                client = AsyncTarsClient(endpoint.address, timeout=self.timeout)
                self._clients[endpoint.address] = client
            try:
                result = await act(client)
            except ConnectFailed as error:
                refused[endpoint] = error
                route.refused(endpoint, now())
                if now() >= deadline:
                    raise
            except (NoAnswer, ConnectionLost):
                route.did_not_answer(endpoint, now())
                raise
            except CallFailed:
                route.succeeded(endpoint, now())
                raise
            else:
                route.succeeded(endpoint, now())
                return result

    async def _look_up(self, route: Route, deadline: float) -> None:
        """Wait for the registry while the object is unknown; else ask it in passing."""
        if not route.is_due(asyncio.get_running_loop().time()) and route.name not in self._asking:
            return
        if self._registry is None:
            raise no_registry(route)
        task = self._asking.get(route.name)
        if task is None:
            task = asyncio.create_task(self._ask(self._registry, route, deadline))
            self._asking[route.name] = task
            task.add_done_callback(lambda _: self._asking.pop(route.name, None))
        if not route.known:
            try:
                async with asyncio.timeout_at(deadline):
                    await asyncio.shield(task)
            except TimeoutError as error:
                at = str(self._registry.address)
                raise NameServiceSilent.about(route.name, at, self.timeout, error) from None

    async def _ask(self, registry: AsyncTarsClient, route: Route, deadline: float) -> None:
        now = asyncio.get_running_loop().time
        started = now()
        name, body = self._names.question(route)
        while True:
            try:
                left = max(deadline - now(), 0.001)
                answer = await registry.call(QUERY_OBJECT, name, body, timeout=left)
                self._names.learn(route, answer, now())
            except TarsError as error:
                if route.known:
                    route.postpone(now())
                    return
                if not isinstance(error, ConnectFailed | ConnectionLost | NoAnswer):
                    raise
                if now() + _REGISTRY_PAUSE_S >= deadline:
                    at = str(registry.address)
                    raise NameServiceSilent.about(route.name, at, now() - started, error) from None
            else:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), _REGISTRY_PAUSE_S)
