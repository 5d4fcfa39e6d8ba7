"""The embedded classroom in a process of its own on one core, as a host runs it."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from benchmarks.checkout import ROOT
from benchmarks.cores import start
from benchmarks.figures import BenchFailed
from lab.classroom.probe import ENDPOINT, SECRET, SYSTEM, probe
from lab.errors import SystemDown, WaitTimeout
from lab.inventory import load
from lab.loopback import ca
from lab.session import Lab
from lab.wait import wait_for

ADDRESS = "127.0.0.1"
_START_S = 20.0
_END_S = 20.0


@dataclass(frozen=True)
class Backend:
    """``inventory`` is the file of a lab in which this classroom was there before."""

    inventory: Path
    process: psutil.Process

    @property
    def private_bytes(self) -> int:
        """Memory that would be free without it."""
        return int(self.process.memory_full_info().uss)

    @property
    def kept_open(self) -> tuple[int, int]:
        """Descriptors (sockets among them), and threads."""
        return self.process.num_fds(), self.process.num_threads()


@contextmanager
def classroom_backend(place: Path, core: int | None = None) -> Iterator[Backend]:
    """Have a backend run; raises `BenchFailed` when it does not start or does not end well."""
    ca.make(place)
    certificate, key = ca.issue(place, ADDRESS)
    files = {"server.pem": certificate, "key.pem": key, "secret": secrets.token_hex(16).encode()}
    for name, content in files.items():
        (place / name).write_bytes(content)
    with socket.create_server((ADDRESS, 0)) as listener:
        port = listener.getsockname()[1]
    inventory = _inventory(place, port)
    argv: list[str | Path] = [
        sys.executable, "-m", "lab.classroom.embedded.backend", "--home", place,
        "--listen", f"{ADDRESS}:{port}", "--cert", place / "server.pem",
        "--key", place / "key.pem", "--secret-file", place / "secret",
    ]  # fmt: skip
    log = place / "backend.log"
    with (
        log.open("wb") as out,
        start(core, argv, cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL) as process,
    ):
        try:
            _wait_for(inventory, process, log)
            yield Backend(inventory, psutil.Process(process.pid))
            process.terminate()
            if process.wait(_END_S):
                raise BenchFailed(f"the classroom ended with {process.returncode}:\n{_tail(log)}")
        finally:
            process.kill()


def _inventory(place: Path, port: int) -> Path:
    file = place / "inventory.yaml"
    system = {
        "adopted": True,
        "endpoints": {ENDPOINT: f"https://{ADDRESS}:{port}"},
        "secrets": {SECRET: f"file:{place / 'secret'}"},
        "ca": str(place / ca.CERTIFICATE),
    }
    data = {"name": "bench", "kind": "real", "profile": "lab", "hosts": {}}
    file.write_text(yaml.safe_dump({**data, "systems": {SYSTEM: system}}))
    return file


def _wait_for(inventory: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise BenchFailed(f"the classroom did not start:\n{_tail(log)}")
        try:
            return bool(probe(lab))
        except SystemDown:
            return False

    try:
        with Lab(load(str(inventory))) as lab:
            wait_for("the classroom's answer", answers, timeout=_START_S)
    except WaitTimeout as error:
        raise BenchFailed(f"{error}\n{_tail(log)}") from error


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
