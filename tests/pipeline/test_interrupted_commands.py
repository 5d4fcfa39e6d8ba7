"""SIGTERM ends any command as Ctrl-C does: what it has started ends with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from lab.wait import wait_for
from tests.perf.tars import tars


def test_a_load_that_is_told_to_end_takes_its_locust_along(tmp_path: Path) -> None:
    with tars() as registry:
        argv = [sys.executable, "-m", "pipeline", "load", "rpc", "--engine", "users"]
        argv += ["--registry", registry.removeprefix("tcp://"), "--seconds", "60", "--quiet"]
        with subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as command:
            own = psutil.Process(command.pid)
            wait_for("Locust", lambda: own.children(recursive=True), timeout=30)
            children = own.children(recursive=True)
            command.send_signal(signal.SIGTERM)
            _, said = command.communicate(timeout=30)
    assert command.returncode == 130, said
    assert "Traceback" not in said
    wait_for("its end", lambda: not any(one.is_running() for one in children), timeout=10)
