"""Types and calls from `.tars` files: made values, their bytes, and calls to a real servant."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import json
import pydoc
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.tars.aio import AsyncTarsClient
from lab.tars.body import Struct, decode_body, encode_body
from lab.tars.client import TarsClient
from lab.tars.echo_client import ECHO_OBJECT, SAMPLES
from lab.tars.encodings import decode_arguments, encode_arguments
from lab.tars.errors import MalformedBody, NoAnswer, NotEncodable
from lab.tars.idl import Api, NotDefined, load, loads
from lab.tars.idl.syntax import Map, Named, Scalar, Type, Vector
from lab.tars.packets import Dialect, PacketType, Version, answer
from lab.tars.plain import from_plain, to_plain
from lab.tars.serving import Call, Servant
from tests.tars.running_echo import RunningEcho
from tests.tars.running_server import running_server
from tests.tars.scripted_server import ScriptedServer

LANGUAGE = load(Path(__file__).parent / "idl" / "Language.tars")
DEMO = load(Path(__file__).parent / "idl" / "Demo.tars")
ECHO = load(Path(__file__).parents[2] / "lab" / "tars" / "echo" / "Echo.tars")
lang: Any = LANGUAGE.lang


@pytest.fixture
def echo(echo_server: RunningEcho) -> Any:
    with TarsClient(echo_server.address) as client:
        yield ECHO.proxy(client, ECHO_OBJECT)


# -- names and types ------------------------------------------------------------------------


def test_what_is_defined_is_found_by_module_and_by_name() -> None:
    assert LANGUAGE["lang::Key"] is LANGUAGE["Key"] is lang.Key
    assert LANGUAGE["inner::Deep"] is lang.inner.Deep
    assert LANGUAGE["LIMIT"] == lang.LIMIT == 16
    assert "shared" in dir(LANGUAGE)
    assert repr(lang.Key(1, "a")) == "Key(number=1, name='a')"
    for wrong, says in (
        (lambda: LANGUAGE["Kex"], "definition Kex is not defined; did you mean Key?"),
        (lambda: LANGUAGE.long, "module long is not defined; did you mean lang?"),
        (lambda: LANGUAGE.interface("Cals"), "interface Cals is not defined; did you mean Calls?"),
        (LANGUAGE.interface, "the interface must be named"),
        (lambda: LANGUAGE.interface("Calls")["sun"], "has no function sun; did you mean sum?"),
    ):
        with pytest.raises(NotDefined, match=says.replace("?", r"\?")):
            wrong()


def test_an_enum_without_a_name_is_an_int_in_a_struct() -> None:
    api = loads("module m { enum E { }; struct S { 0 require E e; 1 optional vector<E> es; }; };")
    sent = api.m.S(7, [1, -2])
    assert decode_body(api.m.S, encode_body(sent)) == sent
    assert decode_body(api.m.S, encode_body(api.m.S(3))).e == 3


def test_one_short_name_in_two_modules_must_be_qualified() -> None:
    api = loads("module a { enum E { X }; }; module b { enum E { Y }; };")
    assert api["b::E"].Y == 0
    with pytest.raises(NotDefined, match="definition E is one of a::E, b::E"):
        api["E"]


def test_a_struct_has_the_defaults_of_its_file() -> None:
    value = lang.Defaults()
    assert (value.truth, value.small, value.middle) == (True, -128, 300)
    assert value.large == -(2**63)
    assert value.text == "none"
    assert value.step is lang.Step.TENTH
    assert value.level is LANGUAGE.shared.Level.WORSE
    assert value.first is lang.Step.FIRST
    assert (value.data, value.steps, value.inside, value.item) == (b"", {}, [], None)
    assert lang.Key(name="n").number == -7
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        lang.Key()


def test_a_required_member_with_a_default_may_not_lack_on_the_wire() -> None:
    assert decode_body(lang.Key, encode_body(lang.Key(name="n"))) == lang.Key(-7, "n")
    with pytest.raises(MalformedBody, match="Missing required field 'number'"):
        decode_body(lang.Key, bytes.fromhex("76016e"))


def test_members_of_every_kind_come_back_in_both_dialects() -> None:
    inner = lang.Defaults(truth=False, single=0.0)
    value = lang.Defaults(
        small=0,
        data=b"\x00\xff",
        steps={lang.Key(2, "b"): [lang.Step.NEXT], lang.Key(1, "b"): []},
        item=LANGUAGE.shared.Item("i"),
        inside=[inner],
        deeper={"d": [inner, inner]},
        last=True,
    )
    for dialect in Dialect:
        assert decode_body(lang.Defaults, encode_body(value, dialect)) == value
    keys = [
        [key.number for key in decode_body(lang.Defaults, encode_body(value, dialect)).steps]
        for dialect in (Dialect.TARSCPP, Dialect.TARSJS)
    ]
    assert keys == [[1, 2], [2, 1]]


def test_the_dialects_differ_in_what_is_left_out() -> None:
    # TarsCpp always writes bools (0, 255) and enums (11 to 14).
    assert encode_body(lang.Defaults()).hex() == "0001b00ac00bd005ecfcff"
    assert len(encode_body(lang.Defaults(), Dialect.TARSJS)) == 80


def test_bounds_of_arrays_are_kept() -> None:
    fits: dict[str, Any] = {
        "short_text": "12345678",
        "few": [1, 2, 3, 4],
        "raw": bytes(16),
        "pointer": bytes(99),
        "codes": ["abc"],
        "pair": [1, 2],
    }
    assert decode_body(lang.Bounded, encode_body(lang.Bounded(**fits))) == lang.Bounded(**fits)
    for name in ("short_text", "few", "raw", "pair"):
        with pytest.raises(ValueError, match=r"length must be <="):
            lang.Bounded(**{**fits, name: fits[name] * 2})


def test_an_enum_is_open() -> None:
    step = lang.Step
    assert step(11) is step.NEXT
    assert (step(77), step(77).name) == (77, "77")
    assert "77" not in step.__members__
    with pytest.raises(ValueError, match="is not a valid Step"):
        step(2**31)


def test_names_that_python_lacks_get_an_underscore_and_keep_their_own_on_the_wire() -> None:
    api = loads(
        """module m {
            enum E { mro, _own_, None };
            struct S { 0 require int class; 1 optional int class_; 2 optional int encode; };
            interface I { int f(int from, out int ret, out int __init__); };
        };"""
    )
    value = api["S"](class_=1, class__=2)
    assert to_plain(value) == {"class": 1, "class_": 2, "encode": 0}
    assert from_plain(api["S"], {"class": 1, "class_": 2}) == value
    assert decode_body(api["S"], encode_body(value)) == value
    assert [value.name for value in api["E"]] == ["mro_", "_own__", "None"]
    method = api.interface()["f"]
    assert str(method.signature) == "(from_: 'int') -> '(int ret, int ret, int __init__)'"
    results = decode_body(method.function.results, bytes.fromhex("00012002 3003"))
    assert tuple(results) == (1, 2, 3)
    asked = method.arguments(5)
    for version in Version.TUP_OLD, Version.TUP, Version.JSON:
        body = encode_arguments(asked, version)
        assert b"from" in body
        assert b"from_" not in body
        assert decode_arguments(method.function.arguments, body, version) == asked


def test_bounded_types_have_their_names_in_the_old_tup() -> None:
    value = lang.Bounded("ab", [1], b"c", b"d", ["e"], [2, 3])
    body = encode_arguments(value, Version.TUP_OLD)
    assert decode_arguments(lang.Bounded, body, Version.TUP_OLD) == value


def test_an_api_can_be_copied() -> None:
    assert copy.copy(ECHO)["Color"] is ECHO.iec4.Color


# -- calls ----------------------------------------------------------------------------------


def test_every_type_comes_back_from_a_real_servant(echo: Any) -> None:
    for function, sample in SAMPLES:
        plain = to_plain(sample, readable=True)
        ret, copy = getattr(echo, function.name)(plain)
        assert to_plain(ret, readable=True) == to_plain(copy, readable=True) == plain


def test_arguments_by_position_or_name_and_results_by_their_kind(echo: Any) -> None:
    assert echo.pause(1) is None
    assert echo.identity().version == "1.0.0"
    ret, repeated, parts = results = echo.repeat("ab", times=2)
    assert (ret, repeated, parts) == (2, "abab", ["ab", "ab"])
    assert repr(results) == "repeat_results(ret=2, repeated='abab', parts=['ab', 'ab'])"
    assert echo.echoRecord(ECHO.iec4.Record("x", 1)).copy == ECHO.iec4.Record("x", 1)
    assert echo.echoColor(5).ret == 5


def test_a_function_shows_what_it_takes(echo: Any) -> None:
    assert str(inspect.signature(echo.repeat)) == (
        "(text: 'string', times: 'int') -> '(int ret, string repeated, vector<string> parts)'"
    )
    shown = pydoc.render_doc(echo.repeat, renderer=pydoc.plaintext)
    assert "int repeat(string text, int times, out string repeated, out vector<string>" in shown
    assert "Returns times; two out parameters of other types" in shown
    assert repr(echo) == f"<Echo of {ECHO_OBJECT}>"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((), TypeError, "missing a required argument: 'text'"),
        (("a", 1, 2), TypeError, "too many positional arguments"),
        (
            (7, 1),
            NotEncodable,
            r"iec4::Echo\.repeat cannot be called .* text: found 7, expected str",
        ),
        (("a", "b"), NotEncodable, "times: found 'b', expected int; expected: int repeat"),
        (("a", 2**31), NotEncodable, "times: found 2147483648, expected -2147483648 to 2147483647"),
        (("a", True), NotEncodable, "times: found True, expected int"),
    ],
)
def test_arguments_that_do_not_fit_are_told_before_anything_is_sent(
    scripted: ScriptedServer, arguments: tuple[Any, ...], error: type[Exception], says: str
) -> None:
    with TarsClient(scripted.address) as client, pytest.raises(error, match=says):
        ECHO.proxy(client, ECHO_OBJECT).repeat(*arguments)  # type: ignore[attr-defined]
    assert scripted.connections == 0


def test_options_are_for_the_proxy_that_they_were_given_to(scripted: ScriptedServer) -> None:
    scripted.handle = lambda connection, call: connection.sendall(
        answer(call, bytes.fromhex("0c2c")).to_frame()
    )
    with TarsClient(scripted.address) as client:
        echo: Any = ECHO.proxy(client, ECHO_OBJECT, context={"a": "b"})
        assert echo(timeout=1.5).echoInt(0).ret == 0
        assert echo.echoInt(0).ret == 0
        assert echo(one_way=True).echoInt(0) is None
        sent = [scripted.requests.get(timeout=5) for _ in range(3)]
    assert [(call.timeout_ms, call.context) for call in sent[:2]] == [
        (1500, {"a": "b"}),
        (3000, {"a": "b"}),
    ]
    assert sent[2].packet_type == PacketType.ONE_WAY


def test_a_call_without_an_answer_ends(echo: Any) -> None:
    with pytest.raises(NoAnswer):
        echo(timeout=0.05).pause(1000)


def test_calls_are_awaited_where_the_client_s_are(echo_server: RunningEcho) -> None:
    async def many() -> list[Any]:
        async with AsyncTarsClient(echo_server.address) as client:
            echo: Any = ECHO.proxy(client, ECHO_OBJECT)
            return await asyncio.gather(*(echo.echoInt(number) for number in range(50)))

    assert [tuple(results) for results in asyncio.run(many())] == [(n, n) for n in range(50)]


def test_other_versions_of_bodies_are_typed_too(scripted: ScriptedServer) -> None:
    scripted.handle = lambda connection, call: connection.sendall(
        answer(call, b'{"tars_ret":7,"copy":8}').to_frame()
    )
    with TarsClient(scripted.address) as client:
        echo: Any = ECHO.proxy(client, ECHO_OBJECT, version=Version.JSON)
        assert tuple(echo.echoInt(7)) == (7, 8)
    assert json.loads(scripted.requests.get(timeout=5).body) == {"value": 7}


@pytest.mark.parametrize("version", [Version.TARS, Version.TUP, Version.JSON])
def test_a_servant_offers_what_its_file_describes(version: Version) -> None:
    demo = DEMO.interface()
    servant = Servant()

    @servant.offers(demo["outs"].function)
    def outs(asked: Any, _call: Call) -> Any:
        return demo["outs"].function.results(
            ret=7, b=asked.a, d=asked.c * 2, e=list(range(asked.a))
        )

    @servant.offers(demo["echoAll"].function)
    def echo_all(asked: Any, _call: Call) -> Any:
        return demo["echoAll"].function.results(ret=asked.v, o=asked.v)

    with (
        running_server({"Demo.EchoServer.EchoObj": servant}) as server,
        TarsClient(server.address) as client,
    ):
        proxy: Any = demo.proxy(client, "Demo.EchoServer.EchoObj", version=version)
        assert tuple(proxy.outs(2, "x")) == (7, 2, "xx", [0, 1])
        ret, out = proxy.echoAll(
            {"b": True, "by": -1, "sh": 300, "i": 7, "l": 2**40, "f": 0.5, "d": -0.25, "s": "é",
             "raw": {"hex": "00ff"}, "vi": [1], "vs": ["a"], "m": {"k": 1}, "inner": {"id": 9},
             "vin": [{"id": 1, "level": 0}], "min": {"3": {"id": 2}}, "color": "BLUE", "ui": 2**31}
        )  # fmt: skip
    assert ret == out
    assert (out.raw, out.color, out.inner.name, out.note) == (b"\x00\xff", 7, "none", "dflt")
    assert out.min == {3: DEMO["Inner"](2)}


# -- values as JSON -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_name", "plain", "says"),
    [
        ("lang::Defaults", {"smal": 1}, "Defaults has no member 'smal'; did you mean small"),
        ("lang::Defaults", {"small": 128}, ".small: found 128, expected -128 to 127"),
        ("lang::Defaults", {"step": "THIRD"}, ".step: Step has no 'THIRD'; known: AGAIN, FIRST"),
        ("lang::Defaults", {"inside": [{}, {"inside": 7}]}, ".inside[1].inside: found 7, expec"),
        ("lang::Defaults", {"steps": [[{"name": 7}, []]]}, ".steps.key {.name.: 7}.name: found 7"),
        ("lang::Defaults", {"steps": [[1]]}, ".steps: expected .key, value. pairs"),
        ("lang::Defaults", {"data": [256.5]}, ".data: found 256.5, expected a byte"),
        ("lang::Defaults", {"data": {"hex": "0"}}, ".data: "),
        ("lang::Defaults", {"truth": 1}, ".truth: found 1, expected bool"),
        ("lang::Key", {}, "Key: .*missing 1 required positional argument: 'name'"),
        ("lang::Key", [], "found .., expected an object"),
    ],
)
def test_json_that_does_not_fit_says_where(type_name: str, plain: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("[1]", r"\[1\]")):
        from_plain(LANGUAGE[type_name], plain, strict=True)


def test_json_for_people_says_names_hex_and_what_is_no_number() -> None:
    value = lang.Defaults(
        step=lang.Step.NEXT,
        first=lang.Step(77),
        data=b"\x00\xff",
        precise=float("-inf"),
        steps={lang.Key(1, "k"): [lang.Step.FIRST, lang.Step.SECOND]},
    )
    plain = to_plain(value, readable=True)
    assert plain["step"] == "NEXT"
    assert plain["first"] == 77
    assert plain["data"] == {"hex": "00ff"}
    assert plain["precise"] == "-Infinity"
    assert plain["steps"] == [[{"number": 1, "name": "k"}, ["FIRST", "SECOND"]]]
    assert from_plain(lang.Defaults, json.loads(json.dumps(plain)), strict=True) == value


# -- anything -------------------------------------------------------------------------------

INTEGERS = {
    "byte": st.integers(-(2**7), 2**7 - 1),
    "short": st.integers(-(2**15), 2**15 - 1),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "unsigned byte": st.integers(0, 2**8 - 1),
    "unsigned short": st.integers(0, 2**16 - 1),
    "unsigned int": st.integers(0, 2**32 - 1),
}


def plain_values(api: Api, type_: Type, depth: int = 2) -> st.SearchStrategy[Any]:
    """JSON for values of any type of a `.tars` file."""
    if isinstance(type_, Scalar):
        others = {
            "bool": st.booleans(),
            "string": st.text(max_size=type_.limit or 300),
            "float": st.floats(width=32, allow_nan=False).map(plain_float),
            "double": st.floats(allow_nan=False).map(plain_float),
        }
        return {**INTEGERS, **others}[type_.name]
    size = 0 if depth <= 0 else 3
    if isinstance(type_, Vector):
        if type_.item == Scalar("byte"):
            return st.binary(max_size=300).map(lambda data: {"hex": data.hex()})
        return st.lists(plain_values(api, type_.item, depth - 1), max_size=size)
    if isinstance(type_, Map):
        key, value = (plain_values(api, of, depth - 1) for of in (type_.key, type_.value))
        return st.lists(st.tuples(key, value).map(list), max_size=size)
    if (enum := api.document.enums.get(type_.name)) is not None:
        return st.sampled_from(list(enum.values)) | INTEGERS["int"]
    struct = api.document.structs[type_.name]
    return st.fixed_dictionaries(
        {m.name: plain_values(api, m.type, depth - 1) for m in struct.members if m.required},
        optional={
            m.name: plain_values(api, m.type, depth - 1)
            for m in struct.members
            if not m.required and (depth > 0 or isinstance(m.type, Scalar))
        },
    )


def plain_float(number: float) -> Any:
    """Not within 1e-6 of a default, which TarsCpp would leave out."""
    apart = number if abs(number) > 100 else round(number * 4) / 4
    return to_plain(apart, readable=True)


@given(plain_values(LANGUAGE, Named("lang::Defaults")))
def test_any_json_of_a_struct_comes_back_by_bytes_and_by_json(plain: Any) -> None:
    comes_back(lang.Defaults, plain)


@given(plain_values(ECHO, Named("iec4::Everything"), depth=3))
def test_any_json_of_every_type_comes_back_by_bytes_and_by_json(plain: Any) -> None:
    comes_back(ECHO["Everything"], plain)


def comes_back(kind: type[Struct], plain: Any) -> None:
    value = from_plain(kind, plain, strict=True)
    for dialect in Dialect:
        assert decode_body(kind, encode_body(value, dialect)) == value
    shown = json.loads(json.dumps(to_plain(value, readable=True)))
    assert from_plain(kind, shown, strict=True) == value


@given(st.sampled_from([lang.Defaults, lang.Bounded, ECHO["Everything"]]), st.binary(max_size=200))
def test_noise_is_read_as_a_struct_or_refused(kind: type[Struct], noise: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        decode_body(kind, noise)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(list(lang.Defaults.__struct_fields__)), anything))
def test_any_json_fits_or_is_refused(plain: Any) -> None:
    with contextlib.suppress(ValueError):
        encode_body(from_plain(lang.Defaults, plain, strict=True))


GIB = 2**30


@pytest.mark.parametrize(
    "body",
    [
        f"1902{GIB:08x}",  # a vector of 1 GiB items
        f"1802{GIB:08x}",  # a map
        f"1d0002{GIB:08x}",  # bytes
        f"17{GIB:08x}61",  # a string
        f"190001190001 1902{GIB:08x}",  # within vectors
        f"f92002{GIB:08x}",  # at a tag that nobody asked for
        f"f82002{GIB:08x}0c",
    ],
)
def test_nothing_is_allocated_for_what_a_body_only_claims(body: str) -> None:
    kinds = ["int", "string", "vector<int>", "vector<vector<int>>", "map<int, string>"]
    kinds += ["vector<byte>", "vector<S>", "map<string, S>"]
    members = "; ".join(f"{tag} optional {kind} m{tag}" for tag, kind in enumerate(kinds))
    wide = loads(f"module m {{ struct S {{ {members}; }}; }};")["S"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for tag in range(len(kinds)):
        moved = bytes([tag << 4 | int(body[1], 16)]) if body[0] == "1" else b"\xf9"
        whole = moved + bytes.fromhex(body[2:])
        with contextlib.suppress(MalformedBody):
            decode_body(wide, whole)
    for kind in ("S", "E"):
        api = loads(
            "module m { struct S { 1 require vector<int> x; }; struct E { 1 require int x; }; };"
        )
        with pytest.raises(MalformedBody):
            decode_body(api[kind], bytes.fromhex(body))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB
