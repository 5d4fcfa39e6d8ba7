"""The client against servers that are slow, talkative, out of order, broken or gone."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from lab.tars.body import Struct, encode_body, field
from lab.tars.client import Proxy, TarsClient
from lab.tars.errors import (
    CallFailed,
    ConnectFailed,
    ConnectionLost,
    MalformedFrame,
    MalformedPacket,
    NoAnswer,
    NoSuchFunction,
    ObjectNotFound,
    Overloaded,
    QueueTimeout,
)
from lab.tars.packets import PUSH_FUNCTION, PacketType, RequestPacket, ResponsePacket, answer, push
from lab.tars.queryf import EndpointF, Endpoints, QueryF, resolve
from tests.tars.running_echo import free_port
from tests.tars.scripted_server import ScriptedServer


def reply(body: bytes = b"", **fields: object) -> Callable[[socket.socket, RequestPacket], None]:
    def handle(connection: socket.socket, call: RequestPacket) -> None:
        connection.sendall(answer(call, body, **fields).to_frame())  # type: ignore[arg-type]

    return handle


def send_raw(data: bytes) -> Callable[[socket.socket, RequestPacket], None]:
    return lambda connection, _call: connection.sendall(data)


def test_a_call_carries_what_was_said(scripted: ScriptedServer) -> None:
    scripted.handle = reply(b"out")
    with TarsClient(scripted.address) as client:
        out = client.call("A.B.C", "f", b"in", timeout=1.5, context={"node_name": "n"})
    assert out == b"out"
    packet = scripted.requests.get(timeout=5)
    assert (packet.servant, packet.function, packet.body) == ("A.B.C", "f", b"in")
    assert (packet.timeout_ms, packet.context) == (1500, {"node_name": "n"})


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        (-3, NoSuchFunction, "TARSSERVERNOFUNCERR"),
        (-6, QueueTimeout, "TARSSERVERQUEUETIMEOUT"),
        (-9, Overloaded, "TARSSERVEROVERLOAD"),
        (1, CallFailed, "unknown code"),  # TarsGo's for nearly everything
    ],
)
def test_a_refusal_says_who_refused_what(
    scripted: ScriptedServer, code: int, kind: type[CallFailed], name: str
) -> None:
    scripted.handle = reply(ret=code, result_desc="why")
    with TarsClient(scripted.address) as client, pytest.raises(kind) as refused:
        client.call("A.B.C", "f")
    assert type(refused.value) is kind
    assert str(refused.value) == (
        f"A.B.C.f at {scripted.address} failed; found: iRet {code} {name} why; expected: iRet 0"
    )


def test_answers_out_of_order_reach_their_calls(scripted: ScriptedServer) -> None:
    held: list[RequestPacket] = []

    def last_first(connection: socket.socket, call: RequestPacket) -> None:
        held.append(call)
        if len(held) == 3:
            for one in reversed(held):
                connection.sendall(answer(one, one.body).to_frame())

    scripted.handle = last_first
    with TarsClient(scripted.address) as client:
        ids = [client.send("A.B.C", "f", body) for body in (b"1", b"2", b"3")]
        assert [client.receive(n) for n in ids] == [b"1", b"2", b"3"]
    assert scripted.connections == 1


def test_silence_ends_in_time_and_the_late_answer_is_dropped(scripted: ScriptedServer) -> None:
    held: list[RequestPacket] = []

    def late(connection: socket.socket, call: RequestPacket) -> None:
        held.append(call)
        for one in held[:-1]:
            connection.sendall(answer(one, b"late").to_frame())
        if len(held) > 1:
            connection.sendall(answer(call, b"mine").to_frame())

    scripted.handle = late
    with TarsClient(scripted.address) as client:
        started = time.monotonic()
        with pytest.raises(NoAnswer, match=r"A\.B\.C\.f at .* within 0\.2 s"):
            client.call("A.B.C", "f", timeout=0.2)
        assert 0.2 <= time.monotonic() - started < 1
        assert client.call("A.B.C", "f") == b"mine"
        assert client.late == 1  # it was dropped, not kept
    assert scripted.connections == 1


def test_a_server_that_never_stops_talking_does_not_extend_the_timeout(
    scripted: ScriptedServer,
) -> None:
    def chatter(connection: socket.socket, _call: RequestPacket) -> None:
        while True:  # until the client closes
            connection.sendall(ResponsePacket(request_id=99).to_frame() * 100)

    scripted.handle = chatter
    with TarsClient(scripted.address) as client:
        started = time.monotonic()
        with pytest.raises(NoAnswer):
            client.call("A.B.C", "f", timeout=0.3)
        assert time.monotonic() - started < 1


def test_pushes_reach_their_callback_between_answers(scripted: ScriptedServer) -> None:
    def push_then_answer(connection: socket.socket, call: RequestPacket) -> None:
        frames = push("ping", b"p").to_frame() + answer(call, b"a").to_frame()
        connection.sendall(frames + push("stopServer", b"q").to_frame())

    scripted.handle = push_then_answer
    pushed: list[ResponsePacket] = []
    with TarsClient(scripted.address, on_push=pushed.append) as client:
        assert client.call("A.B.C", "f") == b"a"
        while len(pushed) < 2:
            assert client.wait_for_push(5)
        assert not client.wait_for_push(0.05)
    assert [packet.status[PUSH_FUNCTION] for packet in pushed] == ["ping", "stopServer"]


def test_small_requests_are_not_held_back(scripted: ScriptedServer) -> None:
    scripted.handle = reply()
    with TarsClient(scripted.address) as client:
        client.call("A.B.C", "f")
        assert client._socket
        assert client._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_one_way_is_sent_and_not_waited_for(scripted: ScriptedServer) -> None:
    with TarsClient(scripted.address) as client:
        client.send_one_way("A.B.C", "f", b"x")
        packet = scripted.requests.get(timeout=5)
    assert (packet.packet_type, packet.body) == (PacketType.ONE_WAY, b"x")


def test_an_idle_connection_that_the_server_closed_is_replaced(scripted: ScriptedServer) -> None:
    scripted.handle = reply(b"x")
    with TarsClient(scripted.address) as client:
        client.call("A.B.C", "f")
        scripted.drop_connections()
        assert client.call("A.B.C", "f") == b"x"
    assert scripted.connections == 2


def test_a_connection_lost_in_a_call_is_told_and_replaced(scripted: ScriptedServer) -> None:
    def cut(connection: socket.socket, call: RequestPacket) -> None:
        connection.sendall(answer(call, b"whole").to_frame()[:-1])
        connection.shutdown(socket.SHUT_RDWR)

    scripted.handle = cut
    with TarsClient(scripted.address) as client:
        with pytest.raises(ConnectionLost, match="21 bytes of an unfinished frame"):
            client.call("A.B.C", "f")
        scripted.handle = reply(b"x")
        assert client.call("A.B.C", "f") == b"x"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", MalformedFrame),
        (bytes.fromhex("7fffffff"), MalformedFrame),
        (bytes.fromhex("00000006ffff"), MalformedPacket),
    ],
)
def test_what_is_no_tars_is_told_and_the_connection_replaced(
    scripted: ScriptedServer, data: bytes, kind: type[Exception]
) -> None:
    scripted.handle = send_raw(data)
    with TarsClient(scripted.address) as client:
        with pytest.raises(kind):
            client.call("A.B.C", "f")
        scripted.handle = reply(b"x")
        assert client.call("A.B.C", "f") == b"x"
    assert scripted.connections == 2


def test_an_answer_larger_than_allowed_is_refused(scripted: ScriptedServer) -> None:
    scripted.handle = reply(bytes(2000))
    with TarsClient(scripted.address, max_frame=1000) as client, pytest.raises(MalformedFrame):
        client.call("A.B.C", "f")


def test_nobody_listens() -> None:
    port = free_port()
    with (
        TarsClient(("127.0.0.1", port), timeout=1) as client,
        pytest.raises(ConnectFailed, match=f"no connection to 127.0.0.1:{port}; found: .*refused"),
    ):
        client.call("A.B.C", "f")


def test_a_full_backlog_ends_in_time() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        started = time.monotonic()
        with TarsClient(address, timeout=0.3) as client, pytest.raises(ConnectFailed):
            client.call("A.B.C", "f")
        assert time.monotonic() - started < 1
        for one in waiting:
            one.close()


ONE = EndpointF(host="127.1.2.3", port=10015, timeout=60000, istcp=1, grid=0)


def test_names_are_looked_up(scripted: ScriptedServer) -> None:
    class Only(Struct, frozen=True):
        ret: list[EndpointF] = field(tag=0)

    both = encode_body(Endpoints(ret=0, active=[ONE], inactive=[ONE]))
    with TarsClient(scripted.address) as client:
        query = QueryF(client)
        scripted.handle = reply(encode_body(Only(ret=[ONE])))
        assert query.find_object_by_id("A.B.C") == [ONE]
        scripted.handle = reply(both)
        assert query.find_object_by_id_4_any("A.B.C").inactive == [ONE]
        assert query.find_object_by_id_in_same_group("A.B.C").active == [ONE]
    assert resolve(scripted.address, "A.B.C") == [ONE]
    asked = [scripted.requests.get(timeout=5) for _ in range(4)]
    assert {packet.servant for packet in asked} == {"tars.tarsregistry.QueryObj"}
    assert {packet.body for packet in asked} == {b"\x16\x05A.B.C"}


def test_an_unknown_object_is_told(scripted: ScriptedServer) -> None:
    scripted.handle = reply(encode_body(Endpoints(ret=0, active=[], inactive=[ONE])))
    with pytest.raises(ObjectNotFound, match=r"A\.B\.C has no active endpoint.*1 inactive"):
        resolve(scripted.address, "A.B.C")


def test_every_servant_is_pinged(scripted: ScriptedServer) -> None:
    scripted.handle = reply(b"\x0c")
    with TarsClient(scripted.address) as client:
        Proxy(client, "A.B.C").ping()
    assert scripted.requests.get(timeout=5).function == "tars_ping"
