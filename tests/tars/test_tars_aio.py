"""The asyncio client: many calls at once on one connection, and servers that misbehave."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from lab.tars.aio import AsyncProxy, AsyncTarsClient
from lab.tars.body import Empty
from lab.tars.echo_client import ECHO_INT, ECHO_OBJECT, PAUSE, SAMPLES, Pause
from lab.tars.errors import (
    ConnectFailed,
    ConnectionLost,
    MalformedFrame,
    NoAnswer,
    NoSuchFunction,
)
from lab.tars.packets import RequestPacket, ResponsePacket, Version, answer, push
from tests.tars.recorded_servant import PING0, SLEEP_MS, Ms, recorded_servant
from tests.tars.running_echo import RunningEcho, free_port
from tests.tars.running_server import running_server
from tests.tars.scripted_server import ScriptedServer

OBJECT = "Demo.EchoServer.EchoObj"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


def test_a_thousand_calls_at_once_share_one_connection_of_the_npm_server(
    echo_server: RunningEcho,
) -> None:
    async def calls() -> list[int]:
        async with AsyncTarsClient(echo_server.address) as client:
            proxy = AsyncProxy(client, ECHO_OBJECT)
            await proxy.ping()
            work = (proxy.invoke(ECHO_INT, ECHO_INT.arguments(value=n)) for n in range(1000))
            slow = asyncio.create_task(proxy.invoke(PAUSE, Pause(ms=2000)))
            answers = [echoed.copy for echoed in await asyncio.gather(*work)]
            assert not slow.done()
            await slow
            return answers

    assert run(calls()) == list(range(1000))


def test_every_type_comes_back_from_the_npm_server(echo_server: RunningEcho) -> None:
    async def calls() -> None:
        async with AsyncTarsClient(echo_server.address) as client:
            proxy = AsyncProxy(client, ECHO_OBJECT)
            for function, value in SAMPLES:
                echoed = await proxy.invoke(function, function.arguments(value=value))
                assert (echoed.ret, echoed.copy) == (value, value), function.name

    run(calls())


@pytest.mark.parametrize("version", [Version.TARS, Version.TUP, Version.JSON])
def test_every_version(version: Version) -> None:
    async def calls(address: tuple[str, int]) -> None:
        async with AsyncTarsClient(address) as client:
            proxy = AsyncProxy(client, OBJECT, version=version)
            assert (await proxy.invoke(PING0, Empty())).ret == 1
            with pytest.raises(NoSuchFunction):
                await client.call(OBJECT, "noSuch", version=version)

    with running_server({OBJECT: recorded_servant()}) as running:
        run(calls(running.address))


def test_each_call_has_a_deadline_of_its_own() -> None:
    async def calls(address: tuple[str, int]) -> None:
        async with AsyncTarsClient(address) as client:
            proxy = AsyncProxy(client, OBJECT)

            async def timed(timeout: float) -> float:
                started = time.monotonic()
                with pytest.raises(NoAnswer, match="did not answer"):
                    await proxy.invoke(SLEEP_MS, Ms(1000), timeout=timeout)
                return time.monotonic() - started

            longest, shortest, middle = await asyncio.gather(timed(0.3), timed(0.1), timed(0.2))
            assert 0.1 <= shortest < middle < longest < 1
            assert (middle >= 0.2, longest >= 0.3) == (True, True)
            await proxy.invoke(SLEEP_MS, Ms(1200))
            assert client.late == 3

    with running_server({OBJECT: recorded_servant()}) as running:
        run(calls(running.address))


def test_a_call_that_is_cancelled_is_given_up() -> None:
    async def calls(address: tuple[str, int]) -> None:
        async with AsyncTarsClient(address) as client:
            proxy = AsyncProxy(client, OBJECT)
            await proxy.ping()
            call = asyncio.create_task(proxy.invoke(SLEEP_MS, Ms(200)))
            await proxy.ping()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await proxy.invoke(SLEEP_MS, Ms(300))
            assert client.late == 1

    with running_server({OBJECT: recorded_servant()}) as running:
        run(calls(running.address))


def test_a_lost_connection_ends_every_call_on_it_and_is_replaced(scripted: ScriptedServer) -> None:
    def cut(connection: socket.socket, call: RequestPacket) -> None:
        if call.function == "cut":
            connection.shutdown(socket.SHUT_RDWR)
        elif call.function == "answer":
            connection.sendall(answer(call, b"x").to_frame())

    scripted.handle = cut

    async def calls() -> None:
        async with AsyncTarsClient(scripted.address) as client:
            work = [client.call("A.B.C", name) for name in ("silent", "silent", "cut")]
            for ended in await asyncio.gather(*work, return_exceptions=True):
                assert isinstance(ended, ConnectionLost)
            assert await client.call("A.B.C", "answer") == b"x"

    run(calls())
    assert scripted.connections == 2


def test_what_is_no_tars_is_told_and_the_connection_replaced(scripted: ScriptedServer) -> None:
    async def calls() -> None:
        async with AsyncTarsClient(scripted.address) as client:
            scripted.handle = lambda connection, _call: connection.sendall(b"HTTP/1.1 400\r\n")
            with pytest.raises(MalformedFrame):
                await client.call("A.B.C", "f")
            scripted.handle = lambda connection, call: connection.sendall(answer(call).to_frame())
            await client.call("A.B.C", "f")

    run(calls())


def test_pushes_and_one_way(scripted: ScriptedServer) -> None:
    scripted.handle = lambda connection, _call: connection.sendall(push("news", b"n").to_frame())

    async def calls() -> None:
        pushed: asyncio.Queue[ResponsePacket] = asyncio.Queue()
        async with AsyncTarsClient(scripted.address, on_push=pushed.put_nowait) as client:
            await client.connect()
            await client.send_one_way("A.B.C", "f", b"x", context={"k": "v"})
            assert (await pushed.get()).body == b"n"

    run(calls())
    packet = scripted.requests.get(timeout=5)
    assert (packet.packet_type, packet.context) == (1, {"k": "v"})


def test_nobody_listens() -> None:
    async def call() -> None:
        async with AsyncTarsClient(("127.0.0.1", free_port()), timeout=1) as client:
            await client.call("A.B.C", "f")

    with pytest.raises(ConnectFailed, match="no connection to 127"):
        run(call())


def test_a_server_that_reads_nothing_does_not_make_the_client_hoard() -> None:
    async def calls(address: tuple[str, int]) -> None:
        async with AsyncTarsClient(address, timeout=0.3) as client:
            started = time.monotonic()
            with pytest.raises(NoAnswer):
                await client.call("A.B.C", "f", bytes(32 * 1024 * 1024))
            with pytest.raises(NoAnswer, match="does not read"):
                await client.call("A.B.C", "f")
            assert time.monotonic() - started < 3

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        run(calls(deaf.getsockname()))


def test_closing_ends_what_is_under_way() -> None:
    async def calls(address: tuple[str, int]) -> None:
        client = AsyncTarsClient(address)
        await client.call(OBJECT, "tars_ping")
        call = asyncio.create_task(AsyncProxy(client, OBJECT).invoke(SLEEP_MS, Ms(2000)))
        await client.call(OBJECT, "tars_ping")
        client.close()
        with pytest.raises(ConnectionLost, match="was closed"):
            await call

    with running_server({OBJECT: recorded_servant()}) as running:
        run(calls(running.address))
