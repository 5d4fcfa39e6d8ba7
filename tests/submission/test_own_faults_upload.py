"""The network, or the process itself, is cut in the middle of an upload."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from lab.wait import wait_for
from submission.doubles.nexus import Nexus
from tests.pipeline.conftest import Iec4, iec4
from tests.pipeline.runs import started
from tests.submission.conftest import MakeRun
from tests.submission.test_submit import PASSWORD, Signer, nexus, signer

__all__ = ["iec4", "nexus", "signer"]  # fixtures
#: Bytes of the request that come through before the cable is pulled: its head, and a part.
LET_THROUGH = 3000


class Cable:
    """A way to a server that can be pulled out: what was on it is lost, and nobody answers."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.reached = threading.Event()
        self.limit: int | None = None
        #: Whether what passes the limit is kept waiting, rather than cut off.
        self.stalls = False
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                for ends in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, upward: bool) -> None:
        carried, posting = 0, False
        with suppress(OSError):
            while data := source.recv(1024):
                posting = posting or (upward and data.startswith(b"POST"))
                carried += len(data)
                if posting and self.limit is not None and carried > self.limit:
                    self.reached.set()
                    if self.stalls:
                        continue
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@contextmanager
def cable(target: str, *, limit: int, stalls: bool) -> Iterator[Cable]:
    way = Cable(target)
    way.limit, way.stalls = limit, stalls
    try:
        yield way
    finally:
        way.close()


def arguments(run: Path, signer: Signer, url: str) -> list[str]:
    return [
        "submit", str(run), "--key", f"file:{signer.private}", "--nexus", url,
        "--credentials", "env:NEXUS_LOGIN",
    ]  # fmt: skip


LOGIN = {"NEXUS_LOGIN": f"iec4:{PASSWORD}"}


def entries(run: Path) -> dict[str, str]:
    ledger = json.loads((run / "submission" / "ledger.json").read_text())
    return {entry["stamp"]: entry["state"] for entry in ledger}


def test_a_network_that_is_cut_in_an_upload_costs_nothing(
    iec4: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus
) -> None:
    """The first attempt is cut, the next goes through: whole, under another timestamp."""
    run = lab_run("inwinstack")
    with cable(nexus.url, limit=LET_THROUGH, stalls=False) as way:
        threading.Thread(target=mend_after_the_cut, args=(way,), daemon=True).start()
        done = iec4(*arguments(run, signer, way.url), **LOGIN)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = sorted(entries(run))
    assert entries(run) == {first: "nothing there", second: "complete"}
    assert {name.split("/")[4] for name in nexus.files} == {second}


def mend_after_the_cut(way: Cable) -> None:
    way.reached.wait(60)
    way.limit = None


def test_an_upload_whose_process_is_killed_is_made_again_once(
    iec4: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus, tmp_path: Path
) -> None:
    run = lab_run("inwinstack")
    with cable(nexus.url, limit=LET_THROUGH, stalls=True) as way:
        with started(*arguments(run, signer, way.url), cwd=tmp_path, **LOGIN) as killed:
            assert way.reached.wait(60)
            killed.kill()
            killed.communicate(timeout=30)
        assert list(entries(run).values()) == ["posting"]
        assert nexus.files == {}
        way.limit = None
        again = iec4(*arguments(run, signer, way.url), **LOGIN)
        assert again.returncode == 0, again.stderr
        assert sorted(entries(run).values()) == ["complete", "nothing there"]
        third = iec4(*arguments(run, signer, way.url), **LOGIN)
    assert third.returncode == 0
    assert "nothing is sent a second time" in third.stdout
    wait_for("one upload", lambda: len({n.split("/")[4] for n in nexus.files}) == 1, timeout=1)
