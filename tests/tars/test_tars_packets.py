"""Packets, against every recorded one."""

from __future__ import annotations

import contextlib
import resource
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.errors import MalformedFrame, MalformedPacket, NotEncodable
from lab.tars.framing import FrameSplitter, frame_of
from lab.tars.packets import (
    PUSH_FUNCTION,
    PUSH_ID,
    TUP_RESULT_CODE,
    PacketType,
    RequestPacket,
    ResponsePacket,
    answer,
    answer_frame,
    push,
    read_answer,
    request,
    request_template,
)
from tests.tars.recorded import MALFORMED, UNANSWERED, Pair, pairs, tars_frames

READERS = {"request": RequestPacket.from_frame, "response": ResponsePacket.from_frame}
FRAMES = tars_frames()
PAIRS = pairs()


def kind_of(pair: Pair) -> str:
    """What an exchange is, so that none of them is left out silently."""
    if pair.request is None:
        return "push"
    if pair.name.endswith(MALFORMED):
        return "malformed"
    if pair.response is not None:
        return "answered"
    if RequestPacket.from_frame(pair.request).packet_type == PacketType.ONE_WAY:
        return "one-way"
    name = pair.name.partition(":")[2]
    return "unanswered" if name.startswith(UNANSWERED) else f"unexplained: {pair.name}"


BY_KIND = Counter(kind_of(pair) for pair in PAIRS)


def of_kind(kind: str) -> list[Pair]:
    return [pair for pair in PAIRS if kind_of(pair) == kind]


def test_every_recorded_exchange_is_of_a_kind_that_is_tested() -> None:
    assert BY_KIND == {
        "answered": 874,
        "push": 72,
        "one-way": 75,
        "unanswered": 18,
        "malformed": 16,
    }
    assert BY_KIND.total() == 1055


def test_recorded_requests_encode_to_their_own_bytes() -> None:
    requests = [pair for pair in PAIRS if pair.request and kind_of(pair) != "malformed"]
    assert len(requests) == 1055 - 72 - 16
    for pair in requests:
        assert pair.request
        assert RequestPacket.from_frame(pair.request).to_frame() == pair.request, pair.name


def test_recorded_answers_are_made_again_in_the_dialect_of_who_gave_them() -> None:
    for pair in of_kind("answered"):
        assert pair.request
        assert pair.response
        answered = read_answer(pair.response)
        again = answer_frame(
            RequestPacket.from_frame(pair.request),
            answered.body,
            ret=answered.ret,
            result_desc=answered.result_desc or "",
            dialect=pair.dialect,
        )
        assert again == pair.response, pair.name


def test_recorded_pushes_encode_to_their_own_bytes() -> None:
    for pair in of_kind("push"):
        assert pair.response
        packet = read_answer(pair.response)
        assert packet.request_id == PUSH_ID
        assert push(packet.status[PUSH_FUNCTION], packet.body).to_frame() == pair.response


def read_stream(data: bytes) -> None:
    for frame in FrameSplitter().feed(data) or [data]:
        RequestPacket.from_frame(frame)


def test_recorded_malformed_requests_are_refused_as_such() -> None:
    for pair in of_kind("malformed"):
        assert pair.request
        with pytest.raises((MalformedFrame, MalformedPacket)):
            read_stream(pair.request)


def test_recorded_fields_are_read() -> None:
    for recorded in FRAMES:
        packet = READERS[recorded.kind](recorded.frame)
        fields = recorded.fields
        if isinstance(packet, RequestPacket):
            assert packet.packet_type == fields["packet_type"], recorded.name
            assert packet.request_id == fields["request_id"], recorded.name
            assert packet.timeout_ms == fields["timeout"], recorded.name
            if recorded.function:
                assert packet.function == recorded.function, recorded.name
        else:
            assert packet.ret == fields["ret"], recorded.name
            assert packet.result_desc == fields["result_desc"], recorded.name
            assert packet.request_id == fields.get("request_id", packet.request_id), recorded.name


def test_recorded_pushes_are_responses_with_id_0_that_name_a_function() -> None:
    pushes = [
        packet
        for recorded in tars_frames("adminreg_commands_push_capture")
        if recorded.kind == "response"
        and (packet := ResponsePacket.from_frame(recorded.frame)).request_id == PUSH_ID
    ]
    assert "stopServer" in {packet.status[PUSH_FUNCTION] for packet in pushes}
    assert len(pushes) == 24
    again = push(pushes[0].status[PUSH_FUNCTION], pushes[0].body)
    assert again.status == pushes[0].status
    assert again.request_id == PUSH_ID


def test_a_tup_answer_is_a_request_packet_that_is_read_as_an_answer() -> None:
    (tup,) = [pair.response for pair in PAIRS if pair.name == "tarscpp_tup_json:tup3_raise"]
    assert tup
    with pytest.raises(MalformedPacket):
        ResponsePacket.from_frame(tup)
    answered = read_answer(tup)
    assert (answered.version, answered.request_id) == (3, 61)
    assert (answered.ret, answered.result_desc) == (-99, "boom")


def test_a_tup_answer_whose_code_is_no_number_is_refused() -> None:
    odd = RequestPacket(
        version=3, request_id=1, servant="a", function="f", status={TUP_RESULT_CODE: "bad"}
    )
    with pytest.raises(MalformedPacket, match="'bad'"):
        read_answer(odd.to_frame())


def test_answers_in_both_dialects() -> None:
    call = request(7, "Demo.JsEcho.EchoObj", "noSuch")
    tarscpp = answer(call, ret=-3)
    assert tarscpp.to_frame().hex() == "0000001110012c30074c50fd6d000c780c"
    tarsjs = ResponsePacket(request_id=7, ret=-3, result_desc="", context={})
    assert tarsjs.to_frame().hex() == "0000001510012c30074c50fd6d000c780c8600980c"


@given(st.sampled_from(FRAMES), st.integers(4, 10_000), st.binary(min_size=1, max_size=8))
def test_damaged_packets_are_read_or_refused(recorded, place: int, noise: bytes) -> None:
    body = bytearray(recorded.frame)
    place = 4 + place % (len(body) - 4)
    body[place : place + len(noise)] = noise
    frame = frame_of(bytes(body[4:]))
    for read in (READERS[recorded.kind], read_answer):
        with contextlib.suppress(MalformedPacket):
            assert read(frame).to_frame()


@given(st.binary(max_size=300))
def test_noise_is_read_or_refused(noise: bytes) -> None:
    for read in (*READERS.values(), read_answer):
        with contextlib.suppress(MalformedPacket):
            assert read(frame_of(noise)).to_frame()


# What claims 2^31 - 1 bytes or items: string, vector<byte>, list and map, at tag 5, 6 or 9.
CLAIMS = ["577fffffff", "6d00027fffffff", "69027fffffff", "98027fffffff0600"]


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_packet_claims_is_not_allocated(claim: str) -> None:
    frame = frame_of(bytes.fromhex("10012c30014c" + claim))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (*READERS.values(), read_answer):
        with pytest.raises(MalformedPacket):
            read(frame)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


@pytest.mark.parametrize("cut", [0, 3, 4, 20, -1])
def test_a_cut_frame_is_refused(cut: int) -> None:
    with pytest.raises(MalformedPacket):
        RequestPacket.from_frame(FRAMES[0].frame[:cut])


def test_what_no_packet_can_hold_is_refused() -> None:
    with pytest.raises(NotEncodable, match=r"request a\.b"):
        request(2**31, "a", "b")
    with pytest.raises(NotEncodable):
        request(1, "a", "b", "text")  # type: ignore[arg-type]


@pytest.mark.parametrize("request_id", [1, 127, 128, 40_000, 2**31 - 1])
def test_a_template_differs_from_a_request_in_the_length_of_its_id_only(request_id: int) -> None:
    whole = request(request_id, "a.b.c", "f", b"xyz", timeout_ms=500)
    patched = request_template("a.b.c", "f", b"xyz", timeout_ms=500)(request_id)
    assert RequestPacket.from_frame(patched) == whole


def test_one_way_is_marked() -> None:
    frame = request(1, "a", "b", packet_type=PacketType.ONE_WAY).to_frame()
    assert RequestPacket.from_frame(frame).packet_type == 1
