"""The contracts in Python are those of ``V2X.tars``, member by member."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from tarsio import Struct

from lab.cvb import contracts
from lab.tars.body import Empty, Float, members
from lab.tars.idl import load
from lab.tars.schema import bare_type, is_class, limits

API = load(Path(contracts.__file__).with_name("V2X.tars"))


def shape(annotation: Any) -> Any:
    """A type with all within it, but without the names of structs that the wire does not show."""
    bare = bare_type(annotation)
    if is_class(bare, Struct):
        return [(tag, name, shape(of)) for tag, name, of in members(bare) if bare is not Empty]
    if is_class(bare, IntEnum):
        return {one.name: one.value for one in bare}
    if bare == Float:
        return "float"
    if get_origin(bare):
        return get_origin(bare), [shape(of) for of in get_args(bare)]
    return bare, limits(annotation)


@pytest.mark.parametrize("name", ["Edge", "DataCentre"])
def test_functions_take_and_return_what_the_interface_says(name: str) -> None:
    described = API.interface(name).functions
    ours = {function.name: function for function in contracts.FUNCTIONS[name]}
    assert ours.keys() == described.keys()
    for called, function in ours.items():
        theirs = described[called].function
        # What a caller may send for an out parameter, as TarsCpp's do, is of no interest.
        given = [m for m in shape(theirs.arguments) if m[1] in described[called].parameters]
        assert shape(function.arguments) == given, called
        assert shape(function.results) == shape(theirs.results), called


def test_a_warning_is_pushed_at_tag_1() -> None:
    assert shape(contracts.WarningPushed) == [(1, "warning", shape(API.V2X.Warning))]


def test_codes_are_those_that_the_file_says() -> None:
    text = Path(contracts.__file__).with_name("V2X.tars").read_text()
    said = dict(re.findall(r"^//   (\d) (\w+):", text, re.MULTILINE))
    assert {str(code.value): code.name.lower() for code in contracts.Code if code} == said
