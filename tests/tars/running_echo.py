"""The test servants, started from their packages as a real node starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.faultflags import DIRECTORY
from lab.nodejs import node_binary
from lab.tars.client import Address, Proxy, TarsClient
from lab.tars.embedded.unpacking import put_in_place
from lab.tars.package import PROBE_SERVER, SERVER, build_package, build_servant
from lab.wait import wait_for

HOST = "127.0.0.1"

# As tarsnode 3.0.17 writes it; keys that the servant does not read are left out.
CONFIGURATION = """
<tars>
  <application>
    enableset=n
    setdivision=NULL
    <client>
      locator={locator}
    </client>
    <server>
      app=IEC4
      server={server}
      localip=127.0.0.1
      nodename=node.of.test
      local=tcp -h 127.0.0.1 -p {local} -t 10000
      node={node}
      basepath={basepath}/
      datapath={basepath}/
      logpath={basepath}/
      loglevel=INFO
      config={config_object}
      deactivating-timeout=3000
      <IEC4.{server}.EchoObjAdapter>
        allow
        endpoint=tcp -h {host} -p {port} -t 60000
        maxconns=1024
        protocol=tars
        queuecap={queuecap}
        queuetimeout=60000
        servant=IEC4.{server}.EchoObj
        threads={threads}
      </IEC4.{server}.EchoObjAdapter>
    </server>
  </application>
</tars>
"""


DEFAULTS = {
    "node": "",
    "locator": "",
    "config_object": "",
    "basepath": ".",
    "queuecap": 10000,
    "threads": 5,
}


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


def configuration(server: str, served: Address, local: int, **said: object) -> str:
    """A server's configuration, as a node writes it."""
    places = {"server": server, "host": served.host, "port": served.port, "local": local}
    return CONFIGURATION.format(**{**DEFAULTS, **places, **said})


@contextmanager
def running_echo(place: Path, *, version: str = "1.0.0", node: str = "") -> Iterator[RunningEcho]:
    """The npm one."""
    with _running(place, build_package(version), SERVER, node=node) as running:
        yield running


@contextmanager
def running_probe(
    place: Path, *, version: str = "1.0.0", node: str = "", **said: object
) -> Iterator[RunningEcho]:
    """Our own; ``said`` are values of its configuration."""
    with _running(place, build_servant(version), PROBE_SERVER, node=node, **said) as running:
        yield running


@contextmanager
def _running(place: Path, package: Path, server: str, **said: object) -> Iterator[RunningEcho]:
    home = place / "home"
    home.mkdir(parents=True)
    installed = place / "bin"
    put_in_place(package, installed)
    served, admin = Address(HOST, free_port()), Address(HOST, free_port())
    config = place / f"IEC4.{server}.config.conf"
    config.write_text(configuration(server, served, admin.port, basepath=place, **said))
    log = place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(installed / server), f"--config={config}"],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=place,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "IEC4_NODE": str(node_binary()),
                "IEC4_PYTHON": sys.executable,
            },
        )
    running = RunningEcho(process, served, admin, home, installed, log)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with TarsClient(served, timeout=1) as client:
            Proxy(client, f"IEC4.{server}.EchoObj").ping()
        return True

    try:
        wait_for("the servant's answer", answers, timeout=15, interval=0.02)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(10)
