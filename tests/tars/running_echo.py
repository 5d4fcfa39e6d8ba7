"""The echo servant, started from its package as a real node starts it."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.faultflags import DIRECTORY
from lab.nodejs import node_binary
from lab.tars.client import Address, Proxy, TarsClient
from lab.tars.echo_client import ECHO_OBJECT
from lab.tars.embedded.unpacking import put_in_place
from lab.tars.package import build_package
from lab.wait import wait_for

HOST = "127.0.0.1"

# As tarsnode 3.0.17 writes it; keys that the servant does not read are left out.
CONFIGURATION = """
<tars>
  <application>
    enableset=n
    setdivision=NULL
    <server>
      app=IEC4
      server=EchoServer
      localip=127.0.0.1
      local=tcp -h 127.0.0.1 -p {local} -t 10000
      node={node}
      deactivating-timeout=3000
      <IEC4.EchoServer.EchoObjAdapter>
        allow
        endpoint=tcp -h {host} -p {port} -t 60000
        maxconns=1024
        protocol=tars
        queuecap=10000
        queuetimeout=60000
        servant=IEC4.EchoServer.EchoObj
        threads=5
      </IEC4.EchoServer.EchoObjAdapter>
    </server>
  </application>
</tars>
"""


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class RunningEcho:
    process: subprocess.Popen[bytes]
    address: Address
    admin: Address
    home: Path
    bin: Path
    log: Path

    def fault(self, name: str) -> Path:
        flag = self.home / DIRECTORY / name
        flag.parent.mkdir(parents=True, exist_ok=True)
        return flag


def unpack(version: str, place: Path) -> Path:
    """Install the package as a node does: its one top directory becomes ``bin``."""
    put_in_place(build_package(version), place / "bin")
    return place / "bin"


@contextmanager
def running_echo(place: Path, *, version: str = "1.0.0", node: str = "") -> Iterator[RunningEcho]:
    home = place / "home"
    home.mkdir(parents=True)
    installed = unpack(version, place)
    echo, admin = Address(HOST, free_port()), Address(HOST, free_port())
    config = place / "IEC4.EchoServer.config.conf"
    config.write_text(CONFIGURATION.format(host=HOST, port=echo.port, local=admin.port, node=node))
    log = place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(installed / "EchoServer"), f"--config={config}"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "IEC4_NODE": str(node_binary())},
        )
    running = RunningEcho(process, echo, admin, home, installed, log)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with TarsClient(echo, timeout=1) as client:
            Proxy(client, ECHO_OBJECT).ping()
        return True

    try:
        wait_for("the echo servant's answer", answers, timeout=15)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(10)
