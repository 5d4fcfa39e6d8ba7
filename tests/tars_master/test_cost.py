"""CPU time and memory of processes on a host, measured against processes whose use is known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.errors import SystemDown
from lab.host.local import LocalHost
from lab.tars import cost

#: Says that it runs, uses a core's CPU for half a second, holds 50 MB, says so and waits.
BUSY = """
import sys, time
print("started", flush=True)
sys.stdin.readline()
held = bytearray(b"x") * 50_000_000
while time.process_time() < 0.5: pass
print("done", flush=True)
sys.stdin.readline()
"""


@contextmanager
def busy() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def host() -> LocalHost:
    return LocalHost("here")


def test_cpu_and_memory_between_two_looks(host: LocalHost) -> None:
    with busy() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        before = cost.look(host, {"busy": process.pid})
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
        after = cost.look(host, {"busy": process.pid})
    used = cost.between(before, after)["busy"]
    assert 0.4 <= used.cpu_share * used.window_s <= 0.55
    assert 50_000_000 <= used.rss <= 100_000_000
    assert before["busy"].rss < 30_000_000


def test_a_process_that_ended_in_between_is_no_measurement(host: LocalHost) -> None:
    with busy() as process:
        before = cost.look(host, {"busy": process.pid})
    process.wait()
    with pytest.raises(SystemDown, match="ended while it was measured"):
        cost.between(before, cost.look(host, {"busy": process.pid}))


def test_a_name_with_brackets_and_blanks_is_read(host: LocalHost) -> None:
    """The second field of /proc/PID/stat is whatever a process calls itself."""
    script = "echo 'x) S 1 (' >/proc/self/comm; echo ready; read line"
    with subprocess.Popen(
        ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert cost.look(host, {"odd": process.pid})["odd"].rss > 0
        process.kill()


def test_a_host_without_the_platform_is_told_apart(host: LocalHost) -> None:
    with pytest.raises(SystemDown, match="no process of Tars runs on here"):
        cost.measure(host, 0.1)
