"""Every recorded body by our `.tars` files: read, and written again to the same bytes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lab.tars import interfaces
from lab.tars.body import decode_body, encode_body
from lab.tars.errors import MalformedBody, MalformedPacket
from lab.tars.idl import Interface, Method, load
from lab.tars.interfaces import Described
from lab.tars.packets import PUSH_FUNCTION, Dialect, RequestPacket, ResponsePacket, Version
from tests.tars.recorded import Pair, pairs

DEMO = Described(Path(__file__).parent / "idl" / "Demo.tars", "Echo")

#: Not described: answers of every servant, and servants for figures that no client here asks.
NOT_DESCRIBED = ("tars_ping", "noSuch", "query", "")
#: Sent on purpose as what the function does not take; as is no body where one is due.
MALFORMED = (
    "body_string_too_long",
    "body_vec_huge_count",
    "body_vec_negative_count",
    "body_garbage",
    "inner_missing_required",
    "int_wider",
)
#: Made by hand as no peer's encoder writes them, to see them read all the same.
UNUSUAL = {
    "float_zero_tag", "double_from_float", "bytes_as_list", "map_unsorted", "args_order",
    "inner_defaults_sent", "args_extra_tag", "updateServer_unknown", "inner_unknown_tag",
    "float_from_double", "string4_for_short", "outs_sent",
}  # fmt: skip

_interfaces: dict[Described, Interface] = {}


def method_of(request: RequestPacket | None, response: ResponsePacket | None) -> Method | None:
    if request is None:
        described, function = interfaces.PUSHES, (response and response.status[PUSH_FUNCTION]) or ""
    else:
        is_demo = request.servant.startswith("Demo.") or not request.servant
        described = DEMO if is_demo else interfaces.for_object(request.servant)
        function = request.function
    if described is None or function in NOT_DESCRIBED:
        assert function in NOT_DESCRIBED
        return None
    if described not in _interfaces:
        _interfaces[described] = load(described.file).interface(described.interface)
    return _interfaces[described][function]


def packets(pair: Pair) -> tuple[RequestPacket | None, ResponsePacket | None] | None:
    """None for what is no pair of version TARS."""
    try:
        request = RequestPacket.from_frame(pair.request) if pair.request else None
        response = ResponsePacket.from_frame(pair.response) if pair.response else None
    except MalformedPacket:
        return None
    known = request or response
    return (request, response) if known and known.version == Version.TARS else None


def test_every_recorded_body_is_read_and_written_again_to_the_same_bytes() -> None:
    same: Counter[str] = Counter()
    for pair in pairs():
        if (found := packets(pair)) is None or (method := method_of(*found)) is None:
            continue
        request, response = found
        name = pair.name.partition(":")[2]
        if response is not None and response.ret == 0:
            body = response.body
            value = decode_body(method.function.results, body)
            assert encode_body(value, pair.dialect) == body, pair.name
            same["answers"] += 1
        if request is None:
            continue
        arguments = method.function.arguments
        if name in MALFORMED or (not request.body and method.signature.parameters):
            with pytest.raises(MalformedBody):
                decode_body(arguments, request.body)
            continue
        value = decode_body(arguments, request.body)
        if method.name == "addTaskReq":
            check_task(value, request.body)
        elif name not in UNUSUAL:
            by_js = pair.name.startswith("tarsjs_client")
            written = encode_body(value, Dialect.TARSJS if by_js else Dialect.TARSCPP)
            assert written == request.body, pair.name
            same["requests"] += 1
    assert same["answers"] >= 770
    assert same["requests"] >= 760


def check_task(value: Any, body: bytes) -> None:
    """TarsWeb writes all members that its description has; ours has two more, at the end."""
    written = encode_body(value, Dialect.TARSJS)
    added = bytes.fromhex("4c5001")  # isElegant, eachNum
    assert written.removesuffix(b"\x0b").removesuffix(added) + b"\x0b" == body


@pytest.mark.parametrize("name", ["bytes_as_list", "string_not_utf8"])
def test_what_only_tarscpp_takes_is_read_too(name: str) -> None:
    for pair in pairs():
        if pair.name == f"tarscpp_types:{name}":
            found = packets(pair)
            assert found is not None
            request, response = found
            assert request is not None
            assert response is not None
            method = method_of(request, response)
            assert method is not None
            sent = decode_body(method.function.arguments, request.body)
            ret, out = decode_body(method.function.results, response.body)
            assert sent.v == ret == out
            return
    pytest.fail(f"{name} was not recorded")
