"""Remote calls: many at once, slow ones, large ones, wrong ones.

The servant is the deployed echo servant (@tars/rpc), or QueryObj of the framework (TarsCpp on
a real lab) where the refusal of wrong names is judged: @tars/rpc ignores a servant's name.
"""

import socket
import time
from collections.abc import Iterator

import pytest

from blueprints.evidence import Evidence
from lab.session import Lab
from lab.tars.body import Empty, decode_body, encode_body
from lab.tars.client import TarsClient
from lab.tars.echo_client import (
    ECHO_BYTES,
    ECHO_INT,
    ECHO_OBJECT,
    PAUSE,
    Echo,
    Echoed,
    Pause,
    Value,
)
from lab.tars.errors import NoAnswer, NoSuchFunction, NoSuchServant
from lab.tars.probe import REGISTRY, SYSTEM
from lab.tars.queryf import QUERY_OBJECT, QueryF, resolve

#: Requests under way at once, on one connection.
AT_ONCE = 200
#: Bytes of a body: none, one, a TCP segment and more, megabytes. TarsCpp takes up to 10 MiB.
SIZES = (0, 1, 70_000, 1_000_000, 8_000_000)
#: A slow call, and a time-out that it does not keep (s).
SLOW_S = 1.0
IMPATIENT_S = 0.3
#: No Tars frame: a length of 2 GiB, and nothing that would fit it.
GARBAGE = b"\x7f\xff\xff\xff" + b"\x00" * 60


@pytest.fixture
def client(lab: Lab) -> Iterator[TarsClient]:
    """A connection to the echo servant, found by name."""
    endpoint = resolve(lab.address(SYSTEM, REGISTRY), ECHO_OBJECT)[0]
    with TarsClient((endpoint.host, endpoint.port), timeout=10) as opened:
        opened.call(ECHO_OBJECT, "tars_ping", encode_body(Empty()))
        yield opened


@pytest.fixture
def framework(lab: Lab) -> Iterator[TarsClient]:
    """A connection to the name service, the framework's own servant."""
    with TarsClient(lab.address(SYSTEM, REGISTRY), timeout=5) as opened:
        QueryF(opened).ping()
        yield opened


@pytest.mark.criterion("PAAS-21")
def test_each_request_gets_its_own_answer(client: TarsClient, evidence: Evidence) -> None:
    bodies = [encode_body(Value(value=number)) for number in range(AT_ONCE)]
    with evidence.judge("each request on the connection gets its own answer"):
        ids = [client.send(ECHO_OBJECT, ECHO_INT.name, body) for body in bodies]
        for number, request_id in reversed(list(enumerate(ids))):
            answer = decode_body(Echoed[int], client.receive(request_id))
            assert answer.ret == number, f"request {number} was answered with {answer.ret}"


@pytest.mark.criterion("PAAS-23")
def test_a_slow_call_holds_up_no_other(client: TarsClient, evidence: Evidence) -> None:
    echo = Echo(client)
    slow = encode_body(Pause(ms=int(SLOW_S * 1000)))
    with evidence.judge("a slow call holds up no other on its connection"):
        began = time.monotonic()
        waiting = client.send(ECHO_OBJECT, PAUSE.name, slow)
        for number in range(10):
            assert echo.echo(ECHO_INT, number).ret == number
        took = time.monotonic() - began
        client.receive(waiting)
        assert took < SLOW_S, f"ten quick calls took {took:.2f} s beside one of {SLOW_S:g} s"


@pytest.mark.criterion("PAAS-24")
def test_bodies_of_every_size_arrive(client: TarsClient, evidence: Evidence) -> None:
    with evidence.judge("bodies of every size come back whole"):
        for size in SIZES:
            data = bytes(range(256)) * (size // 256 + 1)
            echoed = Echo(client).echo(ECHO_BYTES, data[:size])
            assert echoed.ret == data[:size], f"{len(echoed.ret)} of {size} bytes came back"


@pytest.mark.criterion("PAAS-25")
def test_an_unknown_function_is_refused(framework: TarsClient, evidence: Evidence) -> None:
    with (
        evidence.judge("an unknown function is refused as one"),
        pytest.raises(NoSuchFunction),
    ):
        framework.call(QUERY_OBJECT, "functionThatNobodyHas")


@pytest.mark.criterion("PAAS-26")
def test_an_unknown_servant_is_refused(framework: TarsClient, evidence: Evidence) -> None:
    with (
        evidence.judge("an unknown servant is refused as one"),
        pytest.raises(NoSuchServant),
    ):
        framework.call("Nobody.KnowsServer.ThisObj", "tars_ping", encode_body(Empty()))


@pytest.mark.criterion("PAAS-27")
def test_garbage_costs_its_own_connection_only(
    lab: Lab, framework: TarsClient, evidence: Evidence
) -> None:
    with (
        socket.create_connection(lab.address(SYSTEM, REGISTRY), timeout=5) as stranger,
        evidence.judge("garbage ends its own connection and no other"),
    ):
        stranger.sendall(GARBAGE)
        try:
            left = stranger.recv(1)
        except ConnectionError:
            left = b""
        assert left == b"", "garbage was answered"
        framework.wait_for_push(0)  # raises when that connection has ended, too
        QueryF(framework).ping()


@pytest.mark.criterion("PAAS-28")
def test_a_late_answer_is_nobody_elses(client: TarsClient, evidence: Evidence) -> None:
    echo = Echo(client)
    with evidence.judge("a call ends in time, and its late answer reaches no other call"):
        began = time.monotonic()
        with pytest.raises(NoAnswer):
            echo.pause(int(SLOW_S * 1000), timeout=IMPATIENT_S)
        took = time.monotonic() - began
        assert took < SLOW_S, f"a call with a time-out of {IMPATIENT_S:g} s ended after {took:.2f}"
        began = time.monotonic()
        echo.pause(int(SLOW_S * 1000))
        took = time.monotonic() - began
        assert took >= SLOW_S, f"the next call was answered {SLOW_S - took:.2f} s too early"
