"""The dispatcher, without sockets: whatever comes is answered, dropped or refused, never raised."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.body import Empty, Function
from lab.tars.errors import MalformedPacket
from lab.tars.framing import frame_of
from lab.tars.packets import Dialect, PacketType, RequestPacket, read_answer, request
from lab.tars.serving import Call, Dispatcher, Servant
from tests.tars.recorded import pairs
from tests.tars.recorded_servant import recorded_servant

OBJECT = "Demo.EchoServer.EchoObj"
REQUESTS = [
    pair.request
    for pair in pairs()
    if pair.request and OBJECT.encode() in pair.request and b"sleepMs" not in pair.request
]


class Nobody:
    """A caller that is told nothing."""

    host = "127.0.0.1"

    def send(self, frame: bytes) -> None: ...

    def abort(self) -> None: ...

    def push(self, function: str, body: bytes) -> None: ...

    def on_close(self, told: Callable[[], None]) -> None: ...


DISPATCHERS = [
    Dispatcher({OBJECT: recorded_servant(dialect)}, dialect=dialect) for dialect in Dialect
]


@given(
    st.sampled_from(REQUESTS),
    st.sampled_from(DISPATCHERS),
    st.integers(0, 10_000),
    st.binary(min_size=1, max_size=6),
)
def test_damaged_requests_are_answered_or_refused(
    frame: bytes, dispatcher: Dispatcher, place: int, noise: bytes
) -> None:
    damaged = bytearray(frame)
    place = 4 + place % (len(damaged) - 4)
    damaged[place : place + len(noise)] = noise
    try:
        packet = RequestPacket.from_frame(frame_of(bytes(damaged[4:])))
    except MalformedPacket:
        return
    answered = dispatcher.begin(Call(packet, Nobody()))
    if inspect.iscoroutine(answered):
        answered.close()
    elif isinstance(answered, bytes):
        assert read_answer(answered).request_id == packet.request_id
    else:
        assert answered is None


@pytest.mark.parametrize("function", ["f", "noSuch", "fails", "tars_ping"])
@pytest.mark.parametrize("servant", [OBJECT, "No.Such.Obj"])
def test_one_way_calls_are_never_answered(servant: str, function: str) -> None:
    offered, called = Servant(), []

    @offered.offers(Function("f", Empty, Empty))
    def f(_asked: Empty, call: Call) -> Empty:
        called.append(call)
        return Empty()

    @offered.offers(Function("fails", Empty, Empty))
    def fails(_asked: Empty, _call: Call) -> Empty:
        raise RuntimeError

    packet = request(1, servant, function, packet_type=PacketType.ONE_WAY)
    assert Dispatcher({OBJECT: offered}).begin(Call(packet, Nobody())) is None
    assert bool(called) == ((servant, function) == (OBJECT, "f"))
