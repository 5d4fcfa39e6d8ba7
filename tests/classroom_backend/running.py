"""A running embedded classroom backend, in a process of its own, as a host runs it."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.classroom.rest import ClassroomApi
from lab.classroom.tls import trust
from lab.faultflags import DIRECTORY
from lab.loopback import ca
from lab.payload import ROOT
from lab.wait import wait_for

#: The recorded server's secret, so that recorded requests can be sent as they are.
SECRET = "MY_SECRET"
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text) if self.text else None


@dataclass(frozen=True)
class Backend:
    """``home`` is the host account's home directory; ``process`` the backend's."""

    home: Path
    port: int
    ca: Path
    process: subprocess.Popen[bytes]

    @property
    def authority(self) -> str:
        return f"{ADDRESS}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.authority}"

    @property
    def tls(self) -> ssl.SSLContext:
        return trust(self.ca)

    def api(self, *, timeout: float = 10.0) -> ClassroomApi:
        return ClassroomApi(self.url, SECRET, ca=self.ca, timeout=timeout)

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None
    ) -> Answer:
        """One request on a connection of its own, exactly as it is given."""
        connection = http.client.HTTPSConnection(ADDRESS, self.port, context=self.tls, timeout=10)
        try:
            connection.request(method, path, body and body.encode(), headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    @contextmanager
    def fault(self, name: str, text: str = "") -> Iterator[None]:
        flag = self.home / DIRECTORY / name
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.write_text(text)
        try:
            yield
        finally:
            flag.unlink()

    @contextmanager
    def grows_by_less_than(self, mib: float) -> Iterator[None]:
        """Assert that the process never has so much more in memory (RSS) than it had before."""
        before = self._memory_mib("VmRSS")
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # forget the highest so far
        yield
        grown = self._memory_mib("VmHWM") - before
        assert grown < mib, f"{grown:.1f} MiB more than {before:.1f}"

    def _memory_mib(self, key: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition(f"{key}:")[2].split()[0]) / 1024

    def sockets(self) -> int:
        """How many sockets the process has open."""
        links = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return sum(
            str(link.readlink()).startswith("socket:") for link in links if link.is_symlink()
        )

    def log(self) -> str:
        """What the process has written until now."""
        return (self.home / "log").read_text()

    def cpu_s(self) -> float:
        """User and system time that the process has used, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running_backend(
    home: Path, *options: str, pythonpath: Path = ROOT, may_end: bool = False
) -> Iterator[Backend]:
    """Start a backend on a free port and wait until it answers; end it in the end.

    With ``may_end`` the test itself may have ended it.
    """
    ca.make(home)
    certificate, key = ca.issue(home, ADDRESS)
    for name, content in (("c.pem", certificate), ("k.pem", key), ("secret", SECRET.encode())):
        (home / name).write_bytes(content)
    with socket.create_server((ADDRESS, 0)) as probe:
        port = probe.getsockname()[1]
    argv = [
        sys.executable, "-m", "lab.classroom.embedded.backend", "--home", ".",
        "--listen", f"{ADDRESS}:{port}", "--cert", "c.pem", "--key", "k.pem",
        "--secret-file", "secret", *options,
    ]  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            argv,
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(pythonpath)},
            stdout=log,
            stderr=log,
        )
    backend = Backend(home, port, home / ca.CERTIFICATE, process)
    try:
        wait_for(
            "the backend answers",
            lambda: process.poll() is None and backend.ask("GET", "/").status == 200,
            timeout=20,
            advice=(home / "log").read_text(),
        )
        yield backend
        assert may_end or process.poll() is None, (home / "log").read_text()
        assert "Traceback" not in (home / "log").read_text(), (home / "log").read_text()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def new_session_id() -> str:
    return f"class-{secrets.token_hex(4)}"
