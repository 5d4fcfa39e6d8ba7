"""The embedded backend as a process of its own, for tests of whatever speaks to it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.classroom.rest import ClassroomApi
from lab.faultflags import DIRECTORY
from lab.wait import wait_for
from tests.classroom.replay import TlsFiles

HOST = "127.0.0.2"
SECRET = "classroom-test-secret"


@dataclass(frozen=True)
class Backend:
    url: str
    ca: Path
    home: Path

    def api(self, secret: str = SECRET) -> ClassroomApi:
        return ClassroomApi(self.url, secret, ca=self.ca, timeout=5)

    @contextmanager
    def faulty(self, fault: str) -> Iterator[None]:
        """The fault is injected within the context."""
        flag = self.home / DIRECTORY / fault
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()


@contextmanager
def running_backend(tls: TlsFiles, home: Path) -> Iterator[Backend]:
    """A backend on `HOST` with `home` as its host account's home directory."""
    (home / "secret").write_text(SECRET)
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    argv = [
        *(sys.executable, "-m", "lab.classroom.embedded.backend"),
        *("--home", str(home), "--listen", f"{HOST}:{port}", "--secret-file", home / "secret"),
        *("--cert", str(tls.certificate), "--key", str(tls.key)),
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    backend = Backend(f"https://{HOST}:{port}", tls.ca, home)
    try:
        with backend.api() as api:
            wait_for("the backend", api.version, timeout=20, advice=(home / "log").read_text())
        yield backend
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, (home / "log").read_text()
