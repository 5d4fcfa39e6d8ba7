"""The echo servant's interface in Python; ``echo/Echo.tars`` has it in Tars' language.

with TarsClient(address) as client:
    echo = Echo(client)
    echo.identity().version
    echo.echo(ECHO_INT, 7).copy
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Generic, TypeVar

from lab.tars.body import (
    Byte,
    Double,
    Empty,
    Float,
    Function,
    Int,
    Long,
    Short,
    Struct,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
    field,
)
from lab.tars.client import Caller, Proxy
from lab.tars.packets import Version

#: Its name when it is deployed as application IEC4, server EchoServer.
ECHO_OBJECT = "IEC4.EchoServer.EchoObj"

T = TypeVar("T")


class Color(IntEnum):
    RED = 0
    GREEN = 1
    BLUE = 2


class Record(Struct, frozen=True):
    name: str = field(tag=0)
    number: Int = field(tag=1)


class Everything(Struct, frozen=True):
    """One member of every Tars type."""

    truth: bool = field(tag=0)
    small: Byte = field(tag=1)
    middle: Short = field(tag=2)
    number: Int = field(tag=3)
    large: Long = field(tag=4)
    single: Float = field(tag=5)
    precise: Double = field(tag=6)
    text: str = field(tag=7)
    data: bytes = field(tag=8)
    numbers: list[Int] = field(tag=9)
    texts: list[str] = field(tag=10)
    labels: dict[str, str] = field(tag=11)
    records: dict[str, Record] = field(tag=12)
    record: Record = field(tag=13)
    color: Color = field(tag=14)
    unsigned_small: UnsignedByte = field(tag=15)
    unsigned_middle: UnsignedShort = field(tag=16)
    unsigned_number: UnsignedInt = field(tag=17)
    singles: list[Float] = field(tag=18)


class Identity(Struct, frozen=True):
    """Which process answers: a restart changes pid and started, a publish changes version."""

    #: Address that the servant's adapter listens on.
    host: str = field(tag=0)
    pid: Int = field(tag=1)
    version: str = field(tag=2)
    #: Milliseconds since 1970-01-01 UTC.
    started: Long = field(tag=3)


class Identified(Struct, frozen=True):
    ret: Identity = field(tag=0)


class Value(Struct, Generic[T], frozen=True):
    """Argument of the echo functions."""

    value: T = field(tag=1)


class Echoed(Struct, Generic[T], frozen=True):
    """What an echo function returns, and its out parameter; both are the value sent."""

    ret: T = field(tag=0)
    copy: T = field(tag=2)


class Repeat(Struct, frozen=True):
    text: str = field(tag=1)
    times: Int = field(tag=2)


class Repeated(Struct, frozen=True):
    """Return value ``times``, and two out parameters of other types than the arguments'."""

    ret: Int = field(tag=0)
    repeated: str = field(tag=3)
    parts: list[str] = field(tag=4)


class Pause(Struct, frozen=True):
    ms: Int = field(tag=1)


class ConfigNamed(Struct, frozen=True):
    name: str = field(tag=1)


class ConfigLoaded(Struct, frozen=True):
    ret: str = field(tag=0)


IDENTITY = Function("identity", Empty, Identified)
REPEAT = Function("repeat", Repeat, Repeated)
PAUSE = Function("pause", Pause, Empty)
LOADED_CONFIG = Function("loadedConfig", ConfigNamed, ConfigLoaded)

ECHO_BOOL = Function("echoBool", Value[bool], Echoed[bool])
ECHO_BYTE = Function("echoByte", Value[Byte], Echoed[Byte])
ECHO_SHORT = Function("echoShort", Value[Short], Echoed[Short])
ECHO_INT = Function("echoInt", Value[Int], Echoed[Int])
ECHO_LONG = Function("echoLong", Value[Long], Echoed[Long])
ECHO_UNSIGNED_BYTE = Function("echoUnsignedByte", Value[UnsignedByte], Echoed[UnsignedByte])
ECHO_UNSIGNED_SHORT = Function("echoUnsignedShort", Value[UnsignedShort], Echoed[UnsignedShort])
ECHO_UNSIGNED_INT = Function("echoUnsignedInt", Value[UnsignedInt], Echoed[UnsignedInt])
ECHO_FLOAT = Function("echoFloat", Value[Float], Echoed[Float])
ECHO_DOUBLE = Function("echoDouble", Value[Double], Echoed[Double])
ECHO_STRING = Function("echoString", Value[str], Echoed[str])
ECHO_BYTES = Function("echoBytes", Value[bytes], Echoed[bytes])
ECHO_INTS = Function("echoInts", Value[list[Int]], Echoed[list[Int]])
ECHO_STRINGS = Function("echoStrings", Value[list[str]], Echoed[list[str]])
ECHO_MAP = Function("echoMap", Value[dict[str, str]], Echoed[dict[str, str]])
ECHO_RECORDS = Function("echoRecords", Value[dict[str, Record]], Echoed[dict[str, Record]])
ECHO_RECORD = Function("echoRecord", Value[Record], Echoed[Record])
ECHO_COLOR = Function("echoColor", Value[Color], Echoed[Color])
ECHO_EVERYTHING = Function("echoEverything", Value[Everything], Echoed[Everything])

#: For each echo function, a value that its type alone can carry unharmed.
SAMPLES: tuple[tuple[Function[Any, Any], Any], ...] = (
    (ECHO_BOOL, True),
    (ECHO_BYTE, -(2**7)),
    (ECHO_SHORT, -(2**15)),
    (ECHO_INT, -(2**31)),
    (ECHO_LONG, 2**63 - 1),
    (ECHO_UNSIGNED_BYTE, 2**8 - 1),
    (ECHO_UNSIGNED_SHORT, 2**16 - 1),
    (ECHO_UNSIGNED_INT, 2**32 - 1),
    (ECHO_FLOAT, -3.25),
    (ECHO_DOUBLE, 3.141592653589793),
    (ECHO_STRING, "café 你好"),
    (ECHO_BYTES, bytes(range(256))),
    (ECHO_INTS, [0, 1, -1, 40000, -(2**31)]),
    (ECHO_STRINGS, ["", "x", "y" * 300]),
    (ECHO_MAP, {"": "empty", "k": ""}),
    (ECHO_RECORDS, {"a": Record("one", 1), "b": Record("", 0)}),
    (ECHO_RECORD, Record("two", -2)),
    (ECHO_COLOR, Color.BLUE),
    (
        ECHO_EVERYTHING,
        Everything(
            truth=True,
            small=-1,
            middle=300,
            number=70000,
            large=-(2**63),
            single=0.5,
            precise=-1e300,
            text="text",
            data=b"\x00\xff",
            numbers=[1, 2],
            texts=["a"],
            labels={"k": "v"},
            records={"r": Record("n", 1)},
            record=Record("m", 2),
            color=Color.GREEN,
            unsigned_small=200,
            unsigned_middle=60000,
            unsigned_number=4000000000,
            singles=[1.5, 0.0],
        ),
    ),
)


class Echo(Proxy):
    """The echo servant; each call raises as `TarsClient.call` does."""

    def __init__(
        self, client: Caller, servant: str = ECHO_OBJECT, *, version: int = Version.TARS
    ) -> None:
        super().__init__(client, servant, version=version)

    def identity(self, *, timeout: float | None = None) -> Identity:
        """Which process answers."""
        return self.invoke(IDENTITY, Empty(), timeout=timeout).ret

    def echo(
        self,
        function: Function[Value[T], Echoed[T]],
        value: T,
        *,
        timeout: float | None = None,
    ) -> Echoed[T]:
        """Call one of the ECHO_… functions; judge ``ret`` and ``copy`` against ``value``."""
        return self.invoke(function, function.arguments(value=value), timeout=timeout)

    def repeat(self, text: str, times: int) -> Repeated:
        """Out parameters: the text repeated, and its parts."""
        return self.invoke(REPEAT, Repeat(text=text, times=times))

    def loaded_config(self, name: str) -> str:
        """A configuration file as tars.loadconfig brought it last; "" for one that never came."""
        return self.invoke(LOADED_CONFIG, ConfigNamed(name=name)).ret

    def pause(self, ms: int, *, timeout: float | None = None) -> None:
        """Be answered after ``ms`` milliseconds; other calls are answered meanwhile."""
        self.invoke(PAUSE, Pause(ms=ms), timeout=timeout)
