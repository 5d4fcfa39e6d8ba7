"""Bodies read without their types, bodies that tarsio refuses, and frames told to people."""

from __future__ import annotations

import contextlib
import json
import resource
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.body import Float, Int, Long, Struct, decode_body, encode_body, field
from lab.tars.dissect import Dissector, frames_of, lines, shown
from lab.tars.echo_client import SAMPLES, Color, Echoed, Everything, Record, Value
from lab.tars.errors import MalformedBody, MalformedTars, NotEncodable
from lab.tars.framing import frame_of
from lab.tars.packets import Dialect, request
from lab.tars.reading import Node, read_leniently, read_nodes
from tests.tars.recorded import pairs

EVERYTHING = SAMPLES[-1][1]


def test_every_kind_of_value_is_read_with_its_tag() -> None:
    body = bytes.fromhex(
        "0c 1001 2101f4 3200011170 430000000100000000 543fc00000 653ff8000000000000"
        "7601c3 87000000026162 9d000002ff00 a900020c0001 b8000106016b1005 ca10070b fcc8"
    )
    assert read_nodes(body) == [
        Node(0, "zero", 0),
        Node(1, "int1", 1),
        Node(2, "int2", 500),
        Node(3, "int4", 70000),
        Node(4, "int8", 2**32),
        Node(5, "float", 1.5),
        Node(6, "double", 1.5),
        Node(7, "string1", b"\xc3"),
        Node(8, "string4", b"ab"),
        Node(9, "bytes", b"\xff\x00"),
        Node(10, "list", [Node(0, "zero", 0), Node(0, "int1", 1)]),
        Node(11, "map", [(Node(0, "string1", b"k"), Node(1, "int1", 5))]),
        Node(12, "struct", [Node(1, "int1", 7)]),
        Node(200, "zero", 0),
    ]
    assert lines(map(shown, read_nodes(body)))[7:] == [
        '7 string1 {"hex": "c3"}',
        '8 string4 "ab"',
        '9 bytes {"hex": "ff00"}',
        "10 list (2)",
        "  0 zero 0",
        "  0 int1 1",
        "11 map (1)",
        '  0 string1 "k"',
        "  1 int1 5",
        "12 struct (1)",
        "  1 int1 7",
        "200 zero 0",
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("1201", "at byte 1: int4 is cut short; found: 1 bytes; expected: 4 bytes"),
        ("f0", "a tag is cut short"),
        ("1605616263", "a string is cut short; found: 3 bytes; expected: 5 bytes"),
        ("1740000000", "a string is cut short; found: 0 bytes; expected: 1073741824 bytes"),
        ("1902400000000c", "a length that cannot be; found: 1073741824; expected: 0 to 1"),
        ("1802400000000c", "a length that cannot be"),
        ("18000106", "a length that cannot be; found: 1; expected: 0 to 1"),
        ("1d0002400000000c", "a length that cannot be"),
        ("1900ff", "a length that cannot be; found: -1"),
        ("19060161", "a length that cannot be; found: b'a'"),
        ("1d0601", "bytes of another type; found: head (0, 6)"),
        ("1a1001", "a head is cut short"),
        ("0b", "a value's type; found: type 11 at tag 0"),
        ("1e", "a value's type; found: type 14"),
        ("0a" * 60, "too deeply nested"),
    ],
)
def test_what_is_no_body_is_told_with_its_place(body: str, says: str) -> None:
    with pytest.raises(MalformedBody) as refused:
        read_nodes(bytes.fromhex(body))
    assert says in str(refused.value)


def test_no_memory_is_taken_for_what_is_only_claimed() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for body in ("1902400000000c", "1802400000000c", "1d0002400000000c", "174000000061"):
        with pytest.raises(MalformedBody):
            read_nodes(bytes.fromhex(body))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KiB


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_lenient_reader_reads_what_tarsio_reads(dialect: Dialect) -> None:
    for function, sample in SAMPLES:
        body = encode_body(function.arguments(value=sample), dialect)
        assert read_leniently(function.arguments, body) == decode_body(function.arguments, body)
    body = encode_body(EVERYTHING, dialect)
    assert read_leniently(Everything, body) == EVERYTHING


class Names(Struct, frozen=True):
    by_name: dict[str, list[str]] = field(tag=1)
    record: Record = field(tag=2)
    singles: list[Float] = field(tag=3)
    color: Color = field(tag=4)
    note: str | None = field(tag=5, default=None)


def test_text_that_is_no_utf_8_comes_back_as_it_came() -> None:
    odd = b"\xff\xfe\x00".decode("utf-8", "surrogateescape")
    for value in (
        Names({odd: ["a", odd * 100], "b": []}, Record(odd, 1), [1.5], Color.BLUE, odd),
        Names({}, Record("", 0), [], Color.RED),
    ):
        for dialect in Dialect:
            assert decode_body(Names, encode_body(value, dialect)) == value
    assert encode_body(Value[str](value=odd)).hex() == "1603fffe00"
    with pytest.raises(NotEncodable, match="surrogates not allowed"):
        encode_body(Value[str](value="\ud800"))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Value[bytes], "190002000100ff"),  # a list of bytes
        (Echoed[bytes], "0900010001 2d00000101"),
    ],
)
def test_bytes_that_were_sent_as_a_list_are_read(kind: Any, body: str) -> None:
    assert isinstance(decode_body(kind, bytes.fromhex(body)), Struct)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Value[bytes], "1900010600"),  # a list of strings
        (Names, "1601ff"),
        (Value[Int], "16026162"),
        (Value[Int], "130000000100000000"),
        (Value[Record], "180c"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_types_are_refused_by_both_readers(kind: Any, body: str) -> None:
    with pytest.raises(MalformedBody):
        decode_body(kind, bytes.fromhex(body))


@given(st.binary(max_size=300))
def test_noise_is_read_or_refused(noise: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        json.dumps([shown(node) for node in read_nodes(noise)])
    for kind in (Names, Everything, Value[list[Long]]):
        with contextlib.suppress(MalformedBody):
            encode_body(decode_body(kind, noise))


FRAMES = [frame for pair in pairs() for frame in (pair.request, pair.response) if frame]


def test_every_recorded_frame_is_told_to_people() -> None:
    told = 0
    for pair in pairs():
        dissector = Dissector()
        with contextlib.suppress(MalformedTars):
            for data in (pair.request, pair.response):
                for frame in frames_of(data) if data else ():
                    packet = dissector.packet(frame)
                    assert "unfit" not in packet or pair.name.endswith(("_no_args", "no_arg", "_1"))
                    assert json.dumps(packet)
                    told += 1
    assert told >= 2 * len(pairs()) * 0.8


@given(
    st.sampled_from(FRAMES).filter(lambda frame: len(frame) < 2000),
    st.integers(0, 2000),
    st.binary(max_size=5),
)
def test_a_damaged_frame_is_told_or_refused(frame: bytes, place: int, noise: bytes) -> None:
    place = min(place, len(frame))
    with contextlib.suppress(MalformedTars):
        for one in frames_of(frame[:place] + noise + frame[place + len(noise) :]):
            json.dumps(Dissector().packet(one))


@given(st.binary(max_size=100))
def test_any_frame_is_told_or_refused(content: bytes) -> None:
    with contextlib.suppress(MalformedTars):
        json.dumps(Dissector().packet(frame_of(content)))


def test_a_body_that_does_not_fit_its_interface_is_shown_by_tags() -> None:
    asked = request(1, "tars.tarsregistry.QueryObj", "findObjectById", bytes.fromhex("1005"))
    packet = Dissector().packet(asked.to_frame())
    assert packet["body"] == [{"tag": 1, "type": "int1", "value": 5}]
    assert "findObjectById" not in packet["unfit"]
    assert "arguments" not in packet
