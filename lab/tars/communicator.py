"""Calls of objects by their names, wherever they are served; synchronous, without threads.

with Communicator(registry) as caller:
    Echo(caller, "IEC4.EchoServer.EchoObj").ping()
    caller.call("App.Server.Obj@tcp -h 127.0.0.1 -p 10000:tcp -h 127.0.0.1 -p 10001", "f")

`aio_communicator.AsyncCommunicator` is its asyncio twin.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from lab.closing import Closing
from lab.errors import WaitTimeout
from lab.tars.client import DEFAULT_TIMEOUT_S, TarsClient
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
from lab.wait import wait_for

T = TypeVar("T")


class Communicator(Closing):
    """A `Caller` of any object, one connection an endpoint.

    ``registry`` is where QueryObj listens; None: only objects with endpoints can be called.
    ``timeout`` (s) bounds each call, look-up included. ``refresh_s``: how often known objects are
    looked up again, in passing; while the registry is silent, what is known stays. ``set_name``:
    the caller's set, NAME.AREA.GROUP. Belongs to one thread or greenlet, as a `TarsClient` does.
    """

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
        self._registry = TarsClient(registry, timeout=timeout) if registry else None
        self._names = Names(set_name, refresh_s, rules or Blocking())
        self._clients: dict[tuple[str, int], TarsClient] = {}
        self._asked: dict[str, int] = {}

    def call(
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
        """Call ``servant``, "Obj" or "Obj@ENDPOINT:…"; returns the answer's body.

        An endpoint that refuses the connection is left for the next one; a call that has been
        sent is never repeated. Calls with the same ``key`` go to the same endpoint. Raises as
        `TarsClient.call` does, `ObjectNotFound`, `NameServiceSilent`, `RegistryRefused`,
        `InvalidEndpoint`.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        route = self._names.route(servant)

        def called(client: TarsClient) -> bytes:
            left = max(deadline - time.monotonic(), 0.001)
            return client.call(
                route.name, function, body, timeout=left, context=context, version=version
            )

        return self._at_one_endpoint(route, deadline, key, called)

    def send_one_way(
        self, servant: str, function: str, body: bytes = b"", *, key: int | None = None
    ) -> None:
        """Send a request that is never answered to one of the endpoints; raises as `call`."""
        route = self._names.route(servant)
        self._at_one_endpoint(
            route,
            time.monotonic() + self.timeout,
            key,
            lambda client: client.send_one_way(route.name, function, body),
        )

    def route(self, servant: str) -> Route:
        """What is known of an object, looked up when that is due; raises as `call` does."""
        route = self._names.route(servant)
        self._look_up(route, time.monotonic() + self.timeout)
        return route

    def close(self) -> None:
        """End all connections; what is known of objects stays."""
        for client in (*self._clients.values(), *filter(None, [self._registry])):
            client.close()
        self._clients.clear()
        self._asked.clear()

    def _at_one_endpoint(
        self, route: Route, deadline: float, key: int | None, act: Callable[[TarsClient], T]
    ) -> T:
        self._look_up(route, deadline)
        refused: dict[Endpoint, ConnectFailed] = {}
        while True:
            endpoint = route.choose(time.monotonic(), key=key)
            if endpoint in refused:
                raise refused[endpoint]
            client = self._clients.get(endpoint.address)
            if client is None:
                client = TarsClient(endpoint.address, timeout=self.timeout)
                self._clients[endpoint.address] = client
            try:
                result = act(client)
            except ConnectFailed as error:
                refused[endpoint] = error
                route.refused(endpoint, time.monotonic())
                if time.monotonic() >= deadline:
                    raise
            except (NoAnswer, ConnectionLost):
                route.did_not_answer(endpoint, time.monotonic())
                raise
            except CallFailed:
                route.succeeded(endpoint, time.monotonic())
                raise
            else:
                route.succeeded(endpoint, time.monotonic())
                return result

    def _look_up(self, route: Route, deadline: float) -> None:
        if not route.is_due(time.monotonic()):
            return
        if self._registry is None:
            raise no_registry(route)
        if route.known:
            self._look_up_in_passing(self._registry, route)
            return
        left = deadline - time.monotonic()
        registry = self._registry

        def learned() -> bool:
            name, body = self._names.question(route)
            timeout = max(deadline - time.monotonic(), 0.001)
            answer = registry.call(QUERY_OBJECT, name, body, timeout=timeout)
            self._names.learn(route, answer, time.monotonic())
            return True

        try:
            wait_for(
                f"the name service's answer on {route.name}",
                learned,
                timeout=left,
                not_yet=(ConnectFailed, ConnectionLost, NoAnswer),
            )
        except WaitTimeout as error:
            raise NameServiceSilent.about(route.name, str(registry.address), left, error) from None

    def _look_up_in_passing(self, registry: TarsClient, route: Route) -> None:
        """Ask now and take the answer at a later call, so that none waits for the registry."""
        try:
            if route.name not in self._asked:
                name, body = self._names.question(route)
                self._asked[route.name] = registry.send(QUERY_OBJECT, name, body)
            elif registry.poll(self._asked[route.name]):
                answer = registry.receive(self._asked.pop(route.name))
                self._names.learn(route, answer, time.monotonic())
        except TarsError:
            self._asked.pop(route.name, None)
            route.postpone(time.monotonic())
