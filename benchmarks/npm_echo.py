"""The npm echo servant (@tars/rpc) as a server to be measured against."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cores import start
from benchmarks.figures import BenchFailed
from lab.errors import WaitTimeout
from lab.nodejs import node_binary, npm_tree
from lab.tars import echo_client
from lab.tars.client import Address, Proxy, TarsClient
from lab.wait import wait_for

HOST = "127.0.0.1"
_SOURCE = Path(echo_client.__file__).parent / "echo"
_START_S = 30
# As a node writes it; what the servant does not read is left out.
_CONFIGURATION = """
<tars>
  <application>
    <server>
      app=IEC4
      server=EchoServer
      <IEC4.EchoServer.EchoObjAdapter>
        endpoint=tcp -h {host} -p {port} -t 60000
        maxconns=1024
        protocol=tars
        servant=IEC4.EchoServer.EchoObj
      </IEC4.EchoServer.EchoObjAdapter>
    </server>
  </application>
</tars>
"""


@contextmanager
def npm_echo(place: Path, core: int) -> Iterator[Address]:
    """Have it run on a core, its files in ``place``; raises `BenchFailed`."""
    with socket.create_server((HOST, 0)) as probe:
        address = Address(HOST, probe.getsockname()[1])
    config, log = place / "echo.conf", place / "echo.log"
    config.write_text(_CONFIGURATION.format(host=HOST, port=address.port))
    argv: list[str | Path] = [node_binary(), _SOURCE / "main.js", f"--config={config}"]
    env = {"NODE_PATH": str(npm_tree(_SOURCE)), "HOME": str(place)}
    with (
        log.open("wb") as out,
        start(core, argv, cwd=place, env=env, stdout=out, stderr=out) as process,
    ):
        try:
            wait_for("the npm echo's answer", lambda: _answers(address), timeout=_START_S)
            yield address
        except WaitTimeout as error:
            raise BenchFailed(f"{error}; it said: {log.read_text()[-2000:]}") from error
        finally:
            process.kill()


def _answers(address: Address) -> bool:
    with TarsClient(address, timeout=1) as client:
        Proxy(client, echo_client.ECHO_OBJECT).ping()
    return True
