"""Children: they end as they would by themselves, and never outlive whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lab.wait import wait_for
from pipeline.children import Child

#: Starts a child of ours that has one of its own in another session, tells it, and waits.
_OWNER = """
import sys, os
from pathlib import Path
from pipeline.children import Child
log, *argv = sys.argv[1:]
child = Child("one", argv, log=Path(log), env=os.environ, cwd=Path.cwd())
child.wait()
"""
_BRANCHING = "setsid sleep 300 & echo begun; exec sleep 300"


def child(tmp_path: Path, *argv: str) -> Child:
    return Child("one", argv, log=tmp_path / "log", env=os.environ, cwd=tmp_path)


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 7", 7), ("kill -9 $$", -signal.SIGKILL), ("kill -15 $$", -signal.SIGTERM)],
)
def test_a_child_s_status_is_its_own(tmp_path: Path, script: str, status: int) -> None:
    assert child(tmp_path, "sh", "-c", script).wait(30) == status


def test_a_child_runs_where_it_is_told_to_and_says_it_in_its_log(tmp_path: Path) -> None:
    assert child(tmp_path, "pwd").wait(30) == 0
    assert (tmp_path / "log").read_text() == f"{tmp_path}\n"


def test_a_child_whose_log_cannot_be_written_is_not_held_up(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    assert child(tmp_path, "sh", "-c", "head -c 1000000 /dev/zero").wait(30) == 0


def test_what_a_killed_process_started_ends_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, log, "sh", "-c", _BRANCHING])
    wait_for("its beginning", lambda: log.exists() and "begun" in log.read_text(), timeout=30)
    family = psutil.Process(owner.pid).children(recursive=True)
    assert sum(one.name() == "sleep" for one in family) == 2
    owner.kill()
    owner.wait()
    wait_for("the end of all", lambda: not any(one.is_running() for one in family), timeout=20)
