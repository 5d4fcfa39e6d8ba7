"""Endpoints: how they are written, whose turn it is, which are left out and for how long."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.body import encode_body
from lab.tars.errors import InvalidEndpoint, MalformedBody, ObjectNotFound, RegistryRefused
from lab.tars.naming import EndpointsInSet, Names
from lab.tars.packets import RequestPacket, read_answer
from lab.tars.routing import (
    RETRY_S,
    Blocking,
    Endpoint,
    Route,
    WeightType,
    parse_endpoint,
    parse_object,
)
from tests.tars.recorded import pairs

A, B, C = (Endpoint("h", port) for port in (1, 2, 3))


def route(*active: Endpoint, **options: object) -> Route:
    made = Route("A.B.C", **options)  # type: ignore[arg-type]
    made.update(active, now=0.0)
    return made


def turns(one: Route, count: int, now: float = 1.0) -> list[Endpoint]:
    return [one.choose(now) for _ in range(count)]


def test_endpoints_as_registries_and_configurations_write_them() -> None:
    text = "tcp -h 10.0.0.1 -p 10000 -t 60000 -g 0 -q 0 -w 30 -v 1 -e 0 -s app.sz.1"
    found = parse_endpoint(text)
    assert found == Endpoint("10.0.0.1", 10000, "tcp", 60000, 30, WeightType.STATIC, "app.sz.1")
    assert parse_object("A.B.C") == ("A.B.C", ())
    name, endpoints = parse_object("A.B.C@tcp -h a -p 1 -t 3000:tcp -h b -p 2")
    assert name == "A.B.C"
    assert [one.address for one in endpoints] == [("a", 1), ("b", 2)]
    assert parse_endpoint(str(endpoints[0])) == endpoints[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcp",
        "http -h a -p 1",
        "tcp -h a",
        "tcp -p 1",
        "tcp -h a -p x",
        "tcp -h a -p 0",
        "tcp -h a -p 70000",
        "tcp -h a -p",
        "tcp -h a -p 1 -z 1",
        "tcp h a -p 1",
    ],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidEndpoint, match="expected: tcp -h HOST -p PORT"):
        parse_endpoint(text)
    with pytest.raises(InvalidEndpoint):
        parse_object(f"A.B.C@{text}")


@given(st.text(max_size=40))
def test_any_text_is_an_object_or_refused(text: str) -> None:
    try:
        name, _ = parse_object(text)
    except InvalidEndpoint:
        return
    assert name


def test_endpoints_take_turns() -> None:
    assert turns(route(A, B, C), 6) == [A, B, C, A, B, C]


def test_weights_count_when_all_have_them() -> None:
    weighted = [Endpoint("h", n, weight=w, weight_type=1) for n, w in ((1, 5), (2, 3), (3, 2))]
    one = route(*weighted)
    first = turns(one, 10)
    assert Counter(end.port for end in first) == {1: 5, 2: 3, 3: 2}
    assert all(first[n].port != first[n + 1].port or first[n].port == 1 for n in range(9))
    assert turns(one, 10) == first
    assert turns(route(*weighted, A), 4) == [*weighted, A]
    zeros = [Endpoint("h", n, weight=0, weight_type=1) for n in (1, 2)]
    assert Counter(turns(route(*zeros), 4)) == dict.fromkeys(zeros, 2)


def test_a_key_keeps_its_endpoint_and_moves_only_while_that_is_left_out() -> None:
    one = route(A, B, C)
    before = {key: one.choose(1.0, key=key) for key in range(30)}
    assert {one.choose(1.0, key=key) for key in (4, 7, 10)} == {before[4]}
    one.refused(B, 1.0)
    after = {key: one.choose(2.0, key=key) for key in range(30)}
    assert all(after[key] == kept for key, kept in before.items() if kept is not B)
    assert B not in after.values()


def test_a_refused_connection_leaves_an_endpoint_out_until_one_call_tries_it() -> None:
    one = route(A, B)
    one.refused(A, 1.0)
    assert set(turns(one, 4, now=2.0)) == {B}
    assert one.blocked(2.0) == (A,)
    again = turns(one, 4, now=11.5)
    assert Counter(again) == {B: 3, A: 1}  # the one that tries
    one.succeeded(A, 11.6)
    assert Counter(turns(one, 4, now=11.7)) == {A: 2, B: 2}


def test_time_outs_that_are_many_leave_an_endpoint_out() -> None:
    one = route(A, B)
    one.did_not_answer(A, 1.0)
    assert one.blocked(1.0) == ()  # one is none
    one.did_not_answer(A, 2.0)
    assert one.blocked(2.0) == (A,)
    few = route(A, B)
    for n in range(10):
        few.succeeded(A, n / 10)
    for n in range(4):
        few.did_not_answer(A, 1 + n / 10)
    assert few.blocked(2.0) == ()  # 4 of 14


def test_time_outs_in_a_row_leave_an_endpoint_out_however_many_calls_went_well() -> None:
    one = route(A, B)
    for n in range(1000):
        one.succeeded(A, n / 1000)
    for now in (1.0, 2.0, 3.0, 4.0, 5.0):
        one.did_not_answer(A, now)
    assert one.blocked(5.0) == ()  # five, but within 4 s
    one.did_not_answer(A, 6.0)
    assert one.blocked(6.0) == (A,)


def test_old_calls_are_forgotten() -> None:
    one = route(A, B)
    for _ in range(100):
        one.succeeded(A, 0.0)
    for now in (70.0, 71.0):
        one.did_not_answer(A, now)
    assert one.blocked(71.0) == (A,)


def test_a_retry_that_fails_leaves_it_out_for_as_long_again() -> None:
    one = route(A, B, rules=Blocking(retry_s=5.0))
    one.refused(A, 0.0)
    assert A in turns(one, 2, now=5.0)
    one.did_not_answer(A, 6.0)
    assert one.blocked(10.9) == (A,)
    assert one.blocked(11.1) == ()


def test_when_all_are_left_out_they_are_tried_and_inactive_ones_last() -> None:
    one = Route("A.B.C")
    one.update([A, B], [C], now=0.0)
    one.refused(A, 1.0)
    one.refused(B, 1.0)
    assert set(turns(one, 4, now=2.0)) == {A, B}
    only = Route("A.B.C")
    only.update([], [C], now=0.0)
    assert only.choose(1.0) == C


def test_an_object_without_endpoints_is_told() -> None:
    with pytest.raises(ObjectNotFound, match=r"A\.B\.C has no endpoint"):
        Route("A.B.C").choose(0.0)


def test_the_registry_is_asked_every_minute_and_sooner_after_silence() -> None:
    one = Route("A.B.C")
    assert one.is_due(0.0)
    one.update([A], now=0.0)
    assert not one.is_due(59.9)
    assert one.is_due(60.0)
    one.postpone(60.0)
    assert not one.is_due(60.0 + RETRY_S - 0.1)
    assert one.is_due(60.0 + RETRY_S)
    assert one.active == (A,)
    assert not Route("A.B.C", None, active=(A,)).is_due(1e9)


def test_a_list_without_active_endpoints_changes_nothing() -> None:
    one = route(A, B)
    one.update([], [A, B], now=60.0)
    assert one.active == (A, B)
    one.update([C], now=120.0)
    assert one.active == (C,)


# -- names: the recorded registry's answers ----------------------------------------------------


def test_recorded_questions_are_asked_again_and_their_answers_understood() -> None:
    seen = 0
    for pair in pairs():
        if pair.function != "findObjectByIdInSameGroup" or not (pair.request and pair.response):
            continue
        packet, answered = RequestPacket.from_frame(pair.request), read_answer(pair.response)
        if answered.ret or not packet.body or b"@" in packet.body:
            continue
        names = Names()
        length = packet.body[1]
        one = names.route(packet.body[2 : 2 + length].decode() or "x")
        if length and not packet.body[2 + length :]:
            assert names.question(one) == (packet.function, packet.body), pair.name
        names.learn(one, answered.body, 0.0)
        seen += 1
    assert seen >= 5


def test_a_set_is_asked_for_by_its_name() -> None:
    names = Names(set_name="app.sz.1")
    one = names.route("A.B.C")
    assert names.question(one) == (
        "findObjectByIdInSameSet",
        b"\x16\x05A.B.C\x26\x08app.sz.1",
    )
    names.learn(one, encode_body(EndpointsInSet(0, [], [])), 0.0)
    with pytest.raises(RegistryRefused, match=r"set app\.sz\.1"):
        names.learn(one, encode_body(EndpointsInSet(-1, [], [])), 0.0)
    with pytest.raises(MalformedBody):
        names.learn(one, b"\xff", 0.0)


def test_explicit_endpoints_are_never_asked_for() -> None:
    names = Names()
    one = names.route("A.B.C@tcp -h h -p 1")
    assert not one.is_due(1e9)
    assert one.name == "A.B.C"
    assert names.route("A.B.C@tcp -h h -p 1") is one
    assert names.route("A.B.C") is not one
