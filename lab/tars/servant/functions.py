"""The interface of ``Probe.tars`` in Python, for who offers it and who calls it."""

from __future__ import annotations

from lab.tars.body import Empty, Function, Int, Long, Struct, field
from lab.tars.client import Proxy

#: What the test servant pushes on request.
NEWS = "news"


class Ms(Struct, frozen=True):
    ms: Int = field(tag=1)


class Failure(Struct, frozen=True):
    code: Int = field(tag=1)
    text: str = field(tag=2)


class Size(Struct, frozen=True):
    size: Int = field(tag=1)


class Data(Struct, frozen=True):
    data: bytes = field(tag=1)


class DataReturned(Struct, frozen=True):
    ret: bytes = field(tag=0)


class Number(Struct, frozen=True):
    ret: Int = field(tag=0)


class Text(Struct, frozen=True):
    text: str = field(tag=1)


class Texts(Struct, frozen=True):
    ret: list[str] = field(tag=0)


class Counters(Struct, frozen=True):
    """How a server has been called since its process started."""

    calls: Long = field(tag=0)
    one_way: Long = field(tag=1)


class CountersReturned(Struct, frozen=True):
    ret: Counters = field(tag=0)


class Place(Struct, frozen=True):
    """Where a server runs, as its node told it."""

    node: str = field(tag=0)
    application: str = field(tag=1)
    server: str = field(tag=2)
    object: str = field(tag=3)
    endpoint: str = field(tag=4)


class PlaceReturned(Struct, frozen=True):
    ret: Place = field(tag=0)


class ConfigFile(Struct, frozen=True):
    file: str = field(tag=1)


class ConfigText(Struct, frozen=True):
    ret: Int = field(tag=0)
    text: str = field(tag=2)


class Pushes(Struct, frozen=True):
    text: str = field(tag=1)
    times: Int = field(tag=2)


DELAY = Function("delay", Ms, Empty)
FAIL = Function("fail", Failure, Empty)
SILENT = Function("silent", Empty, Empty)
BIG = Function("big", Size, DataReturned)
SIZE = Function("size", Data, Number)
NOTE = Function("note", Text, Empty)
NOTES = Function("notes", Empty, Texts)
COUNTERS = Function("counters", Empty, CountersReturned)
PLACE = Function("place", Empty, PlaceReturned)
LOAD = Function("load", ConfigFile, ConfigText)
CONFIG = Function("config", ConfigFile, ConfigText)
PUSH = Function("push", Pushes, Empty)


def big_body(size: int) -> bytes:
    """What `Probe.big` returns."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


class Probe(Proxy):
    """The test servant; each call raises as `TarsClient.call` does."""

    def delay(self, ms: int, *, timeout: float | None = None) -> None:
        """Be answered after ``ms``; one of the adapter's threads is held meanwhile."""
        self.invoke(DELAY, Ms(ms), timeout=timeout)

    def fail(self, code: int, text: str = "") -> None:
        """Be answered with this iRet: raises the `CallFailed` of it."""
        self.invoke(FAIL, Failure(code, text))

    def silent(self, *, timeout: float | None = None) -> None:
        """Never be answered: raises `NoAnswer`."""
        self.invoke(SILENT, Empty(), timeout=timeout)

    def big(self, size: int, *, timeout: float | None = None) -> bytes:
        """``size`` bytes, to be compared with `big_body`."""
        return self.invoke(BIG, Size(size), timeout=timeout).ret

    def size(self, data: bytes, *, timeout: float | None = None) -> int:
        """How many bytes came there."""
        return self.invoke(SIZE, Data(data), timeout=timeout).ret

    def notes(self) -> list[str]:
        """The texts of the last calls of note, which is called one-way."""
        return self.invoke(NOTES, Empty()).ret

    def counters(self) -> Counters:
        return self.invoke(COUNTERS, Empty()).ret

    def place(self) -> Place:
        return self.invoke(PLACE, Empty()).ret

    def config(self, file: str) -> ConfigText:
        """A config file as the server has it since it was last pushed or loaded; ret -1: none."""
        return self.invoke(CONFIG, ConfigFile(file))

    def load(self, file: str) -> ConfigText:
        """Have a config file brought from tarsconfig; ret -1 when that has none."""
        return self.invoke(LOAD, ConfigFile(file))

    def push(self, text: str, times: int = 1) -> None:
        """Have `NEWS` pushed on this connection."""
        self.invoke(PUSH, Pushes(text, times))
