"""Bodies: recorded ones of every type, 32-bit floats, and what cannot be sent or read."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.body import (
    Byte,
    Empty,
    Float,
    Int,
    Long,
    Short,
    Struct,
    UnsignedByte,
    decode_body,
    encode_body,
    field,
)
from lab.tars.echo_client import SAMPLES, Color, Echoed, Everything, Record, Value
from lab.tars.errors import MalformedBody, NotEncodable
from lab.tars.packets import Dialect, RequestPacket, ResponsePacket
from lab.tars.queryf import (
    FIND_OBJECT_BY_ID,
    FIND_OBJECT_BY_ID_4_ANY,
    FIND_OBJECT_BY_ID_IN_SAME_GROUP,
)
from tests.tars.recorded import tars_frames


class Inner(Struct, frozen=True, omit_defaults=True):
    """The recorded servers' struct: two optional members with defaults of their own."""

    id: Int = field(tag=1)
    name: str = field(tag=2, default="none")
    rank: Int = field(tag=3, default=5)


RECORDED_TYPES: dict[str, Any] = {
    "echoBool": bool,
    "echoByte": Byte,
    "echoShort": Short,
    "echoInt": Int,
    "echoLong": Long,
    "echoFloat": Float,
    "echoDouble": float,
    "echoString": str,
    "echoBytes": bytes,
    "echoVecInt": list[Int],
    "echoMap": dict[str, Int],
    "echoMapVec": dict[str, list[str]],
    "echoColor": Int,
}
# What TarsCpp accepts and this codec, like @tars/stream, does not write or read.
FOREIGN = ("string_not_utf8", "bytes_as_list")


def bodies(file: str, kind: str) -> list[Any]:
    return [
        (recorded.name, RECORDED_TYPES[recorded.function], packet.body)
        for recorded in tars_frames(file)
        if recorded.kind == kind
        and recorded.function in RECORDED_TYPES
        and not recorded.name.endswith(FOREIGN)
        and (packet := READ[kind](recorded.frame))
        and getattr(packet, "ret", 0) == 0
    ]


READ = {"request": RequestPacket.from_frame, "response": ResponsePacket.from_frame}


@pytest.mark.parametrize(
    ("file", "dialect"), [("tarscpp_types", Dialect.TARSCPP), ("tarsjs_types", Dialect.TARSJS)]
)
def test_recorded_answers_of_every_type_encode_to_their_own_bytes(
    file: str, dialect: Dialect
) -> None:
    recorded = bodies(file, "response")
    assert len(recorded) > 45
    for name, kind, body in recorded:
        assert encode_body(decode_body(Echoed[kind], body), dialect) == body, name


def test_recorded_arguments_are_what_comes_back() -> None:
    sent = {name: (kind, body) for name, kind, body in bodies("tarscpp_types", "request")}
    for name, kind, body in bodies("tarscpp_types", "response"):
        argument = decode_body(Value[kind], sent[name][1]).value
        answer = decode_body(Echoed[kind], body)
        if argument == argument:  # noqa: PLR0124 - all but NaN
            assert answer.ret == answer.copy == argument, name
        else:
            assert math.isnan(answer.ret)
            assert math.isnan(answer.copy)


def test_optional_members_are_left_out_as_tarscpp_does() -> None:
    assert encode_body(Echoed[Inner](ret=Inner(id=9), copy=Inner(id=9))).hex() == "0a10090b2a10090b"
    other = Inner(id=9, name="", rank=0)
    assert encode_body(Value[Inner](value=other)).hex() == "1a100926003c0b"
    assert decode_body(Value[Inner], bytes.fromhex("1a10090b")).value == Inner(id=9)


@pytest.mark.parametrize(
    "function", [FIND_OBJECT_BY_ID, FIND_OBJECT_BY_ID_4_ANY, FIND_OBJECT_BY_ID_IN_SAME_GROUP]
)
def test_recorded_lookups_encode_to_their_own_bytes(function: Any) -> None:
    found = 0
    for recorded in tars_frames():
        if recorded.function == function.name and recorded.kind == "response":
            packet = ResponsePacket.from_frame(recorded.frame)
            if packet.ret == 0:
                value = decode_body(function.results, packet.body)
                assert encode_body(value) == packet.body, recorded.name
                found += len(value.active)
    assert found >= 5


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(1.5, "143fc00000"), (-3.25, "14c0500000"), (3.4028234663852886e38, "147f7fffff")],
)
def test_floats_are_written_in_32_bits(value: float, encoded: str) -> None:
    assert encode_body(Value[Float](value=value)).hex() == encoded
    assert decode_body(Value[Float], bytes.fromhex(encoded)).value == value


class Optional(Struct, frozen=True, omit_defaults=True):
    """In Tars' words: 0 require int, 1 optional string = "x", 2 bool = true, 3 map, 4 double."""

    number: Int = field(tag=0)
    text: str = field(tag=1, default="x")
    truth: bool = field(tag=2, default=True)
    labels: dict[str, Int] = field(tag=3, default_factory=dict)
    precise: float = field(tag=4, default=0.5)
    inner: Inner | None = field(tag=5, default=None)


def test_each_dialect_writes_optional_members_maps_and_zeros_in_its_way() -> None:
    for value, cpp, js in (
        (Optional(0), "0c2001", "0c160178 2001380c 453fe0000000000000"),
        (Optional(0, text=""), "0c16002001", "0c1600 2001380c 453fe0000000000000"),
        (Optional(0, truth=False), "0c2c", "0c1601782c380c 453fe0000000000000"),
        # TarsCpp takes floats that are nearly equal for equal.
        (Optional(0, precise=0.5 + 1e-9), "0c2001", "0c160178 2001380c 453fe000000089705f"),
        (Optional(0, precise=0.0), "0c2001450000000000000000", "0c160178 2001380c 4c"),
        (
            Optional(0, labels={"b": 1, "a": 2}),
            "0c2001 380002 06016110020601621001",
            "0c160178 2001380002 0601621001060161 1002 453fe0000000000000",
        ),
        (Optional(0, inner=Inner(9)), "0c2001 5a10090b", None),
    ):
        assert encode_body(value) == bytes.fromhex(cpp)
        assert decode_body(Optional, encode_body(value)).text == value.text
        if js is not None:
            assert encode_body(value, Dialect.TARSJS) == bytes.fromhex(js)
        assert decode_body(Optional, encode_body(value, Dialect.TARSJS)) == value


def test_a_negative_zero_keeps_its_sign_in_full() -> None:
    back = decode_body(Value[float], encode_body(Value[float](value=-0.0)))
    assert math.copysign(1, back.value) == -1


@pytest.mark.parametrize(
    ("annotation", "wide", "value", "says"),
    [
        (list[Int], list[int], [0, 2**31], "2147483648 is out of range: -2147483648 to 2147483647"),
        (list[UnsignedByte], list[int], [255, -1], "-1 is out of range: 0 to 255"),
        (list[list[Byte]], list[list[int]], [[1], [128]], "128 is out of range: -128 to 127"),
        (dict[Short, str], dict[int, str], {32768: ""}, "32768 is out of range"),
        (dict[str, Byte], dict[str, int], {"": 128}, "128 is out of range"),
        (dict[str, list[Byte]], dict[str, list[int]], {"": [128]}, "128 is out of range"),
        (Int, int, 2**31, "2147483648 is out of range"),
    ],
)
def test_items_and_generic_members_keep_to_their_range(
    annotation: Any, wide: Any, value: Any, says: str
) -> None:
    with pytest.raises(NotEncodable, match=says):
        encode_body(Value[annotation](value=value))
    body = encode_body(Value[wide](value=value))
    with pytest.raises(MalformedBody, match=says):
        decode_body(Value[annotation], body)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_floats_that_are_no_numbers(value: float) -> None:
    back = decode_body(Value[Float], encode_body(Value[Float](value=value))).value
    assert back == value or (math.isnan(back) and math.isnan(value))


class Tree(Struct, frozen=True):
    weight: Float = field(tag=0)
    branches: list[Tree] = field(tag=1, default_factory=list)
    named: dict[str, Tree] = field(tag=20, default_factory=dict)
    height: Float | None = field(tag=200, default=None)


def test_floats_deep_inside() -> None:
    tree = Tree(1.5, [Tree(0.5, height=2.0)], {"x": Tree(-1.0)})
    body = encode_body(tree)
    assert decode_body(Tree, body) == tree
    assert body.count(bytes.fromhex("043fc00000")) == 1
    assert bytes.fromhex("f4c840000000") in body  # tag 200 needs the head's second byte


floats = st.floats(width=32, allow_nan=False)
texts = st.text(max_size=300)
records = st.builds(Record, name=texts, number=st.integers(-(2**31), 2**31 - 1))
everything = st.builds(
    Everything,
    truth=st.booleans(),
    small=st.integers(-(2**7), 2**7 - 1),
    middle=st.integers(-(2**15), 2**15 - 1),
    number=st.integers(-(2**31), 2**31 - 1),
    large=st.integers(-(2**63), 2**63 - 1),
    single=floats,
    precise=st.floats(allow_nan=False),
    text=texts,
    data=st.binary(max_size=300),
    numbers=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20),
    texts=st.lists(texts, max_size=5),
    labels=st.dictionaries(texts, texts, max_size=5),
    records=st.dictionaries(texts, records, max_size=5),
    record=records,
    color=st.sampled_from(Color),
    unsigned_small=st.integers(0, 2**8 - 1),
    unsigned_middle=st.integers(0, 2**16 - 1),
    unsigned_number=st.integers(0, 2**32 - 1),
    singles=st.lists(floats, max_size=5),
)


@given(everything)
def test_everything_comes_back(value: Everything) -> None:
    assert decode_body(Everything, encode_body(value)) == value


@given(st.sampled_from(SAMPLES), st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
def test_damaged_bodies_are_read_or_refused(sample: Any, place: int, noise: bytes) -> None:
    function, value = sample
    body = bytearray(encode_body(function.arguments(value=value)))
    place %= len(body)
    body[place : place + len(noise)] = noise
    with contextlib.suppress(MalformedBody):
        decode_body(function.arguments, bytes(body))


@pytest.mark.parametrize(
    "body",
    [
        "",  # no tag 1
        "1201",  # an int cut short
        "1605616263",  # a string longer than the body
        "177fffffff61",  # the same with four bytes of length
        "1d00027fffffff",  # bytes announced as 2 GiB
        "19027fffffff",  # a list announced as 2 GiB items
        "0a" * 200,  # nested too deep
    ],
)
def test_malformed_bodies_are_refused(body: str) -> None:
    for kind in (Value[str], Value[bytes], Value[list[Int]], Value[Int]):
        with pytest.raises(MalformedBody, match="a body holds no Value"):
            decode_body(kind, bytes.fromhex(body))


@pytest.mark.parametrize("body", ["", "0c", "00012002"])
def test_empty_reads_any_body(body: str) -> None:
    assert encode_body(decode_body(Empty, bytes.fromhex(body))) == b""


def test_a_float_out_of_range_is_refused() -> None:
    with pytest.raises(NotEncodable, match="float too large"):
        encode_body(Value[Float](value=1e300))


@pytest.mark.parametrize(
    ("member", "low", "high"),
    [
        ("small", -(2**7), 2**7 - 1),
        ("middle", -(2**15), 2**15 - 1),
        ("number", -(2**31), 2**31 - 1),
        ("unsigned_small", 0, 2**8 - 1),
        ("unsigned_middle", 0, 2**16 - 1),
        ("unsigned_number", 0, 2**32 - 1),
    ],
)
def test_members_keep_to_their_range(member: str, low: int, high: int) -> None:
    _, everything_sample = SAMPLES[-1]
    for value in (low, high):
        changed = everything_sample.__replace__(**{member: value})
        assert getattr(decode_body(Everything, encode_body(changed)), member) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match="must be"):
            everything_sample.__replace__(**{member: value})
