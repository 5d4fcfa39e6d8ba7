"""Bodies in TUP and JSON, against recorded ones of two servers; values as JSON has them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.body import Empty, Int, Struct, field, members
from lab.tars.echo_client import ECHO_FLOAT, ECHO_INT, SAMPLES, Echoed, Everything, Record, Value
from lab.tars.encodings import (
    decode_arguments,
    decode_results,
    encode_arguments,
    encode_results,
)
from lab.tars.errors import MalformedBody, MissingArgument, NotEncodable
from lab.tars.packets import Dialect, RequestPacket, Version, read_answer
from lab.tars.plain import from_plain, to_plain
from tests.tars.recorded import pairs


class Inner(Struct, frozen=True, omit_defaults=True):
    """The recorded servers' struct."""

    id: Int = field(tag=1)
    name: str = field(tag=2, default="none")
    level: Int = field(tag=3, default=5)


class InnerInFull(Struct, frozen=True):
    """The same, as @tars/rpc writes it."""

    id: Int = field(tag=1)
    name: str = field(tag=2, default="none")
    level: Int = field(tag=3, default=5)


class Outs(Struct, frozen=True):
    ret: Int = field(tag=0)
    b: Int = field(tag=2)
    d: str = field(tag=4)
    e: list[Int] = field(tag=5)


class OutsAsked(Struct, frozen=True):
    a: Int = field(tag=1)
    c: str = field(tag=3)


class Number(Struct, frozen=True):
    v: Int = field(tag=1)


class NumberEchoed(Struct, frozen=True):
    ret: Int = field(tag=0)
    o: Int = field(tag=2)


class Text(Struct, frozen=True):
    v: str = field(tag=1)


class TextEchoed(Struct, frozen=True):
    ret: str = field(tag=0)
    o: str = field(tag=2)


class InnerAsked(Struct, frozen=True):
    v: Inner = field(tag=1)


class InnerEchoed(Struct, frozen=True):
    ret: Inner = field(tag=0)
    o: Inner = field(tag=2)


class InnerInFullEchoed(Struct, frozen=True):
    ret: InnerInFull = field(tag=0)
    o: InnerInFull = field(tag=2)


class One(Struct, frozen=True):
    ret: Int = field(tag=0)


class Bytes(Struct, frozen=True):
    v: bytes = field(tag=1)


class BytesEchoed(Struct, frozen=True):
    ret: bytes = field(tag=0)
    o: bytes = field(tag=2)


FUNCTIONS: dict[str, tuple[type[Struct], type[Struct]]] = {
    "ping0": (Empty, One),
    "echoInt": (Number, NumberEchoed),
    "echoString": (Text, TextEchoed),
    "echoInner": (InnerAsked, InnerEchoed),
    "outs": (OutsAsked, Outs),
    "echoBytes": (Bytes, BytesEchoed),
}
RECORDED = [
    (pair, RequestPacket.from_frame(pair.request), read_answer(pair.response))
    for pair in pairs()
    if "_tup_json:" in pair.name and pair.request and pair.response
]
SUCCEEDED = [
    pytest.param(pair.dialect, asked, answered, id=pair.name)
    for pair, asked, answered in RECORDED
    if answered.ret == 0 and asked.function in FUNCTIONS
]


def test_enough_is_recorded() -> None:
    assert len(RECORDED) == 46
    assert len(SUCCEEDED) == 18


@pytest.mark.parametrize(("dialect", "asked", "answered"), SUCCEEDED)
def test_recorded_bodies_encode_to_their_own_bytes(
    dialect: Dialect, asked: RequestPacket, answered: Any
) -> None:
    arguments, results = FUNCTIONS[asked.function]
    if dialect is Dialect.TARSJS and asked.function == "echoInner":
        results = InnerInFullEchoed
    given_arguments = decode_arguments(arguments, asked.body, asked.version)
    gotten = decode_results(results, answered.body, answered.version)
    if asked.version == Version.JSON:
        # The order of an object's members is each codec's own, and @tars/rpc adds class names.
        again = json.loads(encode_results(gotten, asked.version, dialect))
        assert again == without_class_names(json.loads(answered.body))
        body = encode_arguments(given_arguments, asked.version)
        assert decode_arguments(arguments, body, asked.version) == given_arguments
        return
    assert encode_results(gotten, asked.version, dialect) == answered.body
    assert encode_arguments(given_arguments, asked.version) == asked.body


def without_class_names(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {k: without_class_names(v) for k, v in plain.items() if k != "_classname"}
    return plain


@pytest.mark.parametrize("version", [Version.TARS, Version.TUP_OLD, Version.TUP, Version.JSON])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_type_survives_every_version(version: Version, dialect: Dialect) -> None:
    for function, value in SAMPLES:
        arguments = function.arguments(value=value)
        body = encode_arguments(arguments, version)
        assert decode_arguments(function.arguments, body, version) == arguments, function.name
        results = function.results(ret=value, copy=value)
        body = encode_results(results, version, dialect)
        if version == Version.TUP_OLD and not dialect.is_tup(version):
            continue  # TarsCpp answers it as TARS
        assert decode_results(function.results, body, version) == results, function.name


def test_an_attribute_that_lacks_is_named() -> None:
    empty = bytes.fromhex("080c")
    with pytest.raises(MissingArgument, match="no attribute v"):
        decode_arguments(Number, empty, Version.TUP)


def test_json_that_does_not_fit_says_where() -> None:
    def refused(kind: type[Struct], text: str) -> str:
        with pytest.raises(MalformedBody) as error:
            decode_arguments(kind, text.encode(), Version.JSON)
        return str(error.value)

    assert "expected int" in refused(Number, '{"v":"5"}')
    assert ".v: found True, expected int" in refused(Number, '{"v":true}')
    assert "v" in refused(Number, "{}")
    assert "Expecting value" in refused(Number, "not json")
    assert ".v.name: found 7, expected str" in refused(InnerAsked, '{"v":{"id":1,"name":7}}')
    assert refused(Number, "[" * 100_000)
    assert "2147483648" in refused(Number, '{"v":2147483648}')


def test_json_has_no_infinity() -> None:
    with pytest.raises(NotEncodable):
        encode_arguments(ECHO_FLOAT.arguments(value=float("inf")), Version.JSON)


@given(st.binary(max_size=200))
def test_noise_is_read_or_refused_in_every_version(noise: bytes) -> None:
    for version in (Version.TUP_OLD, Version.TUP, Version.JSON):
        for kind in (Echoed[Record], Number, Value[Everything]):
            with contextlib.suppress(MalformedBody):
                decode_results(kind, noise, version)


@given(st.sampled_from(RECORDED), st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_damaged_recorded_bodies_are_read_or_refused(
    recorded: Any, place: int, noise: bytes
) -> None:
    _, asked, _ = recorded
    body = bytearray(asked.body or b"\x0c")
    place %= len(body)
    body[place : place + len(noise)] = noise
    arguments, _ = FUNCTIONS.get(asked.function, (ECHO_INT.arguments, None))
    with contextlib.suppress(MalformedBody):
        decode_arguments(arguments, bytes(body), asked.version)


def test_values_go_to_json_and_back() -> None:
    for function, value in SAMPLES:
        annotation = members(function.arguments)[0][2]
        text = json.dumps(to_plain(value))
        assert from_plain(annotation, json.loads(text)) == value, function.name


def test_keys_that_are_numbers_travel_as_strings() -> None:
    assert to_plain({1: b"\xff"}) == {"1": [-1]}
    assert from_plain(dict[Int, bytes], {"1": [-1]}) == {1: b"\xff"}
    with pytest.raises(ValueError, match="key 'x'"):
        from_plain(dict[Int, str], {"x": "y"})
