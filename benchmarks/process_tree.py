"""How much memory a command and everything that it starts hold together."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
#: Seconds between two looks at the process tree.
SAMPLE_EVERY_S = 0.25


@dataclass(frozen=True)
class Measured:
    """One finished command: its exit status, seconds, peak memory in MiB and its output."""

    status: int
    seconds: float
    peak_mib: float
    output: str


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends: a lab's daemons stay in sight."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def measure(
    argv: Sequence[str | Path], *, cwd: Path, timeout: float, env: Mapping[str, str] | None = None
) -> Measured:
    """Run a command to its end; memory is the sum of proportional set sizes (PSS), in which
    pages that processes share count once. Raises `subprocess.TimeoutExpired`.
    """
    finished = threading.Event()
    peak = 0

    def sample() -> None:
        nonlocal peak
        while not finished.wait(SAMPLE_EVERY_S):
            peak = max(peak, _held_by_descendants())

    sampler = threading.Thread(target=sample)
    sampler.start()
    started = time.monotonic()
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=None if env is None else dict(env), timeout=timeout, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - started
    finally:
        finished.set()
        sampler.join()
        _reap()
    return Measured(done.returncode, seconds, peak / 2**20, done.stdout)


def _held_by_descendants() -> int:
    """Bytes of PSS; a process that ends while it is looked at counts no more."""
    held = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            held += process.memory_full_info().pss
    return held


def _reap() -> None:
    """Take leave of adopted children that have ended; living ones stay."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
