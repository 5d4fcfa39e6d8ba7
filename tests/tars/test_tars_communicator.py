"""Calls by name, synchronous and over asyncio: the same rules, so the same tests for both."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from lab.tars.aio_communicator import AsyncCommunicator
from lab.tars.body import Empty, Function, Struct, field
from lab.tars.client import Address
from lab.tars.communicator import Communicator
from lab.tars.errors import (
    ConnectFailed,
    NameServiceSilent,
    NoAnswer,
    NoSuchFunction,
    ObjectNotFound,
    RegistryRefused,
)
from lab.tars.queryf import FIND_OBJECT_BY_ID_IN_SAME_GROUP, QUERY_OBJECT, Endpoints
from lab.tars.serving import Call, Servant, Silence
from lab.wait import wait_for
from tests.tars.running_echo import free_port
from tests.tars.running_registry import Registry, at, running_registry
from tests.tars.running_server import RunningServer, running_server

NAME = "A.B.C"


class Who(Struct, frozen=True):
    ret: str = field(tag=0)


WHO = Function("who", Empty, Who)


class _Blocking:
    """An `AsyncCommunicator` that a test calls as it calls a `Communicator`."""

    def __init__(self, registry: Address | None = None, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._of = AsyncCommunicator(registry, **options)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def call(self, *given: Any, **options: Any) -> bytes:
        return self._run(self._of.call(*given, **options))

    def send_one_way(self, *given: Any, **options: Any) -> None:
        self._run(self._of.send_one_way(*given, **options))

    def route(self, servant: str) -> Any:
        return self._run(self._of.route(servant))

    def __enter__(self) -> _Blocking:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._of.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(params=[Communicator, _Blocking], ids=["sync", "asyncio"])
def communicator(request: pytest.FixtureRequest) -> Callable[..., Any]:
    made: Callable[..., Any] = request.param
    return made


@pytest.fixture
def naming() -> Iterator[tuple[Registry, RunningServer]]:
    with running_registry() as running:
        yield running


@pytest.fixture
def servers() -> Iterator[Callable[[str], RunningServer]]:
    """Starts servers that tell their names."""
    with ExitStack() as started:

        def start(name: str) -> RunningServer:
            servant = Servant()
            servant.offer(WHO, lambda _asked, _call: Who(name))

            @servant.offers(Function("silent", Empty, Empty))
            def silent(_asked: Empty, _call: Call) -> Empty:
                raise Silence

            return started.enter_context(running_server({NAME: servant}))

        yield start


def who(caller: Any, servant: str = NAME, **options: Any) -> str:
    body: bytes = caller.call(servant, "who", **options)
    return body[2:].decode()


def test_calls_by_name_take_turns(communicator: Any, naming: Any, servers: Any) -> None:
    registry, running = naming
    registry.active[NAME] = [at(servers(name).address) for name in "ab"]
    with communicator(running.address) as caller:
        assert Counter(who(caller) for _ in range(10)) == {"a": 5, "b": 5}
        caller.send_one_way(NAME, "who")
        with pytest.raises(NoSuchFunction):
            caller.call(NAME, "noSuch")
    assert len(registry.asked) == 1


def test_calls_with_a_key_go_to_one_endpoint(communicator: Any, naming: Any, servers: Any) -> None:
    registry, running = naming
    registry.active[NAME] = [at(servers(name).address) for name in "ab"]
    with communicator(running.address) as caller:
        assert len({who(caller, key=7) for _ in range(6)}) == 1


def test_weights_divide_the_calls(communicator: Any, naming: Any, servers: Any) -> None:
    registry, running = naming
    registry.active[NAME] = [
        at(servers(name).address, weight=weight, weight_type=1)
        for name, weight in zip("ab", (80, 20), strict=True)
    ]
    with communicator(running.address) as caller:
        assert Counter(who(caller) for _ in range(20)) == {"a": 16, "b": 4}


def test_explicit_endpoints_need_no_registry(communicator: Any, servers: Any) -> None:
    ends = [servers(name).address for name in "ab"]
    text = ":".join(f"tcp -h {end.host} -p {end.port} -t 3000" for end in ends)
    with communicator() as caller:
        assert {who(caller, f"{NAME}@{text}") for _ in range(4)} == {"a", "b"}
        with pytest.raises(ObjectNotFound, match="found: no registry"):
            who(caller)


def test_an_endpoint_that_refuses_is_left_for_the_next(
    communicator: Any, naming: Any, servers: Any
) -> None:
    registry, running = naming
    dead = at(Address("127.0.0.1", free_port()))
    registry.active[NAME] = [dead, at(servers("b").address)]
    with communicator(running.address) as caller:
        assert [who(caller) for _ in range(4)] == ["b"] * 4
        (blocked,) = caller.route(NAME).blocked(time.monotonic())
        assert blocked.port == dead.port
        registry.active[NAME] = [dead]
    with communicator(running.address) as caller, pytest.raises(ConnectFailed):
        who(caller)


def test_an_endpoint_that_falls_silent_is_left_out_but_no_call_is_repeated(
    communicator: Any, naming: Any, servers: Any
) -> None:
    registry, running = naming
    registry.active[NAME] = [at(servers("a").address)]
    with communicator(running.address) as caller:
        for _ in range(2):
            with pytest.raises(NoAnswer):
                caller.call(NAME, "silent", timeout=0.1)
        assert len(caller.route(NAME).blocked(time.monotonic())) == 1
        assert who(caller) == "a"  # the only one: tried all the same
        assert not caller.route(NAME).blocked(time.monotonic())


def test_the_registrys_changes_are_followed(communicator: Any, naming: Any, servers: Any) -> None:
    registry, running = naming
    registry.active[NAME] = [at(servers("a").address)]
    with communicator(running.address, refresh_s=0.1) as caller:
        assert who(caller) == "a"
        registry.active[NAME] = [at(servers("b").address)]
        wait_for("b's turn", lambda: who(caller) == "b", timeout=5)
        registry.active[NAME] = []
        asked = len(registry.asked)
        wait_for(
            "more questions",
            lambda: who(caller) == "b" and len(registry.asked) > asked + 1,
            timeout=5,
        )


def test_without_the_registry_known_objects_are_called_on(communicator: Any, servers: Any) -> None:
    port = free_port()
    with ExitStack() as first:
        registry, running = first.enter_context(running_registry(port))
        registry.active[NAME] = [at(servers("a").address)]
        caller = first.enter_context(communicator(running.address, refresh_s=0.05))
        assert who(caller) == "a"
        running.stop(0.1)
        gone = time.monotonic()
        while time.monotonic() < gone + 0.3:  # several times as long as refresh_s
            started = time.monotonic()
            assert who(caller) == "a"
            assert time.monotonic() - started < 1
        with pytest.raises(NameServiceSilent) as silent:
            who(caller, "Not.Yet.Known", timeout=0.3)
        assert silent.value.code == -7


def test_a_registry_that_is_late_is_waited_for(communicator: Any, servers: Any) -> None:
    port = free_port()
    server = servers("a")
    with ExitStack() as late, communicator(Address("127.0.0.1", port), timeout=5) as caller:

        def start() -> None:
            registry, _ = late.enter_context(running_registry(port))
            registry.active[NAME] = [at(server.address)]

        starting = threading.Timer(0.3, start)
        starting.start()
        try:
            assert who(caller) == "a"
        finally:
            starting.join(10)


def test_a_new_client_without_registry_fails_after_its_timeout(communicator: Any) -> None:
    with communicator(Address("127.0.0.1", free_port()), timeout=0.4) as caller:
        started = time.monotonic()
        with pytest.raises(NameServiceSilent, match=r"A\.B\.C could not be looked up"):
            who(caller)
        assert 0.2 < time.monotonic() - started < 2


def test_within_a_set_only_its_endpoints_are_called(
    communicator: Any, naming: Any, servers: Any
) -> None:
    registry, running = naming
    registry.active[NAME] = [
        at(servers("a").address, set_id="app.sz.1"),
        at(servers("b").address, set_id="app.bj.1"),
    ]
    with communicator(running.address, set_name="app.bj.1") as caller:
        assert {who(caller) for _ in range(4)} == {"b"}


def test_inactive_endpoints_are_tried_when_there_are_no_others(
    communicator: Any, naming: Any, servers: Any
) -> None:
    registry, running = naming
    registry.inactive[NAME] = [at(servers("a").address)]
    with communicator(running.address) as caller:
        assert who(caller) == "a"


def test_a_registry_that_refuses_is_told(communicator: Any, naming: Any) -> None:
    _, running = naming
    with communicator(running.address) as caller, pytest.raises(ObjectNotFound):
        who(caller)
    servant = Servant()
    servant.offer(FIND_OBJECT_BY_ID_IN_SAME_GROUP, lambda _a, _c: Endpoints(-1, [], []))
    with (
        running_server({QUERY_OBJECT: servant}) as refusing,
        communicator(refusing.address) as caller,
        pytest.raises(RegistryRefused, match="return code -1"),
    ):
        who(caller)
