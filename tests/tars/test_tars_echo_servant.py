"""The echo servant as a node starts it: our client, the official client, its end, its faults."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.nodejs import node_binary
from lab.tars.body import Empty, Function, Int, Struct, encode_body, field
from lab.tars.client import PING, Proxy, TarsClient
from lab.tars.echo_client import ECHO_COLOR, ECHO_INT, ECHO_OBJECT, SAMPLES, Color, Echo
from lab.tars.errors import NoAnswer, NoSuchFunction, ServerDecodeFailed
from lab.tars.package import build_package
from lab.tars.packets import PacketType
from lab.wait import wait_for
from tests.tars.running_echo import RunningEcho, free_port, running_echo
from tests.tars.scripted_server import ScriptedServer


@pytest.mark.parametrize(("function", "value"), SAMPLES, ids=lambda part: getattr(part, "name", ""))
def test_every_type_comes_back(echo: Echo, function: Function[Any, Any], value: object) -> None:
    echoed = echo.echo(function, value)
    assert echoed.ret == value
    assert echoed.copy == value


def test_an_enum_comes_back_as_itself(echo: Echo) -> None:
    assert echo.echo(ECHO_COLOR, Color.GREEN).ret is Color.GREEN


def test_out_parameters_of_other_types(echo: Echo) -> None:
    repeated = echo.repeat("ab", 3)
    assert (repeated.ret, repeated.repeated, repeated.parts) == (3, "ababab", ["ab"] * 3)


def test_who_answers(echo: Echo, echo_server: RunningEcho) -> None:
    identity = echo.identity()
    assert identity.host == "127.0.0.1"
    assert identity.pid == echo_server.process.pid  # the launcher has become the server
    assert identity.version == "1.0.0"
    began = psutil.Process(identity.pid).create_time()
    assert abs(identity.started / 1000 - began) < 30


def test_refusals(echo: Echo) -> None:
    echo.ping()
    with pytest.raises(NoSuchFunction):
        echo.client.call(ECHO_OBJECT, "noSuch")
    with pytest.raises(ServerDecodeFailed):
        echo.client.call(ECHO_OBJECT, "echoInt")
    with pytest.raises(NoSuchFunction):
        echo.client.call(ECHO_OBJECT, "constructor")


def test_a_slow_call_does_not_hold_others(echo: Echo) -> None:
    class Ms(Struct, frozen=True):
        ms: Int = field(tag=1)

    slow = echo.client.send(ECHO_OBJECT, "pause", encode_body(Ms(ms=300)))
    started = time.monotonic()
    echo.echo(ECHO_INT, 1)
    assert time.monotonic() - started < 0.25
    echo.client.receive(slow)
    assert time.monotonic() - started > 0.25
    with pytest.raises(NoAnswer):
        echo.pause(2000, timeout=0.1)


def test_small_answers_in_a_row_do_not_wait_for_acknowledgements(echo_server: RunningEcho) -> None:
    """Without no-delay on both sides, pipelined answers take 40 ms."""
    with TarsClient(echo_server.address) as client:
        client.call(ECHO_OBJECT, "tars_ping")
        started = time.monotonic()
        for _ in range(20):
            ids = [client.send(ECHO_OBJECT, "tars_ping") for _ in range(5)]
            for request_id in ids:
                client.receive(request_id)
        assert time.monotonic() - started < 20 * 0.04


def test_the_official_client_agrees(echo_server: RunningEcho) -> None:
    address = echo_server.address
    done = subprocess.run(
        [
            str(node_binary()),
            "--no-warnings",
            str(Path(__file__).with_name("official_client.js")),
            f"{ECHO_OBJECT}@tcp -h {address.host} -p {address.port}",
        ],
        env={"NODE_PATH": str(echo_server.bin / "node_modules")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts = json.loads(done.stdout.splitlines()[-1])
    assert (verdicts.pop("version"), verdicts.pop("noSuch")) == ("1.0.0", -3)
    assert set(verdicts.values()) == {"same"}, verdicts
    assert len(verdicts) == len(SAMPLES)  # all but echoEverything, and repeat


ADAPTERS = ("AdminAdapter", "IEC4.EchoServer.EchoObjAdapter")
PREFIX = "[notify prefix object num:1]\n[1]:"


def test_a_node_is_told_and_the_admin_servant_ends_it(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    host, port = scripted.address
    node = f"tars.tarsnode.ServerObj@tcp -h {host} -p {port} -t 60000"
    with running_echo(tmp_path, node=node) as running:
        told = [scripted.requests.get(timeout=5) for _ in range(2)]
        for packet, adapter in zip(
            told, ("AdminAdapter", "IEC4.EchoServer.EchoObjAdapter"), strict=True
        ):
            assert (packet.servant, packet.function) == ("tars.tarsnode.ServerObj", "keepAlive")
            assert packet.packet_type == PacketType.ONE_WAY
            assert packet.body == encode_body(
                Told(ServerInfo("IEC4", "EchoServer", running.process.pid, adapter))
            )
        with TarsClient(running.admin) as client:
            admin = Proxy(client, "AdminObj")
            assert admin.invoke(GET_PID, Empty()).ret == running.process.pid
            assert (
                notify(admin, "tars.viewversion") == "[notify prefix object num:1]\n[1]:$1.0.0$\n"
            )
            assert "tars.viewstatus" in notify(admin, "tars.help")
            assert notify(admin, "no.such.command") == ""
            admin.invoke(SHUTDOWN, Empty())
        assert running.process.wait(5) == 0


def test_a_node_that_is_away_does_no_harm(tmp_path: Path) -> None:
    node = f"tars.tarsnode.ServerObj@tcp -h 127.0.0.1 -p {free_port()} -t 60000"
    with running_echo(tmp_path, node=node) as running, TarsClient(running.address) as client:
        wait_for(
            "the complaint", lambda: f"keepAlive to {node}" in running.log.read_text(), timeout=8
        )
        Echo(client).ping()


class ServerInfo(Struct, frozen=True):
    application: str = field(tag=0)
    server: str = field(tag=1)
    pid: Int = field(tag=2)
    adapter: str = field(tag=3)


class Told(Struct, frozen=True):
    info: ServerInfo = field(tag=1)


class Command(Struct, frozen=True):
    command: str = field(tag=1)


class Text(Struct, frozen=True):
    ret: str = field(tag=0)


class Number(Struct, frozen=True):
    ret: Int = field(tag=0)


SHUTDOWN = Function("shutdown", Empty, Empty)
GET_PID = Function("getPid", Empty, Number)
NOTIFY = Function("notify", Command, Text)


def notify(admin: Proxy, command: str) -> str:
    return admin.invoke(NOTIFY, Command(command)).ret


def test_sigterm_leaves_nothing_listening(tmp_path: Path) -> None:
    with running_echo(tmp_path) as running, TarsClient(running.address) as client:
        client.call(ECHO_OBJECT, PING.name)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(5) == 0
        for address in (running.address, running.admin):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, 1)


def test_faults_strike_echoes_only_and_at_once(tmp_path: Path) -> None:
    with running_echo(tmp_path) as running, TarsClient(running.address) as client:
        echo = Echo(client)
        wrong, deaf = running.fault("tars.echo-wrong"), running.fault("tars.echo-deaf")
        wrong.touch()
        for function, value in SAMPLES:
            assert echo.echo(function, value).ret != value, function.name
        wrong.unlink()
        deaf.touch()
        with pytest.raises(NoAnswer):
            echo.echo(ECHO_INT, 5, timeout=0.2)
        echo.ping()
        assert echo.identity().pid == running.process.pid
        deaf.unlink()
        slow = running.fault("tars.echo-slow")
        slow.touch()
        started = time.monotonic()
        assert echo.echo(ECHO_INT, 5).ret == 5
        assert time.monotonic() - started >= 0.09
        slow.unlink()
        assert echo.echo(ECHO_INT, 5, timeout=0.09).ret == 5


def test_another_version_tells_itself(tmp_path: Path) -> None:
    with running_echo(tmp_path, version="2.3.4") as running, TarsClient(running.address) as client:
        assert Echo(client).identity().version == "2.3.4"


def test_the_package_is_reproducible_and_small() -> None:
    version = "0.0.1"  # of this test alone: others use theirs meanwhile
    path = build_package(version)
    first = path.read_bytes()
    path.unlink()
    assert build_package(version) == path
    assert path.read_bytes() == first
    assert len(first) < 200_000
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert {name.split("/")[0] for name in names} == {"EchoServer"}
    assert not [name for name in names if "/test" in name or "/docs/" in name]
    assert "EchoServer/node_modules/@tars/rpc/package.json" in names


def test_without_a_configuration_it_says_what_it_needs(echo_server: RunningEcho) -> None:
    done = subprocess.run(
        [str(echo_server.bin / "EchoServer"), "--config=/nowhere"],
        env={"IEC4_NODE": str(node_binary()), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--config=FILE" in done.stderr


LOAD = """
from gevent import monkey
monkey.patch_all()
import sys, time
import gevent
from lab.tars.client import TarsClient
from lab.tars.echo_client import ECHO_STRING, Echo

def user(n):
    with TarsClient(("127.0.0.1", int(sys.argv[1]))) as client:
        echo = Echo(client)
        for m in range(50):
            assert echo.echo(ECHO_STRING, f"{n}/{m}").ret == f"{n}/{m}"
        echo.pause(500)

started = time.monotonic()
greenlets = [gevent.spawn(user, n) for n in range(20)]
gevent.joinall(greenlets, timeout=30, raise_error=True)
assert all(greenlet.successful() for greenlet in greenlets)
print(time.monotonic() - started)
"""


def test_twenty_greenlets_call_at_once(echo_server: RunningEcho) -> None:
    argv = [sys.executable, "-c", LOAD, str(echo_server.address.port)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    # Each pauses half a second: one after the other they would take ten.
    assert float(done.stdout) < 6
