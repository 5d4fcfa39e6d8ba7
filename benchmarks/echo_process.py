"""An echo of `benchmarks.echo_server` in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.checkout import ROOT
from benchmarks.cores import start
from benchmarks.figures import BenchFailed
from lab.tars.client import Address

_END_S = 10


@dataclass
class EchoProcess:
    """Where it listens, and after its end its figures."""

    address: Address
    figures: dict[str, float] = field(default_factory=dict)


@contextmanager
def echo_process(kind: str, core: int | None = None) -> Iterator[EchoProcess]:
    """Have an echo of that kind run, on one core if that is named.

    Raises `BenchFailed` when it does not start, or does not end well.
    """
    argv = [sys.executable, "-m", "benchmarks.echo_server", kind]
    with start(
        core, argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None, "asked for"
        assert process.stdout is not None, "asked for"
        try:
            first = process.stdout.readline()
            if not first:
                raise BenchFailed(f"the {kind} server did not start; its output is above")
            running = EchoProcess(Address("127.0.0.1", json.loads(first)["port"]))
            yield running
            process.stdin.close()
            if process.wait(_END_S):
                raise BenchFailed(f"the {kind} server ended with {process.returncode}")
            running.figures.update(json.loads(process.stdout.readline()))
        finally:
            process.kill()
