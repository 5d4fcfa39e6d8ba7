"""The server: recorded calls get their recorded answers; queue, limits, time-outs, its end."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lab.tars.body import Empty, Function, encode_body
from lab.tars.client import Proxy, TarsClient
from lab.tars.errors import (
    CallFailed,
    ConnectFailed,
    ConnectionLost,
    InvokeTimeout,
    NoAnswer,
    NoSuchServant,
    QueueTimeout,
    ServerEncodeFailed,
)
from lab.tars.framing import FrameSplitter
from lab.tars.packets import (
    PUSH_FUNCTION,
    TUP_RESULT_DESC,
    Dialect,
    ResponsePacket,
    Version,
    read_answer,
)
from lab.tars.server import Admission, Limits
from lab.tars.serving import Call, Servant
from lab.wait import wait_for
from tests.tars.recorded import MALFORMED, Pair, pairs
from tests.tars.recorded_servant import (
    ECHO_INT,
    PING0,
    SLEEP_MS,
    Asked,
    Ms,
    One,
    recorded_servant,
)
from tests.tars.running_server import RunningServer, running_server

NAMES = {Dialect.TARSCPP: "Demo.EchoServer.EchoObj", Dialect.TARSJS: "Demo.JsEcho.EchoObj"}
OBJECT = NAMES[Dialect.TARSCPP]

# Left out of the replay: what depends on time (below, as a whole), and a struct of every type
# (tests/tars/test_tars_body.py has one).
_LEFT_OUT = ("all_", "json_echoAll", "overload_", "queue_timeout", "slow_call")
#: Recorded answers that ours differ from, meaning to.
_MEANT = {
    "args_order": "arguments out of order are read",
    "float_from_double": "a double is read where a float is expected",
    "json_echoInner": "the order of members, and @tars/rpc's class names, say nothing",
}
MEANT = {
    Dialect.TARSCPP: _MEANT,
    Dialect.TARSJS: {
        **_MEANT,
        "bytes_as_list": "a list of bytes is read as a byte vector, as by TarsCpp",
        "string_not_utf8": "a string's bytes are kept, as by TarsCpp",
        "double_from_float": "a float is read where a double is expected, as by TarsCpp",
        "unknown_servant": "the name matters, as to TarsCpp",
        "empty_servant": "the name matters, as to TarsCpp",
        "json_echoBytes": "byte vectors work in JSON",
        "json_echoLong_big": "JSON has 64 bits",
        "float_0.0": "a float zero is written in full",
        "float_zero_tag": "a float zero is written in full",
        "map_unsorted": "maps are written in order",
    },
}


@pytest.fixture(scope="module", params=list(Dialect), ids=lambda dialect: dialect.name)
def recorded_server(request: pytest.FixtureRequest) -> Iterator[tuple[Dialect, RunningServer]]:
    dialect: Dialect = request.param
    servants = {NAMES[dialect]: recorded_servant(dialect)}
    with running_server(servants, dialect=dialect) as running:
        yield dialect, running


def replayed(dialect: Dialect) -> list[Pair]:
    prefix = "tarscpp" if dialect is Dialect.TARSCPP else "tarsjs"
    files = tuple(f"{prefix}_{kind}:" for kind in ("types", "errors", "tup_json"))
    return [
        pair
        for pair in pairs()
        if pair.name.startswith(files)
        and pair.response is not None
        and pair.request is not None
        and not pair.name.partition(":")[2].startswith(_LEFT_OUT)
    ]


def exchange(address: tuple[str, int], frame: bytes) -> bytes:
    with socket.create_connection(address, 5) as connection:
        connection.settimeout(5)
        connection.sendall(frame)
        splitter = FrameSplitter()
        while data := connection.recv(65536):
            if frames := splitter.feed(data):
                return frames[0]
    return b""


def judged(frame: bytes) -> object:
    """An answer's bytes; of a refusal all but the words, which are each server's own."""
    packet = read_answer(frame)
    if packet.ret == 0:
        return frame
    status = {name: name != TUP_RESULT_DESC and value for name, value in packet.status.items()}
    words = bool(packet.result_desc), packet.result_desc is None
    body = packet.body
    return packet.version, packet.request_id, packet.ret, body, words, status, packet.context


def test_recorded_calls_get_their_recorded_answers(
    recorded_server: tuple[Dialect, RunningServer],
) -> None:
    dialect, running = recorded_server
    differing: dict[str, tuple[str, str]] = {}
    replays = replayed(dialect)
    for pair in replays:
        assert pair.request
        assert pair.response
        answered = exchange(running.address, pair.request)
        if judged(answered) != judged(pair.response):
            differing[pair.name.partition(":")[2]] = answered.hex(), pair.response.hex()
    assert differing.keys() == MEANT[dialect].keys()
    assert len(replays) > 100


def test_recorded_malformed_requests_end_their_connection_only(
    recorded_server: tuple[Dialect, RunningServer],
) -> None:
    dialect, running = recorded_server
    with TarsClient(running.address) as other:
        Proxy(other, NAMES[dialect]).ping()
        for pair in pairs():
            name = pair.name.partition(":")[2]
            if name in MALFORMED and name != "frame_incomplete":
                assert pair.request
                assert exchange(running.address, pair.request) == b"", name
        Proxy(other, NAMES[dialect]).ping()


def test_a_frame_larger_than_allowed_ends_the_connection() -> None:
    with (
        running_server({OBJECT: recorded_servant()}, limits=Limits(max_frame=1000)) as running,
        TarsClient(running.address, timeout=2) as client,
        pytest.raises(ConnectionLost),
    ):
        client.call(OBJECT, "echoString", bytes(1000))


def call_of(ms: int) -> bytes:
    return encode_body(Ms(ms))


def test_overload_is_answered_as_recorded() -> None:
    """A call holds the one thread; then 125 requests, one a read, to a queue of 100."""
    limits = Limits(threads=1, queuecap=100)
    with (
        running_server({OBJECT: recorded_servant()}, limits=limits) as running,
        TarsClient(running.address, timeout=5) as client,
    ):
        (adapter,) = running.server.adapters
        holder = client.send(OBJECT, "sleepMs", call_of(1500))
        ids = []
        for n in range(125):
            ids.append(client.send(OBJECT, "echoInt", encode_body(Asked[int](v=n))))
            seen = n + 2
            wait_for(
                "the request's arrival",
                lambda seen=seen: adapter.counts.requests >= seen,
                timeout=2,
                interval=0.0005,
            )
        client.receive(holder)
        codes = [client.receive_packet(one).ret for one in ids[:101]]
        runs = [(code, len(list(same))) for code, same in itertools.groupby(codes)]
        assert runs == [(0, 81), (-9, 19), (0, 1)]
        client.call(OBJECT, "tars_ping")
        assert not any(client.poll(one) for one in ids[101:])
        assert adapter.counts.dropped == 24


def test_the_bounds_of_overload() -> None:
    of_100 = [Limits(queuecap=100).admission(n) for n in (80, 81, 99, 100, 101)]
    assert [one.name for one in of_100] == [
        "TAKEN",
        "OVERLOADED",
        "OVERLOADED",
        "TAKEN",
        "DROPPED",
    ]
    assert Limits(queuecap=0).admission(10**6) is Admission.TAKEN


def test_a_request_that_queued_too_long_is_told_so() -> None:
    limits = Limits(threads=1)
    with (
        running_server({OBJECT: recorded_servant()}, limits=limits) as running,
        TarsClient(running.address) as client,
    ):
        holder = client.send(OBJECT, "sleepMs", call_of(300))
        hasty = client.send(OBJECT, "ping0", timeout=0.2)
        patient = client.send(OBJECT, "ping0", timeout=5)
        with TarsClient(running.address) as one_way:
            one_way.send_one_way(OBJECT, "ping0")
        client.receive(holder)
        client.receive(patient)  # which is answered after the hasty one
        with pytest.raises(QueueTimeout):
            client.receive(hasty)
        assert running.server.adapters[0].counts.queue_timeouts == 1


def test_the_queue_has_a_time_out_of_its_own() -> None:
    limits = Limits(threads=1, queue_timeout_s=0.1)
    with (
        running_server({OBJECT: recorded_servant()}, limits=limits) as running,
        TarsClient(running.address) as client,
    ):
        holder = client.send(OBJECT, "sleepMs", call_of(300))
        late = client.send(OBJECT, "ping0")
        client.receive(holder)
        with pytest.raises(QueueTimeout):
            client.receive(late)


def test_a_handler_past_its_time_is_ended_where_that_is_asked_for() -> None:
    limits = Limits(handler_timeout_s=0.1)
    with (
        running_server({OBJECT: recorded_servant()}, limits=limits) as running,
        TarsClient(running.address) as client,
        pytest.raises(InvokeTimeout, match="ran out of time"),
    ):
        client.call(OBJECT, "sleepMs", call_of(2000))


def test_as_on_real_servers_a_call_past_its_own_timeout_is_answered_late() -> None:
    with (
        running_server({OBJECT: recorded_servant()}) as running,
        TarsClient(running.address) as client,
    ):
        with pytest.raises(NoAnswer):
            client.call(OBJECT, "sleepMs", call_of(300), timeout=0.1)
        client.call(OBJECT, "sleepMs", call_of(400))
        assert client.late == 1


def test_slow_calls_hold_no_others_until_all_threads_are_taken() -> None:
    limits = Limits(threads=2)
    with (
        running_server({OBJECT: recorded_servant()}, limits=limits) as running,
        TarsClient(running.address) as client,
    ):
        slow = [client.send(OBJECT, "sleepMs", call_of(200)) for _ in range(3)]
        started = time.monotonic()
        for one in slow:
            client.receive(one)
        assert 0.39 < time.monotonic() - started < 0.6


def test_connections_beyond_the_limit_are_closed() -> None:
    with (
        running_server({OBJECT: recorded_servant()}, limits=Limits(max_connections=1)) as running,
        TarsClient(running.address) as first,
        TarsClient(running.address) as second,
    ):
        first.call(OBJECT, "tars_ping")
        with pytest.raises(ConnectionLost):
            second.call(OBJECT, "tars_ping")
        first.call(OBJECT, "tars_ping")
        first.close()
        wait_for("a place", lambda: second.call(OBJECT, "tars_ping") == b"" or True, timeout=2)


def test_what_was_asked_before_the_end_is_still_answered() -> None:
    with (
        running_server({OBJECT: recorded_servant()}, limits=Limits(threads=1)) as running,
        TarsClient(running.address) as client,
    ):
        ids = [client.send(OBJECT, "sleepMs", call_of(100)) for _ in range(3)]
        wait_for(
            "their arrival", lambda: running.server.adapters[0].counts.requests == 3, timeout=2
        )
        ending = threading.Thread(target=running.stop, args=(5,))
        ending.start()
        assert [client.receive(one) for one in ids] == [encode_body(One(100))] * 3
        ending.join(10)
        with pytest.raises(ConnectFailed):
            client.call(OBJECT, "tars_ping")


def test_the_end_waits_no_longer_than_it_was_told() -> None:
    with (
        running_server({OBJECT: recorded_servant()}) as running,
        TarsClient(running.address) as client,
    ):
        slow = client.send(OBJECT, "sleepMs", call_of(2900))
        wait_for("its arrival", lambda: running.server.adapters[0].counts.requests == 1, timeout=2)
        started = time.monotonic()
        running.stop(0.1)
        assert time.monotonic() - started < 1
        with pytest.raises(ConnectionLost):
            client.receive(slow)


def test_a_server_pushes_and_hears_that_its_peer_is_gone() -> None:
    gone = threading.Event()
    servant = Servant()

    def subscribe(_asked: Empty, call: Call) -> Empty:
        call.peer.on_close(gone.set)
        call.peer.push("news", b"n")
        return Empty()

    servant.offer(Function("subscribe", Empty, Empty), subscribe)
    pushed: list[ResponsePacket] = []
    with running_server({"A.B.C": servant}) as running:
        with TarsClient(running.address, on_push=pushed.append) as client:
            client.call("A.B.C", "subscribe")
            while not pushed:
                assert client.wait_for_push(2)
        assert gone.wait(2)
    assert pushed[0].status[PUSH_FUNCTION] == "news"


def test_a_result_that_cannot_be_sent_is_told() -> None:
    servant = Servant()
    servant.offer(
        Function("big", Empty, Asked[list[int]]), lambda _asked, _call: Asked[list[int]](v=[2**70])
    )
    with (
        running_server({"A.B.C": servant}) as running,
        TarsClient(running.address) as client,
        pytest.raises(ServerEncodeFailed),
    ):
        client.call("A.B.C", "big")


@pytest.mark.parametrize("version", [Version.TARS, Version.TUP, Version.JSON])
def test_our_client_speaks_every_version_to_it(version: Version) -> None:
    with (
        running_server({OBJECT: recorded_servant()}) as running,
        TarsClient(running.address) as client,
    ):
        proxy = Proxy(client, OBJECT, version=version)
        proxy.ping()
        assert proxy.invoke(ECHO_INT, Asked[int](v=7)).o == 7
        assert proxy.invoke(PING0, Empty()).ret == 1
        assert proxy.invoke(SLEEP_MS, Ms(1)).ret == 1
        with pytest.raises(NoSuchServant):
            Proxy(client, "A.B.C", version=version).invoke(PING0, Empty())
        with pytest.raises(CallFailed, match="made-up error") as refused:
            client.call(OBJECT, "raise", encode_body(Ms(4)))
        assert refused.value.code == -77


def test_a_second_small_answer_does_not_wait_for_an_acknowledgement() -> None:
    """With Nagle's algorithm it would, for the 40 ms that the receiver delays that."""
    with (
        running_server({OBJECT: recorded_servant()}) as running,
        TarsClient(running.address) as client,
    ):
        waits = []
        for _ in range(10):
            first, second = (client.send(OBJECT, "sleepMs", call_of(ms)) for ms in (1, 6))
            client.receive(first)
            started = time.monotonic()
            client.receive(second)
            waits.append(time.monotonic() - started)
        assert sorted(waits)[5] < 0.03
