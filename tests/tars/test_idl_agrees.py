"""What is described in Python is what the `.tars` files say: by tags, types and names of functions.

Criteria, recipes and the embedded platform are type-checked, so they have structs in Python;
those of servers may leave members out.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin

import pytest

from lab.tars import echo_client, framework, interfaces, naming, queryf
from lab.tars.body import Empty, Function, Struct, members
from lab.tars.embedded import interfaces as embedded
from lab.tars.idl import Interface, load
from lab.tars.schema import bare_type, defaults_of, is_class, limits

HERE = Path(interfaces.__file__).parent
FILES = [*sorted(HERE.glob("*.tars")), HERE.parent / "echo" / "Echo.tars"]

#: Two interfaces have a function of that name.
OF = {
    "KEEP_ALIVE": "tars::Registry",
    "SERVER_ALIVE": "tars::ServerF",
    "REPORT_NODE": "tars::AdminReg",
    "GET_SERVERS": "tars::Registry",
}
#: Of figures, asked by nothing but the embedded TarsWeb.
NOT_DESCRIBED = {"query"}
#: A short on the wire, where the embedded master reads any int.
NARROWER = {"REGISTER_NODE arguments tag 2 tag 4"}


def functions(module: ModuleType) -> Iterator[tuple[str, Function[Any, Any]]]:
    for name, value in vars(module).items():
        if isinstance(value, Function) and value.name not in NOT_DESCRIBED:
            yield name, value


@pytest.fixture(scope="module")
def described() -> list[Interface]:
    return [interface for file in FILES for interface in load(file).interfaces.values()]


@pytest.mark.parametrize(
    ("module", "whole"),
    [(echo_client, True), (queryf, True), (naming, True), (framework, False), (embedded, False)],
    ids=lambda value: value.__name__ if isinstance(value, ModuleType) else "",
)
def test_descriptions_agree(module: ModuleType, whole: bool, described: list[Interface]) -> None:
    found = dict(functions(module))
    assert found
    for name, function in found.items():
        candidates = [
            interface[function.name].function
            for interface in described
            if function.name in interface.functions
            and interface.name == OF.get(name, interface.name)
        ]
        assert len(candidates) == 1, (name, function.name)
        (file,) = candidates
        compare(function.arguments, file.arguments, whole=False, where=f"{name} arguments")
        compare(function.results, file.results, whole=whole, where=f"{name} results")


def test_every_function_of_the_echo_servant_is_described(described: list[Interface]) -> None:
    (echo,) = (interface for interface in described if interface.name == "iec4::Echo")
    assert {function.name for _, function in functions(echo_client)} == set(echo.functions)


def compare(python: Any, file: Any, *, whole: bool, where: str) -> None:
    """Types alike; a struct has the same tags (``whole``) or some of them."""
    plain, filed = bare_type(python), bare_type(file)
    if plain is Empty:
        return
    if is_class(plain, Struct):
        assert is_class(filed, Struct), where
        own, tags = ({tag: of for tag, _, of in members(kind)} for kind in (plain, filed))
        assert set(own) <= set(tags), where
        assert not whole or set(own) == set(tags), where
        assert not whole or defaults(plain) == defaults(filed), where
        for tag, annotation in own.items():
            compare(annotation, tags[tag], whole=whole, where=f"{where} tag {tag}")
    elif get_origin(plain) in (list, dict):
        assert get_origin(filed) is get_origin(plain), where
        for part, of in zip(get_args(plain), get_args(filed), strict=True):
            compare(part, of, whole=whole, where=where)
    elif is_class(filed, IntEnum):
        assert is_class(plain, int), where
    else:
        assert plain == filed, where
        assert where in NARROWER or limits(_sent(python)) == limits(_sent(file)), where


def defaults(kind: type[Struct]) -> dict[int, Any]:
    optional = defaults_of(kind)
    return {tag: optional[name] for tag, name, _ in members(kind) if name in optional}


def _sent(annotation: Any) -> Any:
    """Without "or None"."""
    inner = [of for of in get_args(annotation) if of is not type(None)]
    return inner[0] if type(None) in get_args(annotation) else annotation
