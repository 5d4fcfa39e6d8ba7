"""The test servant's functions: Echo's, and those of ``Probe.tars``."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lab.faultflags import FaultFlags
from lab.tars.body import Empty, encode_body
from lab.tars.echo_client import (
    IDENTITY,
    PAUSE,
    REPEAT,
    SAMPLES,
    Identified,
    Identity,
    Pause,
    Repeat,
    Repeated,
)
from lab.tars.managed import AdapterConfiguration, Configuration
from lab.tars.packets import PacketType, Version, answer_frame
from lab.tars.servant import functions as probe
from lab.tars.serving import SERVER_DECODE, Call, Dispatcher, Refusal, Servant, Silence

_NOTES_KEPT = 100
#: The largest body that is made on request, bytes.
_LARGEST = 64 * 1024 * 1024

#: Has a config file brought from tarsconfig; None when that has none.
LoadConfig = Callable[[str], Awaitable[str | None]]


class TestServant:
    """One process's servants; adapters share its counters, notes and config files."""

    __test__ = False  # the name means something else to pytest

    def __init__(self, configuration: Configuration, version: str, load: LoadConfig) -> None:
        self._configuration = configuration
        self._version = version
        self._load = load
        self._faults = FaultFlags(Path(os.environ.get("HOME", ".")))
        self._started_ms = int(time.time() * 1000)
        self._calls = 0
        self._one_way = 0
        self._notes: deque[str] = deque(maxlen=_NOTES_KEPT)
        self._configs: dict[str, str] = {}

    async def load(self, file: str) -> str:
        """AdminF's tars.loadconfig: what a push of a config file makes servers do."""
        text = await self._load(file)
        if text is None:
            return f"[fail] get remote config '{file}' error:access file error:"
        self._configs[file] = text
        return f"[succ] get remote config:{file}"

    def at(self, adapter: AdapterConfiguration) -> Dispatcher:
        """What ``adapter`` serves."""
        return Dispatcher({adapter.servant: self._servant(adapter)})

    def _servant(self, adapter: AdapterConfiguration) -> Servant:
        servant = Servant()

        def offer(function: Any, handler: Callable[[Any, Call], Any]) -> None:
            def counted(asked: Any, call: Call) -> Any:
                self._calls += 1
                if self._faults.active("tars.servant-deaf"):
                    raise Silence
                if self._faults.active("tars.servant-void"):
                    raise Refusal(0)  # a success without results
                if call.packet.version == Version.TUP and self._faults.active("tars.tup-refused"):
                    raise Refusal(SERVER_DECODE)
                if call.packet.packet_type == PacketType.ONE_WAY and self._faults.active(
                    "tars.oneway-answered"
                ):
                    call.peer.send(answer_frame(call.packet))
                return handler(asked, call)

            servant.offer(function, counted)

        for function, _ in SAMPLES:
            offer(function, _echo(function.results))
        host = adapter.endpoint.host
        identity = Identity(host, os.getpid(), self._version, self._started_ms)
        offer(IDENTITY, lambda _asked, _call: Identified(identity))
        offer(REPEAT, _repeat)
        offer(PAUSE, _pause)
        offer(probe.DELAY, _pause)
        offer(probe.FAIL, _fail)
        offer(probe.SILENT, _silent)
        offer(probe.BIG, _big)
        offer(probe.SIZE, lambda asked, _call: probe.Number(len(asked.data)))
        offer(probe.NOTE, self._note)
        offer(probe.NOTES, lambda _asked, _call: probe.Texts(list(self._notes)))
        offer(probe.PUSH, _push)
        offer(probe.LOAD, self._load_and_tell)
        offer(probe.CONFIG, self._config)
        servant.offer(probe.COUNTERS, self._counters)
        place = probe.Place(
            node=self._configuration.node_name,
            application=self._configuration.application,
            server=self._configuration.server,
            object=adapter.servant,
            endpoint=str(adapter.endpoint),
        )
        offer(probe.PLACE, lambda _asked, _call: probe.PlaceReturned(place))
        return servant

    def _note(self, asked: probe.Text, call: Call) -> Empty:
        self._notes.append(asked.text)
        self._one_way += call.packet.packet_type == 1
        return Empty()

    def _counters(self, _asked: Empty, _call: Call) -> probe.CountersReturned:
        return probe.CountersReturned(probe.Counters(self._calls, self._one_way))

    async def _load_and_tell(self, asked: probe.ConfigFile, _call: Call) -> probe.ConfigText:
        await self.load(asked.file)
        return self._config(asked, _call)

    def _config(self, asked: probe.ConfigFile, _call: Call) -> probe.ConfigText:
        text = self._configs.get(asked.file)
        return probe.ConfigText(-1, "") if text is None else probe.ConfigText(0, text)


def _echo(results: Any) -> Callable[[Any, Call], Any]:
    return lambda asked, _call: results(ret=asked.value, copy=asked.value)


def _repeat(asked: Repeat, _call: Call) -> Repeated:
    return Repeated(asked.times, asked.text * asked.times, [asked.text] * asked.times)


async def _pause(asked: Pause | probe.Ms, _call: Call) -> Empty:
    await asyncio.sleep(max(asked.ms, 0) / 1000)
    return Empty()


def _fail(asked: probe.Failure, _call: Call) -> Empty:
    raise Refusal(asked.code, asked.text)


def _silent(_asked: Empty, _call: Call) -> Empty:
    raise Silence


def _big(asked: probe.Size, _call: Call) -> probe.DataReturned:
    if not 0 <= asked.size <= _LARGEST:
        raise ValueError(f"found {asked.size}, expected 0 to {_LARGEST} bytes")
    return probe.DataReturned(probe.big_body(asked.size))


def _push(asked: probe.Pushes, call: Call) -> Empty:
    for _ in range(min(asked.times, _NOTES_KEPT)):
        call.peer.push(probe.NEWS, encode_body(probe.Text(asked.text)))
    return Empty()
