"""What is in frames, for people: packets by their fields, bodies by tags or by an interface."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from lab.tars import interfaces
from lab.tars.encodings import decode_arguments, decode_results
from lab.tars.errors import MalformedBody, MalformedPacket, MalformedTars
from lab.tars.framing import HEADER_SIZE, MIN_FRAME, FrameSplitter
from lab.tars.idl import Interface, Method, load
from lab.tars.packets import (
    PUSH_FUNCTION,
    PUSH_ID,
    TUP_RESULT_CODE,
    PacketType,
    RequestPacket,
    ResponsePacket,
    Version,
    read_answer,
)
from lab.tars.plain import to_plain
from lab.tars.reading import Node, read_nodes

#: Of both packets: a request has the servant's name there, a response its iRet.
_TELLING_TAG = 5


def frames_of(data: bytes) -> list[bytes]:
    """The frames in ``data``, one after the other; raises `MalformedTars`."""
    splitter = FrameSplitter()
    frames = splitter.feed(data)
    if splitter.pending or not frames:
        announced = int.from_bytes(data[-splitter.pending :][:HEADER_SIZE], "big")
        raise MalformedPacket(
            "the last frame is cut short",
            found=f"{splitter.pending} bytes",
            expected=f"{max(announced, MIN_FRAME)} bytes, length header included",
        )
    return frames


class Dissector:
    """Reads frames in the order in which they travelled, so that answers are known by their ids.

    ``interface`` types the bodies; without it, objects of Tars itself are known. ``function``
    says whose answer a response is where its request was not seen.
    """

    def __init__(self, interface: Interface | None = None, function: str = "") -> None:
        self._interface = interface
        self._function = function
        self._asked: dict[int, tuple[str, str]] = {}

    def packet(self, frame: bytes) -> dict[str, Any]:
        """A frame as JSON has it; raises `MalformedTars`.

        ``arguments`` or ``results`` are the body by its interface, ``body`` is the body by tags:
        ``{"tag": 1, "type": "int1", "value": 5}``; ``unfit`` says why it is not typed.
        """
        if self._is_request(frame):
            request = RequestPacket.from_frame(frame)
            if TUP_RESULT_CODE not in request.status and not self._answers(request):
                return self._request(request)
        return self._response(read_answer(frame))

    @staticmethod
    def _is_request(frame: bytes) -> bool:
        kinds = {node.tag: node.kind for node in read_nodes(frame[HEADER_SIZE:])}
        if _TELLING_TAG not in kinds:
            raise MalformedPacket(
                "a frame is no Tars packet",
                found=f"tags {sorted(kinds)}",
                expected="tag 5: a request's servant, or a response's iRet",
            )
        return kinds[_TELLING_TAG].startswith("string")

    def _answers(self, packet: RequestPacket) -> bool:
        """Whether it is a TUP answer, which is a RequestPacket, to what was asked before."""
        return packet.version in (Version.TUP, Version.TUP_OLD) and packet.request_id in self._asked

    def _request(self, request: RequestPacket) -> dict[str, Any]:
        self._asked[request.request_id] = (request.servant, request.function)
        one_way = request.packet_type == PacketType.ONE_WAY
        return {
            "packet": "request",
            "version": _version(request.version),
            "type": "one-way" if one_way else "normal",
            "id": request.request_id,
            "servant": request.servant,
            "function": request.function,
            "timeout_ms": request.timeout_ms,
            "message_type": request.message_type,
            "context": request.context,
            "status": request.status,
            **self._body(
                request.servant, request.function, request.body, request.version, results=False
            ),
        }

    def _response(self, response: ResponsePacket) -> dict[str, Any]:
        push = response.request_id == PUSH_ID and response.status.get(PUSH_FUNCTION)
        servant, function = self._asked.get(response.request_id, ("", self._function))
        function = push or function
        return {
            "packet": "push" if push else "response",
            "version": _version(response.version),
            "id": response.request_id,
            "function": function or None,
            "ret": response.ret,
            "result_desc": response.result_desc,
            "message_type": response.message_type,
            "context": response.context,
            "status": response.status,
            **self._body(
                servant, function, response.body, response.version, results=True, push=bool(push)
            ),
        }

    def _body(
        self,
        servant: str,
        function: str,
        body: bytes,
        version: int,
        *,
        results: bool,
        push: bool = False,
    ) -> dict[str, Any]:
        untyped = {"body": _untyped(body, version)}
        method = self._method(servant, function, push=push)
        if method is None or not body:
            return untyped
        try:
            if results:
                value = decode_results(method.function.results, body, version)
            else:
                value = decode_arguments(method.function.arguments, body, version)
        except MalformedBody as error:
            return {**untyped, "unfit": error.found}
        return {"results" if results else "arguments": to_plain(value, readable=True)}

    def _method(self, servant: str, function: str, *, push: bool) -> Method | None:
        interface = self._interface
        if interface is None:
            described = interfaces.PUSHES if push else interfaces.for_object(servant)
            interface = _read(described) if described else None
        return interface.functions.get(function) if interface else None


@cache
def _read(described: interfaces.Described) -> Interface:
    return load(described.file).interface(described.interface)


def _version(number: int) -> str:
    return Version(number).name if number in set(Version) else str(number)


def _untyped(body: bytes, version: int) -> Any:
    """A body by its tags; as text in JSON; as hex where it is neither."""
    try:
        if version == Version.JSON:
            return json.loads(body) if body else {}
        return [shown(node) for node in read_nodes(body)]
    except (MalformedTars, ValueError):
        return {"hex": body.hex()}


def shown(node: Node) -> dict[str, Any]:
    """A node as JSON has it: strings as text, bytes as hex."""
    value: Any = node.value
    if node.kind in ("list", "struct"):
        value = [shown(one) for one in value]
    elif node.kind == "map":
        value = [[shown(key), shown(one)] for key, one in value]
    elif node.kind == "bytes":
        value = {"hex": value.hex()}
    elif node.kind.startswith("string"):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            value = {"hex": value.hex()}
    else:
        value = to_plain(value, readable=True)
    return {"tag": node.tag, "type": node.kind, "value": value}


def lines(nodes: Iterable[dict[str, Any]], indent: str = "") -> list[str]:
    """Nodes as `shown` has them, one line a value, what is inside indented."""
    found: list[str] = []
    for node in nodes:
        head, value = f"{indent}{node['tag']} {node['type']}", node["value"]
        if node["type"] in ("list", "struct"):
            found += [f"{head} ({len(value)})", *lines(value, indent + "  ")]
        elif node["type"] == "map":
            flat = [part for pair in value for part in pair]
            found += [f"{head} ({len(value)})", *lines(flat, indent + "  ")]
        else:
            found.append(f"{head} {json.dumps(value, ensure_ascii=False)}")
    return found
