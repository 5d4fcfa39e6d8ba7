"""The embedded Tars master: ``python3 -m lab.tars.embedded.master --help``.

Name service, registration of nodes and packages by Tars frames on one port, TarsWeb's HTTP
API on another; all state in ``HOME/.iec4/tars-master``.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

from aiohttp import web

from lab.faultflags import FaultFlags
from lab.tars.embedded import options
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.registry import Registry
from lab.tars.embedded.servants import ServantServer
from lab.tars.embedded.webapi import application

_log = logging.getLogger("embedded tars master")

#: How long tasks left by an earlier master wait for their nodes to come back, seconds.
_RESUME_AFTER_S = 1.0


async def serve(
    home: Path, registry: tuple[str, int], web_address: tuple[str, int], token: str | None
) -> None:
    """Serve until SIGTERM or SIGINT; ``home`` is the account's home directory."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)

    flags = FaultFlags(home)
    parts = Parts.at(home / ".iec4" / "tars-master", flags)
    if token:
        parts.access.have_token(token)
    parts.database.node_lost()  # those that are there will say so
    left = parts.database.unfinished_tasks()

    servants = ServantServer(Registry(parts, registry).servants(), faulty=flags.active)
    await servants.start(*registry)
    # No access log: it would show tickets, and grow with every poll of a task.
    runner = web.AppRunner(application(parts), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, *web_address).start()
    _log.info("registry at %s:%s", *registry)
    _log.info("web at http://%s:%s", *web_address)
    resuming = loop.call_later(_RESUME_AFTER_S, parts.tasks.resume, left)

    await over.wait()
    resuming.cancel()
    await parts.tasks.close()
    await runner.cleanup()
    await servants.close()
    parts.database.close()


def main() -> None:
    parser = options.parser("lab.tars.embedded.master", __doc__)
    parser.add_argument("--web", type=options.address, required=True, metavar="HOST:PORT")
    parser.add_argument("--token-file", type=Path, help="a token of admin's, valid from the start")
    given = parser.parse_args()
    options.log_to_stderr()
    token = given.token_file.read_text().strip() if given.token_file else None
    asyncio.run(serve(given.home.absolute(), given.registry, given.web, token))


if __name__ == "__main__":
    main()
