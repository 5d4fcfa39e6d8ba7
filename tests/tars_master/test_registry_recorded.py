"""Recorded packets of registry and node, sent to the embedded master: answers byte for byte."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from lab.tars.body import decode_body
from lab.tars.deployment import echo_on
from lab.tars.embedded import interfaces as api
from lab.tars.embedded.database import ADAPTER_COLUMNS, Database
from lab.tars.embedded.states import ServerState
from lab.tars.framing import FrameSplitter
from lab.tars.packets import PUSH_FUNCTION, PUSH_ID, ResponsePacket, request
from tests.tars.recorded import exchanges
from tests.tars_master.platforms import Platform

#: What the real platform held when its look-ups were recorded:
#: (server, node, object, endpoint, whether it was active)
HELD = (
    ("Demo.EchoServer", "127.0.0.1", "EchoObj", "tcp -h 127.0.0.1 -t 60000 -p 19101 -e 0", True),
    ("Demo.EchoServer", "127.0.0.2", "EchoObj", "tcp -h 127.0.0.2 -t 20000 -p 19111 -e 0", True),
    ("Demo.JsEcho", "127.0.0.1", "EchoObj", "tcp -h 127.0.0.1 -t 60000 -p 19102 -e 0", False),
    ("Demo.TwoObj", "127.0.0.1", "EchoObj", "tcp -h 127.0.0.1 -t 60000 -p 19103 -e 0", False),
    ("Demo.BadPort", "127.0.0.1", "EchoObj", "tcp -h 127.0.0.1 -t 60000 -p notaport -e 0", False),
    ("tars.tarsconfig", "127.0.0.1", "ConfigObj", "tcp -h 127.0.0.1 -t 60000 -p 18193 -e 0", True),
)

LOOK_UPS = list(exchanges("queryf_full"))
#: What a node says to the registry, of the functions that the embedded one has.
SAID_BY_NODES = [
    exchange
    for exchange in exchanges("registry_registryobj")
    if exchange["func"] in ("tars_ping", "keepAlive", "updateServer", "registerNode", "noSuch")
]


def hold(database: Database) -> None:
    for server, node, name, endpoint, active in HELD:
        application, server_name = server.split(".")
        key = application, server_name, node
        servant = f"{server}.{name}"
        adapter = {**dict.fromkeys(ADAPTER_COLUMNS, 1), "adapter_name": f"{servant}Adapter"}
        database.add_server(
            dict(zip(("application", "server_name", "node_name"), key, strict=True))
            | {"server_type": "tars_cpp", "template_name": ""},
            [{**adapter, "servant": servant, "endpoint": endpoint}],
        )
        if active:
            database.set_setting(key, "active")
            database.set_present(key, ServerState.ACTIVE, 1)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address of a master that holds `HELD`, without nodes."""
    master = Platform(tmp_path_factory.mktemp("registry"))
    state = master.master_home / ".iec4" / "tars-master"
    state.mkdir(parents=True)
    database = Database(state / "tars.db")
    hold(database)
    database.close()
    try:
        master.start_master()
        yield master.registry
    finally:
        master.close()


def answered(address: tuple[str, int], frame: bytes) -> bytes:
    frames = FrameSplitter()
    with socket.create_connection(address, timeout=5) as peer:
        peer.sendall(frame)
        while data := peer.recv(65536):
            for answer in frames.feed(data):
                return answer
    raise AssertionError("the connection ended without an answer")


@pytest.mark.parametrize(
    "exchange", [*LOOK_UPS, *SAID_BY_NODES], ids=lambda exchange: exchange["name"]
)
def test_answers_byte_for_byte(registry: tuple[str, int], exchange: dict[str, Any]) -> None:
    answer = answered(registry, bytes.fromhex(exchange["request_hex"]))
    assert answer.hex() == exchange["response_hex"]


def test_an_unknown_servant_is_told_so(registry: tuple[str, int]) -> None:
    answer = answered(registry, request(7, "tars.tarsregistry.NoObj", "tars_ping").to_frame())
    assert ResponsePacket.from_frame(answer).ret == -4


def test_garbage_arguments_are_told_so(registry: tuple[str, int]) -> None:
    frame = request(7, "tars.tarsregistry.QueryObj", "findObjectById", b"\x16\xff").to_frame()
    assert ResponsePacket.from_frame(answered(registry, frame)).ret == -1


def test_a_recorded_node_gets_recorded_commands(platform: Platform, application: str) -> None:
    """The frames of a real tarsnode register it, and a stop task reaches it as recorded."""
    captured = list(exchanges("tarsnode_registration_capture"))
    captured += list(exchanges("adminreg_commands_push_capture"))

    def first(function: str | None, words: str) -> dict[str, Any]:
        return next(
            exchange
            for exchange in captured
            if exchange["func"] == function and words in json.dumps(exchange)
        )

    pushed = first(None, "stopServer")
    stopped = first("reportResult", "callback_stopServer")
    with socket.create_connection(platform.registry, timeout=5) as node:
        frames = FrameSplitter()

        def received() -> ResponsePacket:
            while True:
                for frame in frames.feed(node.recv(65536)):
                    return ResponsePacket.from_frame(frame)

        for function in ("registerNode", "reportNode"):
            node.sendall(bytes.fromhex(first(function, "127.0.0.1")["request_hex"]))
            assert received().ret == 0
        assert "127.0.0.1" in platform.web.nodes()

        spec = echo_on(platform.web, "127.0.0.1", application="Demo")
        server = platform.web.deploy(spec)
        task_no = platform.web.add_task("stop", [server.id])
        push = received()
        recorded = ResponsePacket.from_frame(bytes.fromhex(pushed["response_hex"]))
        assert push.request_id == recorded.request_id == PUSH_ID
        assert push.status == recorded.status == {PUSH_FUNCTION: "stopServer"}
        command = decode_body(api.ServerCommand, push.body)
        model = decode_body(api.ServerCommand, recorded.body)
        assert (command.node_name, command.application) == (model.node_name, model.application)

        result = bytearray.fromhex(stopped["request_hex"])
        place = result.index(b"\x10\x78\x26")  # tag 1: the recorded request's number, 120
        result[place + 1] = command.request_id
        node.sendall(result)
        assert platform.web.finished(task_no).items[0].execute_info == "succ:"
    platform.web.undeploy(server.id)
    assert platform.web.servers("Demo") == []
