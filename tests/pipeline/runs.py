"""Runs as processes that a test may watch and end, and what is left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.wait import wait_for

IEC4 = (sys.executable, "-P", "-m", "pipeline")


@contextmanager
def started(
    *arguments: str, cwd: Path, before: Sequence[str] = (), **env: str
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs within the context, and is killed at its end if it still does.

    ``before``: words in front of it, such as ``unshare``.
    """
    process = subprocess.Popen(
        [*before, *IEC4, *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def state_of(run: Path) -> dict[str, Any]:
    """``run.json``; empty before there is one."""
    try:
        found: dict[str, Any] = json.loads((run / "run.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def until_stage(run: Path, name: str) -> None:
    """Wait until a stage of a run has begun."""
    wait_for(
        f"stage {name}",
        lambda: name in [stage["name"] for stage in state_of(run).get("stages", ())],
        timeout=60,
        interval=0.01,
        slowest=0.02,
    )


def results_of(run: Path) -> dict[str, bytes]:
    """The result files of a run as they lie there."""
    return {file.name: file.read_bytes() for file in run.glob("allure-results/*-result.json")}


def processes_of(run: Path) -> list[str]:
    """Command lines of living processes that have to do with a run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(run).encode() in environment or str(run) in command:
            found.append(command)
    return found
