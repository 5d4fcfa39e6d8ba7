"""The servant that the recorded servers offered, on our core: the same calls, the same bytes."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

from lab.tars.body import Byte, Empty, Float, Function, Int, Long, Short, Struct, field
from lab.tars.packets import Dialect
from lab.tars.serving import Call, Refusal, Servant, Silence

T = TypeVar("T")


class Asked(Struct, Generic[T], frozen=True):
    v: T = field(tag=1)


class Echoed(Struct, Generic[T], frozen=True):
    ret: T = field(tag=0)
    o: T = field(tag=2)


class Inner(Struct, frozen=True, omit_defaults=True):
    """Two optional members with defaults of their own; TarsCpp leaves them out."""

    id: Int = field(tag=1)
    name: str = field(tag=2, default="none")
    level: Int = field(tag=3, default=5)


class InnerInFull(Struct, frozen=True):
    """The same, as @tars/rpc writes it."""

    id: Int = field(tag=1)
    name: str = field(tag=2, default="none")
    level: Int = field(tag=3, default=5)


class One(Struct, frozen=True):
    ret: Int = field(tag=0)


class OutsAsked(Struct, frozen=True):
    a: Int = field(tag=1)
    c: str = field(tag=3)


class Outs(Struct, frozen=True):
    ret: Int = field(tag=0)
    b: Int = field(tag=2)
    d: str = field(tag=4)
    e: list[Int] = field(tag=5)


class Code(Struct, frozen=True):
    code: Int = field(tag=1)


class Ms(Struct, frozen=True):
    ms: Int = field(tag=1)


PING0 = Function("ping0", Empty, One)
ECHO_INT = Function("echoInt", Asked[Int], Echoed[Int])
SLEEP_MS = Function("sleepMs", Ms, One)

_TYPES: dict[str, Any] = {
    "echoBool": bool,
    "echoByte": Byte,
    "echoShort": Short,
    "echoInt": Int,
    "echoLong": Long,
    "echoFloat": Float,
    "echoDouble": float,
    "echoString": str,
    "echoBytes": bytes,
    "echoVecInt": list[Int],
    "echoMap": dict[str, Int],
    "echoMapVec": dict[str, list[str]],
    "echoColor": Int,
}


def recorded_servant(dialect: Dialect = Dialect.TARSCPP) -> Servant:
    servant = Servant()
    inner = Inner if dialect is Dialect.TARSCPP else InnerInFull
    for name, kind in (*_TYPES.items(), ("echoInner", inner)):
        echoed: Any = Echoed[kind]

        def echo(asked: Any, _call: Call, echoed: Any = echoed) -> Any:
            return echoed(ret=asked.v, o=asked.v)

        servant.offer(Function(name, Asked[kind], echoed), echo)
    servant.offer(PING0, lambda _asked, _call: One(1))
    servant.offer(Function("nothing", Empty, Empty), lambda _asked, _call: Empty())

    @servant.offers(Function("outs", OutsAsked, Outs))
    def outs(asked: OutsAsked, _call: Call) -> Outs:
        return Outs(7, asked.a + 1, asked.c * 2, list(range(asked.a)))

    @servant.offers(Function("raise", Code, Empty))
    def fail(asked: Code, _call: Call) -> Empty:
        if asked.code == 2:
            raise Silence
        if asked.code == 4:
            raise Refusal(-77, "made-up error")
        raise RuntimeError("boom")

    @servant.offers(SLEEP_MS)
    async def sleep(asked: Ms, _call: Call) -> One:
        await asyncio.sleep(asked.ms / 1000)
        return One(asked.ms)

    return servant
