"""A Tars platform for tests: master and nodes as processes, on loopback addresses of its own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.errors import LabError
from lab.faultflags import DIRECTORY
from lab.nodejs import node_binary
from lab.tars.client import TarsClient
from lab.tars.deployment import deploy_echo
from lab.tars.echo_client import Echo, Identity
from lab.tars.package import build_package
from lab.tars.queryf import QueryF, resolve
from lab.tars.web import Server, TarsWeb
from lab.wait import wait_for

REPOSITORY = Path(__file__).parents[2]


class Platform:
    """Master at ``.1``, nodes at ``.2`` and so on of a network in 127.0.0.0/8."""

    def __init__(self, place: Path, *node_options: str) -> None:
        self.place = place
        self.network = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}"
        self.registry = (f"{self.network}.1", _free_port(f"{self.network}.1"))
        self.web_address = (f"{self.network}.1", _free_port(f"{self.network}.1"))
        self.web = TarsWeb("http://{}:{}".format(*self.web_address), timeout=10)
        self._node_options = node_options
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def master_home(self) -> Path:
        return self.place / "master"

    def node_name(self, number: int = 1) -> str:
        return f"{self.network}.{1 + number}"

    def node_home(self, number: int = 1) -> Path:
        return self.place / self.node_name(number)

    def start_master(self, *options: str) -> None:
        self._start(
            "master",
            "lab.tars.embedded.master",
            *("--registry", "{}:{}".format(*self.registry)),
            *("--web", "{}:{}".format(*self.web_address)),
            *options,
        )
        wait_for("TarsWeb answering", lambda: self.web.nodes() is not None, timeout=15)

    def start_node(self, number: int = 1) -> None:
        name = self.node_name(number)
        self._start(
            name,
            "lab.tars.embedded.node",
            *("--name", name, "--registry", "{}:{}".format(*self.registry)),
            *self._node_options,
        )
        wait_for(f"node {name}", lambda: name in self.web.nodes(), timeout=15)

    def _start(self, name: str, module: str, *options: str) -> None:
        home = self.place / name
        home.mkdir(exist_ok=True)
        with (home / "log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, "--home", str(home), *options],
                stderr=log,
                env={
                    "HOME": str(home),
                    "PATH": f"{node_binary().parent}:/usr/bin:/bin",
                    "PYTHONPATH": str(REPOSITORY),
                },
            )

    def kill(self, name: str) -> None:
        """Kill the master ("master") or a node (its name), and nothing else."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        self.web.close()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(10)
        # What a killed node left behind, when a test failed before the next node found it.
        for record in self.place.glob("*/.iec4/tarsnode/data/*/process"):
            with suppress(ProcessLookupError):
                os.killpg(json.loads(record.read_text())["pid"], signal.SIGKILL)

    def deploy(self, application: str, *, version: str = "1.0.0", node: int = 1) -> Server:
        """The echo servant, active, in an application of its own."""
        package = build_package(version)
        return deploy_echo(self.web, self.node_name(node), package, application=application)[0]

    def look_up(self, application: str) -> tuple[int, int]:
        """How many active and inactive endpoints the name service has of an echo servant."""
        with TarsClient(self.registry) as client:
            found = QueryF(client).find_object_by_id_in_same_group(echo_object(application))
        return len(found.active), len(found.inactive)

    def ask(self, application: str) -> Identity:
        """Ask an echo servant, found by name, who it is; raises `TarsError`."""
        place = resolve(self.registry, echo_object(application))[0]
        with TarsClient((place.host, place.port)) as client:
            return Echo(client).identity()

    def answers(self, application: str) -> bool:
        try:
            self.ask(application)
        except LabError:
            return False
        return True

    @contextmanager
    def fault(self, name: str, *, node: int | None = None) -> Iterator[None]:
        home = self.master_home if node is None else self.node_home(node)
        flag = home / DIRECTORY / name
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()


def echo_object(application: str) -> str:
    return f"{application}.EchoServer.EchoObj"


def is_there(pid: int) -> bool:
    """Whether a process runs (a corpse does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])
