"""The results' disk is full, or may only be read: it is said, and nothing is made up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.loopback import hiding
from reports.results import read_results
from tests.pipeline.runs import IEC4, processes_of

#: In a mount namespace of its own: $1 are the options of the disk over results/, the rest is run.
_SCRIPT = """
set -e
mkdir -p results kept
mount -t tmpfs -o "$1" results-disk results
shift
"$@" || status=$?
cp -a results/. kept/
exit "${status:-0}"
"""
Done = subprocess.CompletedProcess[str]
On = Callable[..., Done]


@pytest.fixture
def on_disk(tmp_path: Path) -> On:
    """Run a shell script, in which ``iec4`` is the command line, with results/ on a disk of its
    own; what is there at the end is then in kept/."""
    if reason := hiding.refused():
        pytest.skip(f"a sized disk of one's own needs user namespaces: {reason}")

    def run(options: str, script: str, *, timeout: float = 100) -> Done:
        iec4 = f'iec4() {{ {" ".join(IEC4)} "$@"; }}\n'
        argv = ["unshare", "-Urm", "sh", "-c", _SCRIPT, "sh", options, "sh", "-c", iec4 + script]
        return subprocess.run(
            argv, cwd=tmp_path, env=dict(os.environ), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    return run


def test_results_that_may_only_be_read_are_wrong_usage(on_disk: On, tmp_path: Path) -> None:
    done = on_disk("ro", "iec4 run --only OS-01")
    assert done.returncode == 2, done.stderr
    assert "Read-only file system; give another place to --run" in done.stderr
    assert "Traceback" not in done.stderr
    assert processes_of(tmp_path) == []


def test_a_disk_that_is_full_from_the_start_is_said_in_a_line(on_disk: On, tmp_path: Path) -> None:
    done = on_disk("size=16k,nr_inodes=100", "iec4 run --only OS-01")
    assert done.returncode == 3, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert processes_of(tmp_path) == []


#: Fills the disk as soon as a stage has begun, runs, empties it, and goes on.
_FILL = """
iec4 run --run results/mine --only OS-01,OS-02,SAAS-02 &
until grep -qs '"name": "STAGE"' results/mine/run.json; do sleep 0.02; done
cat /dev/zero >results/ballast 2>/dev/null || :
wait $! && echo ended 0 || echo ended $?
cp -a results/mine kept-full
rm results/ballast
iec4 run --run results/mine --resume results/mine
"""


@pytest.mark.parametrize("stage", ["deploy", "validate", "scan"])
def test_a_disk_that_fills_costs_no_verdict_and_invents_none(
    on_disk: On, tmp_path: Path, stage: str
) -> None:
    done = on_disk("size=60m", _FILL.replace("STAGE", stage))
    assert "Traceback" not in done.stderr, done.stderr
    full = read_results(tmp_path / "kept-full")
    if stage != "scan":  # all was judged then, and may have been written just in time
        assert "ended 3" in done.stdout, done.stdout + done.stderr
        assert {c.state for c in full.criteria} <= {"PASS", "NONE"}
    assert "No space left on device" in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    whole = read_results(tmp_path / "kept" / "mine")
    assert {c.state for c in whole.criteria} == {"PASS"}
    assert len(list((tmp_path / "kept" / "mine").glob("allure-results/*-result.json"))) == 3
    assert processes_of(tmp_path) == []
