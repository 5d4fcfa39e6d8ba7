"""What the ``tars`` commands do; each returns an exit code, and prints results or one error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from blueprints.errors import ConfigError, nearest
from lab.errors import LabError
from lab.tars import interfaces
from lab.tars.body import Struct
from lab.tars.client import Proxy, TarsClient
from lab.tars.communicator import Communicator
from lab.tars.dissect import Dissector, frames_of, lines
from lab.tars.errors import (
    CallFailed,
    InvalidEndpoint,
    MalformedTars,
    NotEncodable,
    ObjectNotFound,
    RegistryRefused,
    TarsError,
)
from lab.tars.idl import IdlError, Interface, Method, NotDefined, Options, load
from lab.tars.packets import Version
from lab.tars.plain import to_plain
from lab.tars.queryf import QUERY_OBJECT
from lab.tars.routing import Endpoint, parse_endpoint, parse_object

FAILED, USAGE, UNREACHABLE = 1, 2, 3

_TRANSPORTS = {0: "udp", 1: "tcp", 2: "ssl"}
_VERSIONS = {"tars": Version.TARS, "tup": Version.TUP, "json": Version.JSON}

P = ParamSpec("P")


@dataclass(frozen=True)
class Reach:
    """How objects are reached, and how results are told."""

    registry: str | None
    lab: str | None
    timeout: float
    as_json: bool
    set_name: str = ""

    def address(self) -> tuple[str, int]:
        """The registry's: as it was given, else that of the lab. Raises `ConfigError`."""
        if self.registry is None:
            # Heavier than all else here together, and needed by nothing else.
            from lab import inventory as inventories
            from lab.session import Lab
            from lab.tars.probe import REGISTRY, SYSTEM
            from lab.task import running_lab

            with Lab(inventories.load(self.lab or running_lab())) as lab:
                return lab.address(SYSTEM, REGISTRY)
        host, colon, port = self.registry.rpartition(":")
        if colon and port.isdigit() and " " not in host:
            return host, int(port)
        return parse_endpoint(self.registry).address

    def communicator(self, target: str) -> Communicator:
        """A caller of ``target``; needs no registry where it names its endpoints."""
        _, endpoints = parse_object(target)
        registry = None if endpoints else self.address()
        return Communicator(registry, timeout=self.timeout, set_name=self.set_name)


@dataclass(frozen=True)
class Described:
    """By which interface bodies are read and written."""

    idl: Path | None
    interface: str
    include: tuple[Path, ...]

    def of(self, target: str) -> Interface | None:
        """The file's interface, else that of an object of Tars itself, else None."""
        if self.idl is not None:
            return load(self.idl, self.include).interface(self.interface)
        known = interfaces.for_object(target)
        return load(known.file).interface(self.interface or known.interface) if known else None


@dataclass(frozen=True)
class Arguments:
    """As they were typed: each alone, or all of them as one JSON text."""

    values: tuple[str, ...]
    together: str | None

    def of(self, method: Method) -> Struct:
        """The arguments of ``method``; raises `ConfigError`, `NotEncodable`."""
        try:
            if self.together is None:
                annotations = list(method.parameters.values())
                known = [*annotations, *[str] * len(self.values)]
                return method.arguments(*map(_value, self.values, known))
            if self.values:
                raise ConfigError("give the arguments one by one or by --args, not both")
            together = json.loads(self.together)
            if isinstance(together, dict):
                return method.arguments(**together)
            if isinstance(together, list):
                return method.arguments(*together)
        except json.JSONDecodeError as error:
            raise ConfigError(f"--args is no JSON: {error}") from None
        except TypeError as error:
            raise ConfigError(f"{error}; {method.definition}") from None
        raise ConfigError("--args is neither a JSON object nor a list")


def _value(text: str, annotation: Any) -> Any:
    """What was typed for one argument: JSON, or text as it stands where that can be meant."""
    if text.startswith("--"):
        raise ConfigError(f"no such option: {text}; ./iec4 tars call --help lists them")
    if annotation is str and not text.startswith('"'):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # an enum's name, bytes as text; else it is told what does not fit


def _told(command: Callable[P, int]) -> Callable[P, int]:
    """``command``, whose errors become one line (or JSON) and an exit code."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except LabError as error:
            given = [*args, *kwargs.values()]
            as_json = any(isinstance(one, Reach) and one.as_json for one in given)
            _tell(error, as_json=as_json or kwargs.get("as_json") is True)
            return _code(error)

    return told


def _code(error: LabError) -> int:
    if isinstance(error, IdlError | NotDefined | NotEncodable | InvalidEndpoint):
        return USAGE
    return FAILED if isinstance(error, CallFailed | MalformedTars) else UNREACHABLE


def _tell(error: LabError, *, as_json: bool = False) -> None:
    if as_json:
        shown = {"error": type(error).__name__, "message": str(error)}
        if isinstance(error, CallFailed):
            shown |= {"ret": error.code, "endpoint": error.endpoint}  # type: ignore[dict-item]
        _print_json(shown)
    else:
        print(f"iec4: {error}", file=sys.stderr)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=True))


@_told
def ping(target: str, reach: Reach) -> int:
    """tars_ping at each endpoint; the worst of them makes the code."""
    with reach.communicator(target) as communicator:
        route = communicator.route(target)
    endpoints = route.active or route.inactive
    if not endpoints:
        raise ObjectNotFound(
            f"{route.name} has no endpoint",
            found="none in the registry",
            expected="at least one",
            advice="check the name, and that the server is deployed",
        )
    results = [_ping_one(route.name, endpoint, reach.timeout) for endpoint in endpoints]
    if reach.as_json:
        _print_json([result for result, _ in results])
    else:
        for result, _ in results:
            said = f"{result['ms']:.2f} ms" if "ms" in result else result["message"]
            print(f"{result['endpoint']:<44} {said}")
    return max(code for _, code in results)


def _ping_one(name: str, endpoint: Endpoint, timeout: float) -> tuple[dict[str, Any], int]:
    result: dict[str, Any] = {"object": name, "endpoint": str(endpoint)}
    with TarsClient(endpoint.address, timeout=timeout) as client:
        started = time.perf_counter()
        try:
            Proxy(client, name).ping()
        except TarsError as error:
            return {**result, "error": type(error).__name__, "message": str(error)}, _code(error)
        return {**result, "ms": round((time.perf_counter() - started) * 1000, 3)}, 0


@_told
def call(
    target: str,
    function: str,
    arguments: Arguments,
    described: Described,
    reach: Reach,
    *,
    version: str,
    one_way: bool,
) -> int:
    """Call and print what comes back as JSON."""
    if version not in _VERSIONS:
        raise ConfigError(f"unknown version {version!r}; {nearest(version, _VERSIONS)}")
    name, _ = parse_object(target)
    interface = described.of(name)
    if interface is None:
        raise ConfigError(f"the interface of {name} is not known; give its file by --idl")
    method = interface[function]
    struct = arguments.of(method)
    with reach.communicator(target) as communicator:
        options = Options(version=_VERSIONS[version], one_way=one_way)
        outcome = method.call(communicator, target, struct, options)
    _print_json(to_plain(outcome, readable=True))
    return 0


@_told
def query(target: str, reach: Reach) -> int:
    """Print an object's endpoints as the registry tells them."""
    name, endpoints = parse_object(target)
    if endpoints:
        raise ConfigError(f"{target} names its endpoints; ask for {name} alone")
    with TarsClient(reach.address(), timeout=reach.timeout) as client:
        file, interface = interfaces.QUERY
        registry: Any = load(file).proxy(client, QUERY_OBJECT, interface)
        if reach.set_name:
            ret, *found = registry.findObjectByIdInSameSet(name, reach.set_name)
        else:
            ret, *found = registry.findObjectById4Any(name)
    active, inactive = (to_plain(of, readable=True) for of in found)
    if reach.as_json:
        _print_json({"object": name, "ret": ret, "active": active, "inactive": inactive})
    else:
        _print_endpoints(active, inactive)
    if ret != 0:
        _tell(RegistryRefused(f"the registry did not look up {name}", found=f"return code {ret}"))
        return FAILED
    if not (active or inactive):
        _tell(ObjectNotFound(f"the registry knows no endpoint of {name}"))
        return UNREACHABLE
    return 0


def _print_endpoints(active: list[dict[str, Any]], inactive: list[dict[str, Any]]) -> None:
    if active or inactive:
        print(f"{'STATE':<9} {'ENDPOINT':<44} {'NODE':<16} {'SET':<12} WEIGHT")
    for state, endpoints in (("active", active), ("inactive", inactive)):
        for one in endpoints:
            where = Endpoint(
                one["host"], one["port"], _TRANSPORTS.get(one["istcp"], "?"), one["timeout"]
            )
            weight = one["weight"] if one["weightType"] else "-"
            print(
                f"{state:<9} {where!s:<44} {one['nodeName']:<16} {one['setId'] or '-':<12} {weight}"
            )


@_told
def decode(text: str, described: Described, function: str, *, as_json: bool) -> int:
    """Print what is in frames."""
    interface = described.of("") if described.idl else None
    dissector = Dissector(interface, function)
    try:
        packets = [dissector.packet(frame) for frame in frames_of(_bytes_of(text))]
    except MalformedTars as error:
        _tell(error, as_json=as_json)
        return USAGE
    if as_json:
        _print_json(packets)
    for packet in () if as_json else packets:
        _print_packet(packet)
    return 0


def _bytes_of(text: str) -> bytes:
    """Hex, with or without spaces, colons and 0x."""
    if text == "-":
        text = sys.stdin.read()
    try:
        data = bytes.fromhex("".join(text.replace(":", "").replace("0x", "").split()))
    except ValueError as error:
        raise ConfigError(f"this is no hex: {error}") from None
    if not data:
        raise ConfigError("there is nothing to decode")
    return data


def _print_packet(packet: dict[str, Any]) -> None:
    """A line for each field that says something, then the body."""
    print(packet.pop("packet"))
    bodies = {name: packet.pop(name) for name in ("body", "arguments", "results") if name in packet}
    for name, value in packet.items():
        if value not in (None, {}):
            print(f"  {name:<13} {value if isinstance(value, str | int) else json.dumps(value)}")
    for name, body in bodies.items():
        print(f"  {name}")
        if name == "body" and isinstance(body, list):
            told = lines(body)
        else:
            told = json.dumps(body, indent=2, ensure_ascii=False).splitlines()
        for line in told:
            print(f"    {line}")
