"""An edge of the connected vehicles' reference application in a process of its own, without Tars.

It runs as a node starts it, from the same configuration; nobody else is on its site.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.checkout import ROOT
from benchmarks.cores import start
from benchmarks.figures import BenchFailed
from blueprints.cvb import figures
from lab.cvb.contracts import EDGE_OBJECT
from lab.cvb.package import TOKEN_FILE
from lab.cvb.roles import EDGE, POLICY, PUBLISHER, VEHICLE
from lab.errors import WaitTimeout
from lab.tars.client import Address, Proxy, TarsClient
from lab.wait import wait_for

_HOST = "127.0.0.1"
_START_S, _END_S = 20.0, 10.0

#: Role → the token that it shows; nothing secret, the edge is this bench's.
TOKENS = {role: f"the bench's {role}" for role in (PUBLISHER, VEHICLE, POLICY, EDGE)}

_CONFIGURATION = """
<tars>
  <application>
    <client>
      locator=tars.tarsregistry.QueryObj@tcp -h {host} -p {nobody}
    </client>
    <server>
      app=V2X
      server=EdgeServer
      nodename={host}
      datapath={place}
      <V2X.EdgeServer.EdgeObjAdapter>
        endpoint=tcp -h {host} -p {port} -t 60000
        servant={servant}
      </V2X.EdgeServer.EdgeObjAdapter>
    </server>
  </application>
</tars>
"""


@contextmanager
def edge_process(place: Path, core: int | None = None) -> Iterator[Address]:
    """Have the site's first edge run, on one core if that is named; raises `BenchFailed`."""
    port, nobody = _free_ports()
    config, settings = place / "edge.conf", place / "settings.json"
    config.write_text(
        _CONFIGURATION.format(
            host=_HOST, port=port, nobody=nobody, place=place, servant=EDGE_OBJECT
        )
    )
    settings.write_text(json.dumps(_settings()))
    token = place / TOKEN_FILE
    token.parent.mkdir(exist_ok=True)
    token.write_text(TOKENS[EDGE])
    log = place / "edge.log"
    argv = [sys.executable, "-m", "lab.cvb.embedded", "edge"]
    argv += [f"--config={config}", f"--settings={settings}"]
    env = {**os.environ, "HOME": str(place)}
    with (
        log.open("w") as out,
        start(core, argv, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        try:
            address = Address(_HOST, port)
            _await(address, log)
            yield address
            process.terminate()
            process.wait(_END_S)
        finally:
            process.kill()


def _settings() -> dict[str, object]:
    data = figures()
    name, area = next(iter(data.site.items()))
    known = data.model_dump(mode="json", include={"hazard", "merge_m", "frame", "batch"})
    return {
        **known,
        "edges": {name: {"host": _HOST, **area.model_dump(mode="json")}},
        "digests": {
            role: hashlib.sha256(token.encode()).hexdigest() for role, token in TOKENS.items()
        },
        "token_file": TOKEN_FILE,
    }


def _await(address: Address, log: Path) -> None:
    def answers() -> bool:
        with TarsClient(address, timeout=1.0) as client:
            Proxy(client, EDGE_OBJECT).ping()
        return True

    try:
        wait_for("an edge's answer", answers, timeout=_START_S)
    except WaitTimeout as error:
        raise BenchFailed(f"the edge did not start: {error}\n{log.read_text()}") from None


def _free_ports() -> tuple[int, int]:
    with socket.create_server((_HOST, 0)) as one, socket.create_server((_HOST, 0)) as other:
        return int(one.getsockname()[1]), int(other.getsockname()[1])
