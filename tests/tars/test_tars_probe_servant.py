"""Our own test servant as a node starts it: its functions, its node, its end, other clients."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.nodejs import node_binary, npm_tree
from lab.tars import package
from lab.tars.body import Empty, Function, decode_body, encode_body
from lab.tars.client import PING, Address, Proxy, TarsClient
from lab.tars.echo_client import ECHO_INT, SAMPLES, Echo
from lab.tars.errors import (
    BrokenConfiguration,
    ConnectFailed,
    NoAnswer,
    NoSuchFunction,
    NoSuchServant,
    QueueTimeout,
    ServerDecodeFailed,
    ServerFailed,
)
from lab.tars.managed import (
    ADMIN_OBJECT,
    GET_PID,
    NOTIFY,
    SHUTDOWN,
    Command,
    ServerAlive,
    read_configuration,
)
from lab.tars.naming import ById
from lab.tars.package import PROBE_SERVER, build_servant
from lab.tars.packets import PacketType, RequestPacket, ResponsePacket, Version, answer
from lab.tars.queryf import EndpointF, Endpoints
from lab.tars.routing import Endpoint
from lab.tars.servant.functions import NEWS, NOTE, Ms, Probe, Text, big_body
from lab.tars.server import Limits
from lab.wait import wait_for
from tests.tars.running_echo import RunningEcho, configuration, running_probe
from tests.tars.scripted_server import ScriptedServer

ECHO_SOURCE = Path(package.__file__).parent / "echo"
OBJECT = f"IEC4.{PROBE_SERVER}.EchoObj"


@pytest.fixture(scope="module")
def probe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEcho]:
    with running_probe(tmp_path_factory.mktemp("probe")) as running:
        yield running


@pytest.fixture
def probe(probe_server: RunningEcho) -> Iterator[Probe]:
    with TarsClient(probe_server.address) as client:
        yield Probe(client, OBJECT)


@pytest.mark.parametrize("version", [Version.TARS, Version.TUP, Version.JSON])
def test_every_type_comes_back_in_every_version(probe: Probe, version: Version) -> None:
    proxy = Proxy(probe.client, OBJECT, version=version)
    for function, value in SAMPLES:
        kind: Function[Any, Any] = function
        echoed = proxy.invoke(kind, kind.arguments(value=value))
        assert (echoed.ret, echoed.copy) == (value, value), function.name


def test_the_official_client_agrees(probe_server: RunningEcho) -> None:
    host, port = probe_server.address
    done = subprocess.run(
        [
            str(node_binary()),
            "--no-warnings",
            str(Path(__file__).with_name("official_client.js")),
            f"{OBJECT}@tcp -h {host} -p {port}",
        ],
        env={"NODE_PATH": str(npm_tree(ECHO_SOURCE))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts = json.loads(done.stdout)
    assert verdicts.pop("version") == "1.0.0"
    assert verdicts.pop("noSuch") == -3
    assert set(verdicts.values()) == {"same"}
    assert len(verdicts) > 15


def test_who_answers_and_where(probe: Probe, probe_server: RunningEcho) -> None:
    identity = Echo(probe.client, OBJECT).identity()
    assert (identity.pid, identity.version) == (probe_server.process.pid, "1.0.0")
    place = probe.place()
    assert (place.node, place.application, place.server) == ("node.of.test", "IEC4", PROBE_SERVER)
    assert place.object == OBJECT
    assert place.endpoint == f"tcp -h 127.0.0.1 -p {probe_server.address.port} -t 60000"


def test_refusals(probe: Probe) -> None:
    with pytest.raises(NoSuchFunction):
        probe.client.call(OBJECT, "noSuch")
    with pytest.raises(NoSuchServant):
        probe.client.call("IEC4.Other.EchoObj", "tars_ping")
    with pytest.raises(ServerDecodeFailed):
        probe.client.call(OBJECT, "echoInt")
    with pytest.raises(QueueTimeout, match="as asked"):
        probe.fail(-6, "as asked")
    with pytest.raises(ServerFailed, match="expected 0 to"):
        probe.big(-1)
    with pytest.raises(NoAnswer):
        probe.silent(timeout=0.1)


def test_large_bodies_travel_both_ways(probe: Probe) -> None:
    size = 10 * 1024 * 1024
    assert probe.big(size, timeout=10) == big_body(size)
    assert probe.size(bytes(size), timeout=10) == size
    assert probe.big(0) == b""


def test_one_way_calls_count_and_leave_their_note(probe: Probe) -> None:
    before = probe.counters()
    assert isinstance(probe.client, TarsClient)
    probe.client.send_one_way(OBJECT, NOTE.name, encode_body(Text("first")))
    probe.client.send_one_way(OBJECT, NOTE.name, encode_body(Text("second")))
    probe.ping()
    after = probe.counters()
    assert after.one_way - before.one_way == 2
    assert probe.notes()[-2:] == ["first", "second"]


def test_delays_hold_threads_and_the_queue_overflows(tmp_path: Path) -> None:
    with running_probe(tmp_path, threads=1, queuecap=10) as running, ExitStack() as connections:

        def connected() -> TarsClient:
            return connections.enter_context(TarsClient(running.address, timeout=8))

        started = time.monotonic()
        Probe(connected(), OBJECT).delay(50)
        assert time.monotonic() - started >= 0.05
        client = connected()
        holder = client.send(OBJECT, "delay", encode_body(Ms(1000)))
        body = encode_body(ECHO_INT.arguments(value=1))
        # Each on a connection of its own, because overload is judged once a read.
        asked = [(one := connected(), one.send(OBJECT, ECHO_INT.name, body)) for _ in range(11)]
        client.receive(holder)
        codes = Counter(one.receive_packet(request_id).ret for one, request_id in asked)
        assert codes == {0: 10, -9: 1}  # as TarsCpp: tests/tars/test_tars_server.py


def test_pushes_come_on_the_callers_connection(probe_server: RunningEcho) -> None:
    pushed: list[ResponsePacket] = []
    with TarsClient(probe_server.address, on_push=pushed.append) as client:
        Probe(client, OBJECT).push("hello", 2)
        while len(pushed) < 2:
            assert client.wait_for_push(2)
    assert [packet.status["TARS_FUNC"] for packet in pushed] == [NEWS, NEWS]
    assert decode_body(Text, pushed[0].body).text == "hello"


def test_its_node_hears_that_it_lives_and_ends_it(scripted: ScriptedServer, tmp_path: Path) -> None:
    host, port = scripted.address
    node = f"tars.tarsnode.ServerObj@tcp -h {host} -p {port} -t 60000"
    with running_probe(tmp_path, node=node, version="2.3.4") as running:
        told = [scripted.requests.get(timeout=5) for _ in range(2)]
        assert {packet.servant for packet in told} == {"tars.tarsnode.ServerObj"}
        assert {packet.function for packet in told} == {"keepAlive"}
        assert {packet.packet_type for packet in told} == {PacketType.ONE_WAY}
        infos = [decode_body(ServerAlive, packet.body).info for packet in told]
        assert [info.adapter for info in infos] == ["AdminAdapter", f"{OBJECT}Adapter"]
        assert {(info.application, info.server, info.pid) for info in infos} == {
            ("IEC4", PROBE_SERVER, running.process.pid)
        }
        with TarsClient(running.admin) as client:
            admin = Proxy(client, ADMIN_OBJECT)
            assert admin.invoke(GET_PID, Empty()).ret == running.process.pid
            said = admin.invoke(NOTIFY, Command("tars.viewversion")).ret
            assert said == "[notify prefix object num:1]\n[1]:$2.3.4$\n"
            assert "tars.loadconfig" in admin.invoke(NOTIFY, Command("tars.help")).ret
            assert admin.invoke(NOTIFY, Command("no.such.command")).ret == ""
            admin.invoke(SHUTDOWN, Empty())
        assert running.process.wait(5) == 0


def test_a_pushed_config_file_reaches_it(scripted: ScriptedServer, tmp_path: Path) -> None:
    """The registry and tarsconfig are played here; the bytes are ConfigF's as recorded."""
    host, port = scripted.address
    here = EndpointF(host=host, port=port, timeout=3000, istcp=1, grid=0)

    def play(connection: socket.socket, call: RequestPacket) -> None:
        if call.function == "findObjectByIdInSameGroup":
            assert decode_body(ById, call.body).id == "tars.tarsconfig.ConfigObj"
            body = encode_body(Endpoints(0, [here], []))
        else:
            assert call.function == "loadConfigByHost"
            assert call.body.hex() == (
                "1610"
                + b"IEC4.ProbeServer".hex()
                + "2606"
                + b"a.conf".hex()
                + "360c"
                + b"node.of.test".hex()
            )
            body = bytes.fromhex("0c4603") + b"k=1"
        connection.sendall(answer(call, body).to_frame())

    scripted.handle = play
    values = {
        "locator": f"tars.tarsregistry.QueryObj@tcp -h {host} -p {port}",
        "config_object": "tars.tarsconfig.ConfigObj",
    }
    with running_probe(tmp_path, **values) as running, TarsClient(running.address) as client:
        probe = Probe(client, OBJECT)
        assert probe.config("a.conf").ret == -1
        with TarsClient(running.admin) as admin_client:
            admin = Proxy(admin_client, ADMIN_OBJECT)
            said = admin.invoke(NOTIFY, Command("tars.loadconfig a.conf")).ret
        assert said == "[notify prefix object num:1]\n[1]:[succ] get remote config:a.conf\n"
        assert probe.config("a.conf").text == "k=1"
        assert probe.load("a.conf").text == "k=1"


def test_without_tarsconfig_there_is_no_config_file(probe: Probe) -> None:
    assert probe.load("a.conf").ret == -1


def test_sigterm_answers_what_runs_and_leaves_nothing(tmp_path: Path) -> None:
    with running_probe(tmp_path) as running, TarsClient(running.address) as client:
        client.call(OBJECT, PING.name)
        slow = client.send(OBJECT, "delay", bytes.fromhex("11012c"))
        assert not client.poll(slow)
        wait_for(
            "its arrival",
            lambda: Probe(TarsClient(running.address), OBJECT).counters().calls == 1,
            timeout=2,
        )
        running.process.send_signal(signal.SIGTERM)
        client.receive(slow)
        assert running.process.wait(5) == 0
        for address in (running.address, running.admin):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, 1)
        with pytest.raises(ConnectFailed):
            client.call(OBJECT, PING.name)


def test_faults_strike_at_once(tmp_path: Path) -> None:
    with running_probe(tmp_path) as running, TarsClient(running.address) as client:
        probe = Probe(client, OBJECT)
        deaf = running.fault("tars.servant-deaf")
        deaf.touch()
        with pytest.raises(NoAnswer):
            client.call(OBJECT, "delay", bytes.fromhex("1c"), timeout=0.2)
        probe.ping()
        assert probe.counters().calls == 1
        deaf.unlink()
        running.fault("tars.servant-void").touch()
        assert client.call(OBJECT, "place") == b""


def test_the_package_is_reproducible_and_has_its_one_top_directory() -> None:
    path = build_servant("0.0.1", server="Other")
    first = path.read_bytes()
    path.unlink()
    assert build_servant("0.0.1", server="Other").read_bytes() == first
    assert len(first) < 2_000_000
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert {name.split("/")[0] for name in names} == {"Other"}
    assert "Other/Other" in names
    assert not [name for name in names if "embedded" in name]


def test_without_a_configuration_it_says_what_it_needs(probe_server: RunningEcho) -> None:
    done = subprocess.run(
        [str(probe_server.bin / PROBE_SERVER), "--config=/nowhere"],
        env={"IEC4_PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--config=/nowhere" in done.stderr


@pytest.mark.parametrize("text", ["", "<tars>\n</tars>", "<tars>", "<a>\n</b>"])
def test_a_configuration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BrokenConfiguration, match="no Tars server's configuration"):
        read_configuration(text)


def test_a_configuration_is_read_as_tarscpp_reads_it() -> None:
    said = {"queuecap": 50, "threads": 0, "node": "N@tcp -h 10.0.0.1 -p 19386 -t 60000"}
    text = configuration(PROBE_SERVER, Address("10.0.0.1", 10000), 10001, **said)
    read = read_configuration(text.replace("queuetimeout=60000", "queuetimeout=300"))
    assert (read.application, read.server, read.node_name) == ("IEC4", PROBE_SERVER, "node.of.test")
    assert read.node == ("N", Endpoint("10.0.0.1", 19386, timeout_ms=60000))
    assert read.local == Endpoint("127.0.0.1", 10001, timeout_ms=10000)
    (adapter,) = read.adapters
    assert (adapter.servant, adapter.endpoint.port) == (OBJECT, 10000)
    # Less than 3 s is 3 s, and no thread is one.
    assert adapter.limits == Limits(
        max_connections=1024, threads=1, queuecap=50, queue_timeout_s=3.0
    )
