"""Calls typed by a `.tars` file.

    api = load("Echo.tars")
    with TarsClient(address) as client:
        echo = api.proxy(client, "IEC4.EchoServer.EchoObj", "Echo")
        echo.echoInt(7)                                 # echoInt_results(ret=7, copy=7)
        ret, copy = echo.echoInt(value=7)
        echo.echoRecord(api.iec4.Record("x", 1))        # or {"name": "x", "number": 1}
        echo(timeout=1.0).pause(500)                    # with other options, for this call

With an `aio.AsyncTarsClient` or `aio_communicator.AsyncCommunicator` every call is awaited.

A function without out parameters returns its value alone, a void one None; else its results
unpack in the order of their tags, the return value (``ret``) first.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, cast

from blueprints.errors import nearest
from lab.tars.body import Function, Struct
from lab.tars.client import Caller
from lab.tars.encodings import decode_results, encode_arguments
from lab.tars.errors import NotEncodable, TarsError
from lab.tars.idl.files import read, read_text
from lab.tars.idl.syntax import Document, InterfaceDefinition, Operation
from lab.tars.idl.types import RETURN, Types, python_names
from lab.tars.packets import Version
from lab.tars.plain import from_plain

if TYPE_CHECKING:
    from lab.tars.aio import AsyncCaller


class NotDefined(TarsError, AttributeError, KeyError):
    """A name that the `.tars` file does not define."""

    __str__ = TarsError.__str__


def load(path: Path | str, include: Iterable[Path | str] = ()) -> Api:
    """Read a `.tars` file; raises `IdlError`.

    An included file is looked for beside the file that includes it, then in ``include``.
    """
    return Api(read(path, include))


def loads(text: str, name: str = "<text>") -> Api:
    """Read what would stand in a `.tars` file called ``name``; raises `IdlError`."""
    return Api(read_text(text, name))


class Api:
    """What a `.tars` file defines: ``api.tars.EndpointF``, ``api["tars::EndpointF"]``.

    Structs are `lab.tars.body.Struct` classes, enums `enum.IntEnum` ones, constants their
    values, interfaces `Interface`. By ``[]`` also without the module, where one has the name.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        types = Types(document)
        self.interfaces = {
            name: Interface(definition, types) for name, definition in document.interfaces.items()
        }
        constants = {name: constant.value for name, constant in document.constants.items()}
        self._defined: dict[str, Any] = {**types.of, **self.interfaces, **constants}
        self._modules = _modules(self._defined)

    def __getitem__(self, name: str) -> Any:
        if name in self._defined:
            return self._defined[name]
        return self._defined[_full_name(name, self._defined, "definition")]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked by copy and the like, before there are modules
            raise AttributeError(name)
        if hasattr(self._modules, name):
            return getattr(self._modules, name)
        raise NotDefined(f"module {name} is not defined", advice=nearest(name, vars(self._modules)))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *vars(self._modules)]

    def __repr__(self) -> str:
        return f"<Api of {', '.join(self._defined)}>"

    def interface(self, name: str = "") -> Interface:
        """The interface of that name, with or without its module; the only one for "".

        Raises `NotDefined`.
        """
        if not name and len(self.interfaces) == 1:
            return next(iter(self.interfaces.values()))
        if not name:
            raise NotDefined(
                "the interface must be named", expected=" or ".join(self.interfaces) or "one"
            )
        return self.interfaces[_full_name(name, self.interfaces, "interface")]

    def proxy(
        self,
        client: Caller | AsyncCaller,
        servant: str,
        interface: str = "",
        **options: Any,
    ) -> TypedProxy:
        """Calls to object ``servant`` by ``client``, `TypedProxy` says how."""
        return self.interface(interface).proxy(client, servant, **options)


def _full_name(name: str, known: Mapping[str, Any], what: str) -> str:
    found = [full for full in known if full == name or full.endswith(f"::{name}")]
    if len(found) != 1:
        short = [full.rpartition("::")[2] for full in known]
        raise NotDefined(
            f"{what} {name} is " + (f"one of {', '.join(found)}" if found else "not defined"),
            advice=None if found else nearest(name, short),
        )
    return found[0]


def _modules(defined: Mapping[str, Any]) -> SimpleNamespace:
    root = SimpleNamespace()
    for full, value in defined.items():
        *modules, name = full.split("::")
        at = root
        for module in modules:
            at = vars(at).setdefault(module, SimpleNamespace())
        setattr(at, name, value)
    return root


class OneWayCaller(Protocol):
    """A client that can send without being answered."""

    def send_one_way(self, servant: str, function: str, body: bytes = b"") -> Any:
        """Send a request that is never answered."""


@dataclass(frozen=True)
class Options:
    """How a proxy calls. ``timeout`` is in seconds, the client's own for None.

    ``version`` is the body's: TARS, TUP or JSON. ``one_way``: not answered, returns None.
    """

    timeout: float | None = None
    context: Mapping[str, str] | None = None
    version: int = Version.TARS
    one_way: bool = False


class Method:
    """One function: its two structs (``function``), and values to and from them.

    ``parameters``: the annotations of those that are given, by their names in Python.
    """

    def __init__(self, interface: str, operation: Operation, types: Types) -> None:
        self.name = operation.name
        self.definition = operation
        self.function: Function[Any, Any] = types.function(operation)
        self._full_name = f"{interface}.{operation.name}"
        given = [parameter for parameter in operation.parameters if not parameter.out]
        names = python_names(parameter.name for parameter in operation.parameters)
        own = dict(zip((p.name for p in operation.parameters), names, strict=True))
        self.parameters = {own[p.name]: types.annotation(p.type) for p in given}
        self._has_outs = len(given) < len(operation.parameters)
        self._returns = operation.returns is not None
        self.signature = inspect.Signature(
            [
                inspect.Parameter(
                    own[p.name], inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str(p.type)
                )
                for p in given
            ],
            return_annotation=self._result_text(),
        )

    def __repr__(self) -> str:
        return f"<{self._full_name}: {self.definition}>"

    def _result_text(self) -> str:
        """The results in Tars' words: ``int``, ``(int ret, string copy)`` or ``void``."""
        returns = str(self.definition.returns or "void")
        if not self._has_outs:
            return returns
        outs = [f"{p.type} {p.name}" for p in self.definition.parameters if p.out]
        return f"({', '.join([f'{returns} {RETURN}'] * self._returns + outs)})"

    def arguments(self, *values: Any, **named: Any) -> Struct:
        """The arguments' struct, of values in their order or by name.

        A value may be of its Python type or as JSON writes it. Raises `TypeError` for too
        many or too few, `NotEncodable` for one that does not fit.
        """
        bound = self.signature.bind(*values, **named).arguments
        try:
            return cast(
                "Struct",
                self.function.arguments(
                    **{
                        name: _fitting(name, self.parameters[name], value)
                        for name, value in bound.items()
                    }
                ),
            )
        except ValueError as error:
            raise NotEncodable(
                f"{self._full_name} cannot be called with these arguments",
                found=str(error),
                expected=str(self.definition),
            ) from None

    def call(
        self, client: Caller | AsyncCaller, servant: str, arguments: Struct, options: Options
    ) -> Any:
        """Call object ``servant``; returns its `outcome`, or what is awaited for it."""
        body = encode_arguments(arguments, options.version)
        if options.one_way:
            return cast("OneWayCaller", client).send_one_way(servant, self.name, body)
        answer = client.call(
            servant,
            self.name,
            body,
            timeout=options.timeout,
            context=options.context,
            version=options.version,
        )
        if isinstance(answer, bytes):
            return self._read(answer, options.version)
        return self._awaited(answer, options.version)

    async def _awaited(self, answer: Awaitable[bytes], version: int) -> Any:
        return self._read(await answer, version)

    def _read(self, answer: bytes, version: int) -> Any:
        return self.outcome(decode_results(self.function.results, answer, version))

    def outcome(self, results: Struct) -> Any:
        """What a call returns: the return value alone, the results, or None."""
        if self._has_outs:
            return results
        return getattr(results, RETURN) if self._returns else None


def _fitting(name: str, annotation: Any, value: Any) -> Any:
    try:
        return from_plain(annotation, value, strict=True)
    except ValueError as error:
        text = str(error)
        raise ValueError(f"{name}{text if text[:1] in '.[' else f': {text}'}") from None


class Interface:
    """An interface: ``functions`` by name, and `proxy` to call them."""

    def __init__(self, definition: InterfaceDefinition, types: Types) -> None:
        self.name = definition.name
        self.functions = {
            name: Method(definition.name, operation, types)
            for name, operation in definition.operations.items()
        }
        short = definition.name.rpartition("::")[2]
        methods = {
            python: _calling(method)
            for python, method in zip(
                python_names(self.functions), self.functions.values(), strict=True
            )
        }
        self._proxy_type: type[TypedProxy] = type(
            short, (TypedProxy,), {"__doc__": definition.comment or None, **methods}
        )

    def __repr__(self) -> str:
        return f"<interface {self.name}: {', '.join(self.functions)}>"

    def __getitem__(self, name: str) -> Method:
        if name not in self.functions:
            raise NotDefined(
                f"interface {self.name} has no function {name}",
                advice=nearest(name, self.functions),
            )
        return self.functions[name]

    def proxy(self, client: Caller | AsyncCaller, servant: str, **options: Any) -> TypedProxy:
        """Calls to object ``servant`` by ``client``, `TypedProxy` says how."""
        return self._proxy_type(client, servant, Options(**options))


class TypedProxy:
    """One object, called by the functions of an interface; has a method for each.

    Raises `TypeError`, `NotEncodable` for arguments that do not fit, `MalformedBody` for an
    answer that does not, and what the client's ``call`` does. With a client whose calls are
    awaited, calls are awaited. ``proxy(timeout=1.0)`` is one with other `Options`.
    """

    def __init__(
        self, client: Caller | AsyncCaller, servant: str, options: Options | None = None
    ) -> None:
        self._client = client
        self._servant = servant
        self._options = options or Options()

    def __call__(self, **options: Any) -> TypedProxy:
        return type(self)(
            self._client, self._servant, Options(**{**vars(self._options), **options})
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._servant}>"


def _calling(method: Method) -> Any:
    """The proxy's method that calls ``method``, with its signature and help."""

    def call(self: TypedProxy, /, *values: Any, **named: Any) -> Any:
        return method.call(
            self._client, self._servant, method.arguments(*values, **named), self._options
        )

    itself = "self" if "self" not in method.signature.parameters else "itself"
    own = inspect.Parameter(itself, inspect.Parameter.POSITIONAL_ONLY)
    call.__name__ = call.__qualname__ = method.name
    call.__doc__ = f"{method.definition}\n\n{method.definition.comment}".rstrip()
    call.__signature__ = method.signature.replace(  # type: ignore[attr-defined]
        parameters=[own, *method.signature.parameters.values()]
    )
    return call
