"""The suite's test servant, as a node starts it: ``python3 -m lab.tars.servant --config=FILE``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
from dataclasses import replace
from pathlib import Path

from lab.faultflags import FaultFlags
from lab.tars.aio import AsyncProxy
from lab.tars.aio_communicator import AsyncCommunicator
from lab.tars.body import Function, Int, Struct, field
from lab.tars.errors import TarsError
from lab.tars.managed import Commands, Configuration, read_configuration, run
from lab.tars.routing import parse_object
from lab.tars.servant.offers import TestServant
from lab.tars.server import Limits


class HostConfig(Struct, frozen=True):
    """Arguments of ConfigF.loadConfigByHost (TarsProtocol ``framework/ConfigF.tars``)."""

    server: str = field(tag=1)
    file: str = field(tag=2)
    host: str = field(tag=3)


class HostConfigReturned(Struct, frozen=True):
    ret: Int = field(tag=0)
    text: str = field(tag=4)


LOAD_CONFIG_BY_HOST = Function("loadConfigByHost", HostConfig, HostConfigReturned)


async def load_config(configuration: Configuration, file: str) -> str | None:
    """A config file as tarsconfig has it for this server; None when there is none."""
    if not configuration.config_object or not configuration.locator:
        return None
    _, registry = parse_object(configuration.locator)
    async with AsyncCommunicator(registry[0].address) as caller:
        proxy = AsyncProxy(caller, configuration.config_object)
        server = f"{configuration.application}.{configuration.server}"
        asked = HostConfig(server, file, configuration.node_name)
        found = await proxy.invoke(LOAD_CONFIG_BY_HOST, asked)
    return found.text if found.ret == 0 and found.text else None


def as_faults_say(configuration: Configuration, faults: FaultFlags) -> Configuration:
    """The configuration with the limits that faults take away; they hold from the start on."""

    def loosened(limits: Limits) -> Limits:
        if faults.active("tars.never-overloaded"):
            limits = replace(limits, queuecap=0)
        if faults.active("tars.queue-forgives"):
            limits = replace(limits, queue_timeout_s=math.inf)
        return limits

    adapters = (replace(one, limits=loosened(one.limits)) for one in configuration.adapters)
    return replace(configuration, adapters=tuple(adapters))


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.tars.servant", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="as a node writes it")
    parser.add_argument("--stamp", default="unpackaged", help="what identity() tells")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        configuration = read_configuration(given.config.read_text())
    except (OSError, TarsError) as error:
        parser.error(f"--config={given.config}: {error}")
    configuration = as_faults_say(configuration, FaultFlags(Path(os.environ.get("HOME", "."))))
    servant = TestServant(configuration, given.stamp, lambda file: load_config(configuration, file))
    commands: Commands = {
        "tars.viewversion": lambda _: f"${given.stamp}$",
        "tars.viewstatus": lambda _: f"pid {os.getpid()} version {given.stamp}",
        "tars.loadconfig": servant.load,
    }
    asyncio.run(run(configuration, servant.at, commands=commands))


if __name__ == "__main__":
    main()
