"""One framework server as its node starts it: ``MODULE --config=FILE``.

A `lab.tars.managed` server whose functions hand bodies through.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.faultflags import FaultFlags
from lab.tars.body import Struct, encode_body
from lab.tars.embedded.options import log_to_stderr
from lab.tars.embedded.servants import Bodies, Call, Function
from lab.tars.managed import AdapterConfiguration, read_configuration, run

VERSION = "3.0.17-embedded"
#: A server's functions by the last part of its objects' names.
Objects = Mapping[str, Mapping[str, Function]]


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
    configuration = read_configuration(given.config.read_text())
    flags = FaultFlags(Path(os.environ.get("HOME", ".")))
    served = objects(Place(configuration.data_path, flags))

    def at(adapter: AdapterConfiguration) -> Bodies:
        return Bodies({adapter.servant: served[adapter.servant.rpartition(".")[2]]})

    commands = {"tars.viewversion": lambda _: f"${VERSION}$"}
    asyncio.run(run(configuration, at, commands=commands))
