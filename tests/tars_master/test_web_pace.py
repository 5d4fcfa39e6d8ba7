"""The pace that all who ask one TarsWeb share."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from lab.tars.web import Pace
from tests.tars_master.platforms import REPOSITORY

PROGRAM = """
import sys
from pathlib import Path
from lab.tars.web import Pace
for _ in range(int(sys.argv[2])):
    Pace(Path(sys.argv[1]), burst=10, rate=20).await_turn()
"""


def test_a_burst_is_free_and_the_rest_waits(tmp_path: Path) -> None:
    pace = Pace(tmp_path / "pace", burst=5, rate=20)
    started = time.monotonic()
    for _ in range(5):
        pace.await_turn()
    free = time.monotonic() - started
    for _ in range(6):
        pace.await_turn()
    assert time.monotonic() - started - free >= 5 / 20


def test_processes_share_it(tmp_path: Path) -> None:
    started = time.monotonic()
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "pace"), "10"], cwd=REPOSITORY
        )
        for _ in range(3)
    ]
    assert [one.wait(30) for one in asking] == [0, 0, 0]
    assert time.monotonic() - started >= (30 - 10 - 1) / 20


def test_the_default_stays_below_the_limit() -> None:
    pace = Pace(Path("unused"))
    assert pace.burst + 600 * pace.rate < 5000
