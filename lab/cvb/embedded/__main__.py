"""An edge or the data centre, as a node starts it: ``-m lab.cvb.embedded edge --config=FILE``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from contextlib import AsyncExitStack
from pathlib import Path

from lab.cvb.embedded import settings as told
from lab.cvb.embedded.data_centre import DataCentreServer
from lab.cvb.embedded.edge import EdgeServer
from lab.cvb.embedded.links import Finder
from lab.cvb.embedded.settings import Settings
from lab.faultflags import FaultFlags
from lab.tars.errors import TarsError
from lab.tars.managed import Configuration, read_configuration, run
from lab.tars.routing import parse_object
from lab.tars.serving import Dispatcher, Servant

_log = logging.getLogger(__name__)

VERSION = "1.0.0"


async def serve(part: str, configuration: Configuration, settings: Settings, home: Path) -> None:
    """Be that part of the application until the node ends it."""
    faults = FaultFlags(home)
    kept = configuration.data_path
    kept.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as ends:
        servant: Servant
        if part == "edge":
            _, registry = parse_object(configuration.locator)
            finder = Finder(registry[0].address)
            ends.callback(finder.close)
            token = (home / settings.token_file).read_text().strip()
            here = settings.at(configuration.adapters[0].endpoint.host)
            edge = EdgeServer(settings, here, token=token, finder=finder, faults=faults, kept=kept)
            servant = (await ends.enter_async_context(edge)).servant()
        else:
            data_centre = DataCentreServer(settings, faults, kept)
            ends.callback(data_centre.close)
            servant = data_centre.servant()
        banner = f"iec4 embedded connected vehicle {part} {VERSION}"
        _log.info("%s", banner)
        await run(
            configuration,
            lambda adapter: Dispatcher({adapter.servant: servant}),
            commands={
                "tars.viewversion": lambda _: f"${VERSION}$",
                "tars.viewstatus": lambda _: f"pid {os.getpid()} {banner}",
            },
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.cvb.embedded", description=__doc__)
    parser.add_argument("part", choices=("edge", "data-centre"))
    parser.add_argument("--config", type=Path, required=True, help="as a node writes it")
    parser.add_argument("--settings", type=Path, required=True, help=f"{told.FILE} of its package")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        configuration = read_configuration(given.config.read_text())
        settings = told.read(given.settings.read_text())
    except (OSError, TarsError, ValueError) as error:
        parser.error(f"--config={given.config} --settings={given.settings}: {error!r}")
    asyncio.run(serve(given.part, configuration, settings, Path(os.environ.get("HOME", "."))))


if __name__ == "__main__":
    main()
