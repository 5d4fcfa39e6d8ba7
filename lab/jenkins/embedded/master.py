"""The embedded Jenkins: ``python3 -m lab.jenkins.embedded.master --help``.

All state lies in ``HOME/.iec4/jenkins``; a kill loses nothing that was acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

from aiohttp import web

from lab.faultflags import FaultFlags
from lab.jenkins.embedded.accounts import Accounts
from lab.jenkins.embedded.controller import Controller, Settings
from lab.jenkins.embedded.nodes import BuiltInNode
from lab.jenkins.embedded.sshnode import SshNode
from lab.jenkins.embedded.store import Store
from lab.jenkins.embedded.web import Web

_log = logging.getLogger("embedded jenkins")

#: How long open requests may take when Jenkins ends, seconds.
_SHUTDOWN_S = 2.0


async def serve(given: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)

    home: Path = given.home.absolute()
    directory = home / ".iec4" / "jenkins"
    host, _, port = given.listen.rpartition(":")
    url = f"http://{given.listen}{given.context}/"
    plugins = read_plugins(given.plugins)
    agents = [SshNode(name, node) for name, node in _agents(given.agents).items()]
    built_in = BuiltInNode(directory / "workspace", given.executors, given.labels)
    store = Store(directory)
    controller = Controller(
        store,
        [built_in, *agents],
        FaultFlags(home),
        Settings(directory, url, given.quiet_period, given.groovy),
    )
    jenkins = Web(controller, Accounts(given.accounts), plugins, given.context)
    runner = web.AppRunner(jenkins.application(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    await web.TCPSite(runner, host, int(port), reuse_address=True).start()
    _log.info("embedded Jenkins on %s", url)
    working = [asyncio.create_task(agent.stay_connected()) for agent in agents]
    working.append(asyncio.create_task(controller.serve()))
    starting = loop.call_later(given.start_delay, setattr, jenkins, "ready", True)
    waiting = asyncio.create_task(over.wait())
    try:
        done, _ = await asyncio.wait({waiting, *working}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            task.result()  # what stopped working is a defect: its traceback is the log's end
    finally:
        starting.cancel()
        for task in reversed(working):  # builds first: they need their agents
            task.cancel()
            await asyncio.wait({task})
        await runner.cleanup()
        store.close()


def read_plugins(file: Path) -> dict[str, str]:
    """name → version of a list with ``NAME:VERSION`` a line."""
    lines = (line.strip() for line in file.read_text().splitlines())
    pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name: version for name, _, version in pairs}


def _agents(file: Path | None) -> dict[str, dict[str, object]]:
    if file is None:
        return {}
    found: dict[str, dict[str, object]] = json.loads(file.read_text())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.jenkins.embedded.master", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the account's home directory")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--context", default="", help='the context path, as in "/jenkins"')
    parser.add_argument("--accounts", type=Path, required=True, help="who may do what, as JSON")
    parser.add_argument("--plugins", type=Path, required=True, help="NAME:VERSION a line")
    parser.add_argument("--agents", type=Path, help="nodes over SSH, as JSON")
    parser.add_argument("--executors", type=int, default=2, help="of the built-in node")
    parser.add_argument("--labels", nargs="*", default=[], help="of the built-in node")
    parser.add_argument(
        "--groovy", default="", metavar="CLASSPATH", help="what executes pipelines; none without"
    )
    parser.add_argument("--quiet-period", type=float, default=5.0, help="seconds")
    parser.add_argument(
        "--start-delay", type=float, default=0.0, help="seconds of 503 before it is ready"
    )
    given = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s"
    )
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
