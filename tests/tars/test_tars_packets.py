"""Packets, against every recorded one of version TARS."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.errors import MalformedPacket, NotEncodable
from lab.tars.framing import frame_of
from lab.tars.packets import (
    PUSH_FUNCTION,
    PUSH_ID,
    PacketType,
    RequestPacket,
    ResponsePacket,
    answer,
    push,
    request,
    request_template,
)
from tests.tars.recorded import FILES, exchanges, tars_frames

READERS = {"request": RequestPacket.from_frame, "response": ResponsePacket.from_frame}
FRAMES = tars_frames()


def test_the_recordings_are_there() -> None:
    assert Counter(recorded.kind for recorded in FRAMES) == {"request": 907, "response": 887}


@pytest.mark.parametrize("file", FILES)
def test_recorded_packets_encode_to_their_own_bytes(file: str) -> None:
    for recorded in tars_frames(file):
        packet = READERS[recorded.kind](recorded.frame)
        assert packet.to_frame() == recorded.frame, recorded.name


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


def test_a_tup_answer_is_no_response_packet() -> None:
    tup = bytes.fromhex(next(exchanges("tarscpp_tup_json"))["response_hex"])
    with pytest.raises(MalformedPacket):
        ResponsePacket.from_frame(tup)
    assert RequestPacket.from_frame(tup).version == 3


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
    with contextlib.suppress(MalformedPacket):
        assert READERS[recorded.kind](frame).to_frame()


@given(st.binary(max_size=300))
def test_noise_is_read_or_refused(noise: bytes) -> None:
    for read in READERS.values():
        with contextlib.suppress(MalformedPacket):
            assert read(frame_of(noise)).to_frame()


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
