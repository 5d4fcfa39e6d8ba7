"""Runners as child processes: their own process group, a redacted log, a sure end.

They end with this process too, however it ends (`pipeline.keeper`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from lab.secrets import redactor
from pipeline import keeper

#: Seconds a child gets after SIGINT to write what it has, before SIGKILL.
GRACE_S = 2.5


class Child:
    """A child process whose output goes, redacted, to a log file (and to ``on_line``)."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            keeper.kept(argv, cwd=cwd),
            cwd=keeper.ROOT,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._pump = threading.Thread(
            target=_pump, args=(self._process.stdout, log, on_line), daemon=True
        )
        self._pump.start()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired` after ``timeout`` seconds."""
        status = self._process.wait(timeout)
        self._pump.join(5)
        return status

    def end(self, grace_s: float = GRACE_S) -> None:
        """End the whole process group: SIGINT, which leaves results, then SIGKILL."""
        if self.running:
            self._signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._pump.join(1)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


def _pump(stream: IO[bytes], log: Path, on_line: Callable[[str], None] | None) -> None:
    """Read to the end, whatever becomes of the log: nobody waits for a child that nobody reads."""
    for line in stream:
        clean = redactor.data(line)
        with suppress(OSError), log.open("ab", buffering=0) as out:  # a full disk, say
            out.write(clean)
        if on_line is not None:
            on_line(clean.decode(errors="replace").rstrip("\n"))
