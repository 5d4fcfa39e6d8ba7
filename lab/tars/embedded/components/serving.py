"""One framework server as its node starts it: ``MODULE --config=FILE``.

It serves its adapters, answers AdminObj and says keepAlive to its node, as TarsCpp does.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.faultflags import FaultFlags
from lab.tars.body import Empty, Struct, decode_body, encode_body
from lab.tars.embedded import interfaces as api
from lab.tars.embedded.link import Link
from lab.tars.embedded.options import log_to_stderr
from lab.tars.embedded.servants import Call, Function, ServantServer
from lab.tars.profile import parse

_log = logging.getLogger(__name__)

VERSION = "3.0.17-embedded"
#: How often a server says to its node that it lives (TarsCpp: 10 s), seconds.
_ALIVE_S = 10.0

_ENDPOINT = re.compile(r"(?=.* -h (?P<host>\S+))(?=.* -p (?P<port>\d+))")

#: A server's functions by the last part of its objects' names.
Objects = Mapping[str, Mapping[str, Function]]


def address(endpoint: str) -> tuple[str, int]:
    """``tcp -h HOST -p PORT …``, with or without an object's name before it, as a pair."""
    found = _ENDPOINT.match(f" {endpoint}")
    if found is None:
        raise ValueError(f"no endpoint: {endpoint!r}")
    return found["host"], int(found["port"])


@dataclass(frozen=True)
class Place:
    """Where a server keeps its data, and its host's faults."""

    data: Path
    flags: FaultFlags

    def unless(self, fault: str, function: Function, answer: Struct) -> Function:
        """``function``; while ``fault`` is on, what it is told is confirmed and lost."""

        def called(call: Call) -> bytes:
            return encode_body(answer) if self.flags.active(fault) else function(call)

        return called


def serve(about: str | None, objects: Callable[[Place], Objects]) -> None:
    """Run until AdminF.shutdown, SIGTERM or SIGINT; the command line names the configuration."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--config", type=Path, required=True, help="as the node wrote it")
    given = parser.parse_args()
    log_to_stderr()
    asyncio.run(_serve(_application(given.config.read_text()), objects))


def _application(text: str) -> Any:
    return parse(text)["tars"]["application"]  # type: ignore[index]


async def _serve(configuration: Any, objects: Callable[[Place], Objects]) -> None:
    server = configuration["server"]
    name = f"{server['app']}.{server['server']}"
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    place = Place(Path(server["datapath"]), FaultFlags(Path(os.environ.get("HOME", "."))))
    served = objects(place)
    running = []
    adapters = {key: value for key, value in server.items() if isinstance(value, dict)}
    for adapter in adapters.values():
        servant = adapter["servant"]
        functions = {servant: served[servant.rpartition(".")[2]]}
        running.append(await _listening(functions, adapter["endpoint"]))
        _log.info("embedded %s serves %s at %s", name, servant, adapter["endpoint"])
    if server.get("local"):
        running.append(await _listening({api.ADMIN: _admin(over)}, server["local"]))
    adapter_names = ("AdminAdapter", *adapters)
    while not over.is_set():
        if server.get("node"):
            await _say_alive(name, address(server["node"].partition("@")[2]), adapter_names)
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _ALIVE_S)
    for one in running:
        await one.close()


async def _listening(functions: Objects, endpoint: str) -> ServantServer:
    server = ServantServer(functions)
    await server.start(*address(endpoint))
    return server


def _admin(over: asyncio.Event) -> Mapping[str, Function]:
    def shutdown(_: Call) -> bytes:
        over.set()
        return encode_body(Empty())

    def notify(call: Call) -> bytes:
        known = decode_body(api.Notification, call.body).command == "tars.viewversion"
        text = f"[notify prefix object num:1]\n[1]:${VERSION}$\n" if known else ""
        return encode_body(api.NotificationAnswer(text))

    return {"shutdown": shutdown, api.NOTIFY.name: notify}


async def _say_alive(name: str, node: tuple[str, int], adapters: tuple[str, ...]) -> None:
    """Tell the node; one that is away hears it when it is back."""
    application, _, server_name = name.partition(".")
    with suppress(OSError):
        link = await Link.open(node, lambda _: None)
        for adapter in adapters:
            info = api.ServerInfo(application, server_name, os.getpid(), adapter)
            link.tell(api.NODE, api.SERVER_ALIVE, api.ServerAlive(info), one_way=True)
        link.close()
