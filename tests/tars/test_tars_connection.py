"""The client's core: ids, matching, deadlines, pushes; without a socket or a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.connection import Answered, Connection, Pushed
from lab.tars.errors import CallFailed, MalformedTars
from lab.tars.packets import PacketType, RequestPacket, answer, answer_frame, push
from tests.tars.recorded import pairs


def asked(connection: Connection, now: float = 0.0, timeout: float = 3.0) -> RequestPacket:
    _, frame = connection.request("A.B.C", "f", b"in", now=now, timeout=timeout)
    return RequestPacket.from_frame(frame)


def test_answers_in_any_order_and_in_any_pieces_reach_their_requests() -> None:
    connection = Connection("here")
    calls = [asked(connection) for _ in range(3)]
    stream = b"".join(answer_frame(call, bytes([n])) for n, call in reversed([*enumerate(calls)]))
    events = [event for n in range(len(stream)) for event in connection.receive(stream[n : n + 1])]
    assert [(e.sent.request_id, e.packet.body) for e in events if isinstance(e, Answered)] == [
        (3, b"\x02"),
        (2, b"\x01"),
        (1, b"\x00"),
    ]
    assert not connection.under_way


def test_a_duplicate_and_an_answer_to_nobody_are_counted_and_dropped() -> None:
    connection = Connection("here")
    call = asked(connection)
    frame = answer_frame(call)
    assert len(connection.receive(frame + frame)) == 1
    connection.receive(answer(call).to_frame())
    assert connection.late == 2


def test_deadlines() -> None:
    connection = Connection("here")
    assert connection.next_deadline() is None
    asked(connection, now=10.0, timeout=3.0)
    asked(connection, now=10.0, timeout=1.0)
    assert connection.next_deadline() == 11.0
    assert connection.expired(10.9) == []
    (over,) = connection.expired(11.0)
    assert over.request_id == 2
    assert "A.B.C.f at here did not answer" in str(over.unanswered())
    assert connection.next_deadline() == 13.0


def test_pushes_are_no_answers() -> None:
    connection = Connection("here")
    asked(connection)
    (event,) = connection.receive(push("news", b"n").to_frame())
    assert isinstance(event, Pushed)
    assert len(connection.under_way) == 1


def test_what_was_under_way_is_lost_with_its_connection_and_ids_go_on() -> None:
    connection = Connection("here")
    call = asked(connection)
    connection.receive(answer_frame(call)[:-1])
    assert "unfinished frame" in str(connection.ended())
    assert [sent.request_id for sent in connection.lost()] == [1]
    again = asked(connection)
    assert again.request_id == 2
    assert len(connection.receive(answer_frame(again))) == 1


def test_ids_start_anew_at_their_end_and_leave_out_those_under_way() -> None:
    connection = Connection("here")
    first = asked(connection)
    connection._last_id = 2**31 - 1  # two thousand million requests later
    assert first.request_id == 1
    assert asked(connection).request_id == 2


def test_one_way_waits_for_nothing_but_has_an_id() -> None:
    connection = Connection("here")
    packet = RequestPacket.from_frame(connection.one_way("A.B.C", "f", b""))
    assert (packet.request_id, packet.packet_type) == (1, PacketType.ONE_WAY)
    assert not connection.under_way


def test_a_refusal_carries_its_evidence() -> None:
    connection = Connection("10.0.0.1:10000")
    call = asked(connection)
    (event,) = connection.receive(answer_frame(call, ret=-6, result_desc="late"))
    assert isinstance(event, Answered)
    with pytest.raises(CallFailed) as refused:
        event.sent.body_of(event.packet)
    error = refused.value
    assert (error.code, error.code_name) == (-6, "TARSSERVERQUEUETIMEOUT")
    assert (error.servant, error.function, error.endpoint) == ("A.B.C", "f", "10.0.0.1:10000")
    assert error.description == "late"


ANSWERS = [pair.response for pair in pairs() if pair.response]


@given(
    st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=4),
    st.integers(0, 10_000),
    st.binary(max_size=6),
)
def test_damaged_streams_give_events_or_the_error(
    frames: list[bytes], place: int, noise: bytes
) -> None:
    stream = bytearray(b"".join(frames))
    place %= len(stream)
    stream[place : place + len(noise)] = noise
    connection = Connection("here", max_frame=100_000)
    try:
        events = connection.receive(bytes(stream))
    except MalformedTars:
        return
    assert all(isinstance(event, Pushed) for event in events)
