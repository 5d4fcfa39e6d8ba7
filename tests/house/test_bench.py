"""The bench counts what daemons hold, and finds its place in the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report, rpc, run
from benchmarks.checkout import ROOT
from benchmarks.figures import PAGE, Figure, conditions, table, with_table

# A command that ends once its daemon, twice forked, holds 150 MiB; the daemon ends with its pipe.
DAEMON = """\
import os, sys
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    held = bytearray(150 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    os.write(write, b".")
    os.closerange(3, 256)  # the shell's end of its input, among others
    sys.stdin.read()
    os._exit(0)
os.read(read, 1)
"""
MEASURE = """\
import json, sys
from pathlib import Path
from benchmarks.process_tree import adopt_orphans, measure
adopt_orphans()
alone = measure([sys.executable, "-c", "pass"], cwd=Path("."), timeout=20)
daemon = measure(["sh", "-c", "mkfifo p; exec 3<>p; " + sys.argv[1], sys.executable, sys.argv[2]],
                 cwd=Path(sys.argv[3]), timeout=20)
print(json.dumps({"status": daemon.status, "alone": alone.peak_mib, "daemon": daemon.peak_mib,
                  "output": daemon.output}))
"""


def test_a_daemon_s_memory_counts(tmp_path: Path) -> None:
    # The shell waits, holding the daemon's input open, long enough for some samples.
    script = '"$0" -c "$1" <p >/dev/null 2>&1; timeout 1 cat p; exit 0'
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, script, DAEMON, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["status"] == 0, found
    assert found["alone"] < 100
    assert 150 < found["daemon"] < 300


@pytest.mark.parametrize(
    ("name", "known"),
    [("run", run.FIGURES), ("report", report.FIGURES), ("rpc", rpc.FIGURES)],
)
def test_the_page_has_a_place_for_the_table(name: str, known: tuple[Figure, ...]) -> None:
    page = PAGE.read_text()
    figures = {figure.key: 1.0 for figure in known}
    new = with_table(page, name, table(known, figures, conditions()))
    assert new.count(f"| `{known[-1].key}` |") == 1
    assert with_table(new, name, "a new table").count("a new table") == 1
    assert new.startswith("# Measured figures")
    assert new.endswith(page[-100:])
    assert PAGE.is_relative_to(ROOT)
    with pytest.raises(ValueError, match="has no"):
        with_table("no marks", name, "a new table")


def test_a_figure_may_have_a_least_and_a_most() -> None:
    least, most = Figure("a", "", least=10), Figure("b", "", 20)
    both = Figure("c", "", 20, least=10)
    assert [figure.missed_by(9.9) for figure in (least, most, both)] == [True, False, True]
    assert [figure.missed_by(20.1) for figure in (least, most, both)] == [False, True, True]
    assert [figure.range for figure in (least, most, both)] == ["at least 10", "20", "10 to 20"]
