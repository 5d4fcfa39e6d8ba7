"""A server as a node runs it: configured by the node's file, telling it that it lives, ended by it.

Source: a file written by tarsnode 3.0.17, recorded AdminF and ServerObj calls of TarsCpp.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.tars.body import Empty, Function, Int, Struct, encode_body, field
from lab.tars.errors import BrokenConfiguration, InvalidEndpoint
from lab.tars.packets import PacketType, request
from lab.tars.profile import BrokenProfile, parse
from lab.tars.routing import Endpoint, parse_endpoint, parse_object
from lab.tars.server import Limits, TarsServer
from lab.tars.serving import Call, Dispatcher, Servant

_log = logging.getLogger(__name__)

#: How often a server says to its node that it lives (TarsCpp: 10 s), seconds.
ALIVE_S = 10.0
_CONNECT_TIMEOUT_S = 3.0

ADMIN_OBJECT = "AdminObj"
ADMIN_ADAPTER = "AdminAdapter"


@dataclass(frozen=True)
class AdapterConfiguration:
    """One port of the server and the object that it serves there."""

    name: str
    servant: str
    endpoint: Endpoint
    limits: Limits


@dataclass(frozen=True)
class Configuration:
    """What a node's file says; what it leaves out is empty or None."""

    application: str
    server: str
    node_name: str
    locator: str
    config_object: str
    data_path: Path
    deactivating_s: float
    node: tuple[str, Endpoint] | None
    local: Endpoint | None
    adapters: tuple[AdapterConfiguration, ...]


#: What taking apart a file that is none raises: a key for a domain, a number beyond all bounds.
_UNUSABLE = (
    BrokenProfile, InvalidEndpoint, KeyError, TypeError, ValueError, AttributeError, OverflowError,
)  # fmt: skip


def read_configuration(text: str) -> Configuration:
    """Read a node's file; raises `BrokenConfiguration`."""
    try:
        application: Any = parse(text)["tars"]["application"]  # type: ignore[index]
        server = application["server"]
        return Configuration(
            application=server["app"],
            server=server["server"],
            node_name=server.get("nodename") or server.get("localip") or "",
            locator=application.get("client", {}).get("locator") or "",
            config_object=server.get("config") or "",
            data_path=Path(server.get("datapath") or "."),
            deactivating_s=int(server.get("deactivating-timeout") or 3000) / 1000,
            node=_node(server.get("node")),
            local=parse_endpoint(server["local"]) if server.get("local") else None,
            adapters=tuple(
                _adapter(name, value) for name, value in server.items() if isinstance(value, dict)
            ),
        )
    except _UNUSABLE as error:
        raise BrokenConfiguration(
            "this is no Tars server's configuration",
            found=f"{type(error).__name__}: {error}",
            expected="<tars><application><server> with app, server and adapters",
        ) from None


def _node(text: str | None) -> tuple[str, Endpoint] | None:
    if not text:
        return None
    name, endpoints = parse_object(text)
    if not endpoints:
        raise InvalidEndpoint(
            "the server's node has no endpoint", found=text, expected="OBJECT@tcp -h HOST -p PORT"
        )
    return name, endpoints[0]


def _adapter(name: str, given: Mapping[str, str]) -> AdapterConfiguration:
    return AdapterConfiguration(
        name=name,
        servant=given["servant"],
        endpoint=parse_endpoint(given["endpoint"]),
        limits=Limits(
            max_connections=int(given.get("maxconns") or Limits.max_connections),
            threads=max(int(given.get("threads") or Limits.threads), 1),
            queuecap=int(given.get("queuecap") or Limits.queuecap),
            # TarsCpp takes less than 3 s as 3 s.
            queue_timeout_s=max(int(given.get("queuetimeout") or 60000) / 1000, 3.0),
        ),
    )


class ServerInfo(Struct, frozen=True):
    """Who is alive: one message an adapter."""

    application: str = field(tag=0)
    server: str = field(tag=1)
    pid: Int = field(tag=2)
    adapter: str = field(tag=3)


class ServerAlive(Struct, frozen=True):
    info: ServerInfo = field(tag=1)


class Command(Struct, frozen=True):
    command: str = field(tag=1)


class Text(Struct, frozen=True):
    ret: str = field(tag=0)


class Number(Struct, frozen=True):
    ret: Int = field(tag=0)


SHUTDOWN = Function("shutdown", Empty, Empty)
NOTIFY = Function("notify", Command, Text)
GET_PID = Function("getPid", Empty, Number)

#: AdminF.notify's commands by name; each gets what follows its name.
Commands = Mapping[str, Callable[[str], str | Awaitable[str]]]


def admin_servant(shutdown: Callable[[], None], commands: Commands) -> Servant:
    """AdminObj. An unknown command is answered with an empty text, as by TarsCpp."""
    servant = Servant()

    @servant.offers(SHUTDOWN)
    def end(_asked: Empty, _call: Call) -> Empty:
        shutdown()
        return Empty()

    @servant.offers(NOTIFY)
    async def notify(asked: Command, _call: Call) -> Text:
        name, _, rest = asked.command.partition(" ")
        if name == "tars.help":
            text = "\r\n".join(sorted((*commands, name)))
        elif name in commands:
            said = commands[name](rest)
            text = said if isinstance(said, str) else await said
        else:
            return Text("")
        return Text(f"[notify prefix object num:1]\n[1]:{text}\n")

    @servant.offers(GET_PID)
    def pid(_asked: Empty, _call: Call) -> Number:
        return Number(os.getpid())

    return servant


async def run(
    configuration: Configuration,
    dispatcher_at: Callable[[AdapterConfiguration], Dispatcher],
    *,
    commands: Commands | None = None,
) -> None:
    """Serve what ``dispatcher_at`` has for each adapter, until AdminF.shutdown, SIGTERM or SIGINT.

    Raises `OSError` when a port is taken.
    """
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    server = TarsServer({})
    for adapter in configuration.adapters:
        dispatcher, address = dispatcher_at(adapter), adapter.endpoint.address
        await server.listen(*address, limits=adapter.limits, dispatcher=dispatcher)
        _log.info("pid %s serves %s at %s", os.getpid(), adapter.servant, adapter.endpoint)
    if configuration.local is not None:
        admin = Dispatcher({ADMIN_OBJECT: admin_servant(over.set, commands or {})})
        await server.listen(*configuration.local.address, dispatcher=admin)
    while not over.is_set():
        if configuration.node is not None:
            await _say_alive(configuration, *configuration.node)
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), ALIVE_S)
    await server.close(grace_s=configuration.deactivating_s)


async def _say_alive(configuration: Configuration, node: str, at: Endpoint) -> None:
    """Tell the node, one-way; one that is away hears it when it is back."""
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(*at.address)
    except (OSError, TimeoutError) as error:
        _log.warning("keepAlive to %s at %s: %s", node, at, error)
        return
    for number, adapter in enumerate(
        (ADMIN_ADAPTER, *(one.name for one in configuration.adapters))
    ):
        info = ServerInfo(configuration.application, configuration.server, os.getpid(), adapter)
        body = encode_body(ServerAlive(info))
        one_way = PacketType.ONE_WAY
        writer.write(request(number + 1, node, "keepAlive", body, packet_type=one_way).to_frame())
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await writer.wait_closed()
