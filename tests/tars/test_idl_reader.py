"""`.tars` files: what the language has, and what it refuses, told with file, line and column."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.idl import IdlError
from lab.tars.idl.files import read, read_text
from lab.tars.idl.syntax import Document, Map, Named, Parameter, Scalar, Vector

LANGUAGE = Path(__file__).parent / "idl" / "Language.tars"
ECHO = Path(__file__).parents[2] / "lab" / "tars" / "echo" / "Echo.tars"


@pytest.fixture(scope="module")
def language() -> Document:
    return read(LANGUAGE)


def test_constants_have_the_values_that_their_literals_mean(language: Document) -> None:
    assert {name: constant.value for name, constant in language.constants.items()} == {
        "lang::LIMIT": 16,
        "lang::OCTAL": 8,
        "lang::TITLE": 'tab\t"quoted" cé',
        "lang::RATIO": -1500.0,
        "lang::HALF": 0.5,
        "lang::ON": True,
        "lang::WORST": 6,
    }


def test_enums_count_on(language: Document) -> None:
    assert language.enums["lang::Step"].values == {
        "FIRST": 0,
        "SECOND": 1,
        "TENTH": 10,
        "NEXT": 11,
        "AGAIN": 1,
    }
    assert language.enums["lang::Step"].comment == "Values count on from the one before."
    assert language.enums["lang::Nothing"].values == {}


def test_structs_have_members_in_order_of_tags_defaults_and_keys(language: Document) -> None:
    key = language.structs["lang::Key"]
    assert [(m.tag, m.name, m.default) for m in key.members] == [
        (0, "number", -7),
        (7, "name", None),
    ]
    assert key.keys == ("name", "number")
    assert key.comment == "Compared by its name first."
    defaults = language.structs["lang::Defaults"].members
    assert [member.default for member in defaults[:15]] == [
        True, -128, 300, 70000, -(2**63), 1.0, 2.0, "none", 255, 65535, 2**32 - 1, 10, 11, 5, None,
    ]  # fmt: skip
    assert [member.required for member in defaults[:2]] == [True, False]
    assert defaults[16].type == Map(Named("lang::Key"), Vector(Named("lang::Step")))
    assert defaults[-1].tag == 255


def test_arrays_are_bounded_vectors(language: Document) -> None:
    byte, number = Scalar("byte"), Scalar("int")
    assert [member.type for member in language.structs["lang::Bounded"].members] == [
        Scalar("string", 8),
        Vector(number, 4),
        Vector(byte, 16),
        Vector(byte),
        Vector(Scalar("string", 3)),
        Vector(number, 2),
    ]


def test_functions_have_parameters_of_every_kind(language: Document) -> None:
    assert language.interfaces["lang::Empty"].operations == {}
    calls = language.interfaces["lang::Calls"].operations
    assert list(calls) == ["map", "sum", "both", "find", "class_of", "timeout"]
    assert calls["map"].returns is None
    assert calls["sum"].comment == "Adds up."
    assert calls["sum"].parameters[1:] == (
        Parameter(2, Scalar("int"), "count", out=True),
        Parameter(3, Scalar("string"), "text", out=True),
    )
    assert calls["both"].parameters[0] == Parameter(1, Scalar("string"), "id", route_key=True)
    assert str(calls["find"]) == (
        "lang::Key find(lang::Key wanted, map<lang::Step, bool> options, vector<byte>:4 raw)"
    )


def test_modules_nest_and_are_opened_again(language: Document) -> None:
    assert [member.type for member in language.structs["lang::inner::Deep"].members] == [
        Named("lang::Later"),
        Named("shared::Item"),
    ]
    deepest = language.structs["lang::Deepest"].members
    assert deepest[0].type == deepest[1].type == Named("lang::inner::Deep")


IN_MODULE = "module m\n{\n%s\n};\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("module m { }", "1:13: ; is missing; found: the end of the file; expected: ; after"),
        ("module struct { };", "1:8: a keyword cannot be the name of a module; found: 'struct'"),
        ("struct S { 0 require int x; };", "1:1: a struct must stand in a module"),
        ("interface I { };", "1:1: a interface must stand in a module"),
        ("modul m {};", "1:1: nothing may stand here; found: 'modul'; expected: a definition"),
        ("module m { /* no end", "1:12: a comment has no end; expected: */"),
        ('module m { const string S = "no end;\n" };', '1:29: a string has no end'),
        ("module m { $ };", "1:12: no `.tars` file has this character; found: '$'"),
        ("#include <stdio.h>", "1:1: an include names no file"),
        ('#include "Nobody.tars"', "1:1: an included file is not there; found: Nobody.tars"),
        ("struct S { };", "3:12: struct m::S must have a member"),
        ("struct S { 0 int x; };", "3:14: a struct's member needs to be required or not"),
        ("struct S { require int x; };", "3:12: a struct's member needs a tag; found: 'require'"),
        ("struct S { 256 require int x; };", "3:12: a tag is out of its range; found: 256; ex"),
        ("struct S { -1 require int x; };", "3:12: a tag is out of its range; found: -1"),
        ("struct S { 0 require int; };", "3:25: a member needs a name; found: ';'"),
        ("struct S { 0 require int out; };", "3:26: a keyword cannot be the name of a member"),
        ("struct S { 0 require int x }", "3:28: ; is missing; found: '}'; expected: ; after a m"),
        ("struct S { 0 require integer x; };", "3:22: no struct or enum has this name before"),
        ("struct S { 0 require S x; };", "3:12: struct m::S cannot be a member of itself"),
        ("struct S { 0 require int x; 0 require int y; };", "3:29: members x and y have tag 0"),
        ("struct S { 0 require int x; 1 require int x; };", "3:43: struct m::S has two members x"),
        ("struct S { 0 require unsigned long x; };", "3:31: this type has no unsigned form"),
        ("struct S { 0 require vector<int x; };", "3:33: > is missing; found: 'x'"),
        ("struct S { 0 require map<int> x; };", "3:29: , is missing; found: '>'"),
        ("struct S { 0 require void x; };", "3:22: here must stand a type; found: 'void'"),
        ("struct S { 0 require int:4 x; };", "3:26: only a string or vector has a bound; found"),
        ("struct S { 0 require vector<string:2>:2 x; };", "a bounded type cannot be in a bounded"),
        ("struct S { 0 require string: x; };", "3:30: a bounded type needs its length"),
        ("struct S { 0 require int * x; };", "3:26: only byte * can be a pointer; found: int"),
        ("struct S { 0 require byte x = 128; };", "3:31: a number is out of its range; found: 12"),
        ("struct S { 0 require int x = 1.5; };", "3:30: this is no value of its type; found: '1"),
        ("struct S { 0 require bool x = 1; };", "3:31: this is no value of its type; found: '1'"),
        ('struct S { 0 require int x = "1"; };', "3:30: this is no value of its type"),
        ("struct S { 0 require string x = 1; };", "3:33: this is no value of its type; found: '1'"),
        ("struct S { 0 require vector<int> x = 1; };", "a vector<int> cannot have a value here"),
        ("enum E { A, A };", "3:13: enum m::E has two values A"),
        ("enum E { A B };", "3:12: } is missing; found: 'B'; expected: } or a comma"),
        ("enum E { A = 2147483647, B };", "3:26: a number is out of its range; found: 2147483648"),
        ("enum E { A }; struct S { 0 require E x = B; };", "enum m::E has no such value; found: B"),
        ("const int X = 09;", "3:15: no whole number; found: 09"),
        ("const long X = 9223372036854775808;", "3:16: a number does not fit in 64 bits"),
        ("const double X = 1e999;", "3:18: a number is too large for a double"),
        ('const string X = "\\z";', "3:18: a string has an unknown escape; found: \\z"),
        ('const string X = "\\000";', "3:18: an escape is no byte"),
        ('const string X = "\\377";', "3:18: a string is not UTF-8"),
        ("const int X;", "3:12: = is missing"),
        ("const int X = 1; const int X = 2;", "constant m::X has a name that is taken; found: "),
        ("enum E { A }; struct E { 0 require int x; };", "struct m::E has a name that is taken"),
        ("struct S { 0 require int x; }; key[S, y];", "struct m::S has no member; found: y"),
        ("struct S { 0 require int x; }; key[S];", "key[S] names no member"),
        ("enum E { A }; key[E, x];", "3:15: a key is of a struct; found: E"),
        ("interface I { int f(); int f(); };", "3:28: interface m::I has two functions f"),
        ("interface I { int f(int x) };", "3:28: ; is missing; found: '}'; expected: ; after a fu"),
        ("interface I { int f(int x int y); };", "3:27: , is missing; found: 'int'; expected: ,"),
        ("interface I { int f(out); };", "3:24: here must stand a type; found: ')'"),
        ("interface I { int f(int f); };", "3:25: function f has two names f"),
        ("interface I { int f(int x, int x); };", "3:32: function f has two names x"),
        ("interface I { f(); };", "3:15: no struct or enum has this name before here; found: f"),
        ("interface I { int 5(); };", "3:19: a function needs a name; found: '5'"),
        ("interface I { int f; };", "3:20: ( is missing; found: ';'"),
        (f"struct S {{ 0 require {'vector<' * 40}int x; }};", "types are nested too deeply"),
        ("module n {" * 40, "modules are nested too deeply"),
        ("\n\n\n/* one\n two\n*/ // three\n $", "9:2: no `.tars` file has this character"),
        ("\xa0", "3:1: no `.tars` file has this character"),
    ],
)  # fmt: skip
def test_what_the_language_refuses_is_told_with_its_place(text: str, says: str) -> None:
    whole = text if text.startswith(("modul", "#")) or "stand in a" in says else IN_MODULE % text
    with pytest.raises(IdlError) as refused:
        read_text(whole, "f.tars")
    told = str(refused.value)
    assert says in told
    assert re.match(r"f\.tars:\d+:\d+: ", told)


def test_more_parameters_than_tags_are_refused() -> None:
    many = ", ".join(f"int p{number}" for number in range(256))
    with pytest.raises(IdlError, match="out of its range; found: 256"):
        read_text(IN_MODULE % f"interface I {{ void f({many}); }};")


def test_an_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "Bad.tars").write_text("module bad {\n  struct };\n")
    (tmp_path / "Main.tars").write_text('#include "Bad.tars"\n')
    with pytest.raises(IdlError, match=r"Main\.tars:1:1: an included file is not there"):
        read(tmp_path / "Main.tars")
    with pytest.raises(IdlError) as refused:
        read(tmp_path / "Main.tars", include=[tmp_path / "parts"])
    assert refused.value.place == (str(tmp_path / "parts" / "Bad.tars"), 2, 10)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(IdlError, match=r"a file cannot be read; found: No such file"):
        read(tmp_path / "Nobody.tars")
    (tmp_path / "Self.tars").write_text('#include "Self.tars"')
    with pytest.raises(IdlError, match="a file includes itself"):
        read(tmp_path / "Self.tars")


def test_comments_may_be_in_another_encoding_and_a_byte_order_mark_may_lead(tmp_path: Path) -> None:
    path = tmp_path / "Gbk.tars"
    path.write_bytes(
        b"\xef\xbb\xbfmodule m { // " + "超时毫秒".encode("gbk") + b"\n enum E { A }; };\r\n"
    )
    assert list(read(path).enums) == ["m::E"]
    path.write_bytes(b'module m { const string S = "\xff"; };')
    with pytest.raises(IdlError, match="1:29: a string is not UTF-8"):
        read(path)


WORDS = st.sampled_from(
    re.findall(r'[A-Za-z_]\w*|::|\d+|"[^"\n]*"|[^\w\s]', ECHO.read_text() + LANGUAGE.read_text())
)


@given(st.lists(WORDS, max_size=40).map(" ".join) | st.text(max_size=200))
def test_whatever_is_read_is_understood_or_refused(text: str) -> None:
    for whole in (text, IN_MODULE % text, IN_MODULE % f"struct S {{ 0 require {text}; }};"):
        if "#include" not in whole:
            with contextlib.suppress(IdlError):
                read_text(whole)


@given(st.integers(0, 3000), st.integers(0, 40), st.lists(WORDS, max_size=3).map(" ".join))
def test_a_damaged_file_is_understood_or_refused(place: int, cut: int, put: str) -> None:
    text = ECHO.read_text()
    with contextlib.suppress(IdlError):
        read_text(text[:place] + put + text[place + cut :], str(ECHO))
