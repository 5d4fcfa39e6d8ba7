"""`./iec4 test` tells what failed, and CI tells a new skip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.checkout import ROOT
from pipeline.selftest import Check, run_check, shell_scripts

SUITE = """\
import pytest

def test_good(): pass

@pytest.mark.parametrize("n", [1, 2])
def test_lacking(n): pytest.skip("no such tool")

@pytest.mark.xfail
def test_known(): assert False
"""


def iec4_test(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "test", "-n0", "-p", "no:cacheprovider", *arguments],
        cwd=place,
        env={"IEC4_CACHE": str(place / "cache"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def skips(place: Path, expected: str) -> subprocess.CompletedProcess[str]:
    (place / "expected.txt").write_text(expected)
    junit = place / "cache" / "selftest" / "junit.xml"
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / "skips.py", junit, place / "expected.txt"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_all_good_then_skips_are_compared(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SUITE)
    done = iec4_test(tmp_path, "test_some.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 2 skipped, 1 xfailed in" in done.stdout

    new = skips(tmp_path, "# nothing is known\n")
    assert new.returncode == 1
    assert "1 new" in new.stdout
    assert "    test_some.py::test_lacking  no such tool" in new.stdout

    known = skips(tmp_path, "test_some.py::test_lacking  needs a tool\n")
    assert (known.returncode, "NEW" in known.stdout) == (0, False)


@pytest.mark.parametrize(
    ("suite", "status"),
    [
        ("def test_bad(): assert 0\n", 1),
        ("def nothing(): pass\n", 5),
        ("import no_such\n", 2),
    ],
)
def test_pytest_s_exit_code_is_kept(tmp_path: Path, suite: str, status: int) -> None:
    (tmp_path / "test_some.py").write_text(suite)
    done = iec4_test(tmp_path, "test_some.py")
    assert done.returncode == status
    assert "FAILED  tests" in done.stdout
    assert skips(tmp_path, "").returncode == 1, "where no test passed CI must fail"


def test_a_suite_that_only_skips_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SUITE.replace("def test_good", "def _"))
    iec4_test(tmp_path, "test_some.py")
    done = skips(tmp_path, "test_some.py::test_lacking\n")
    assert done.returncode == 1
    assert "no test passed" in done.stdout


def test_without_results_ci_fails(tmp_path: Path) -> None:
    done = skips(tmp_path, "")
    assert done.returncode == 1
    assert "did not run to their end" in done.stdout


def test_a_failed_check_shows_what_it_found(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os\n")
    outcome = run_check(Check("ruff check", "lint", ("ruff", "check", "--isolated", str(bad))))
    assert outcome.status == 1
    assert "F401" in outcome.output


def test_a_check_without_its_tool_is_said() -> None:
    outcome = run_check(Check("shellcheck", "lint", ("no-such-tool",)))
    assert (outcome.status, outcome.says) == (0, "not run: this platform has no wheel of it")


def test_shell_scripts_are_known_by_their_first_line(tmp_path: Path) -> None:
    (tmp_path / "made" / ".hidden").mkdir(parents=True)
    for name, first in {
        "tool": "#!/bin/sh\n",
        "made/setup.sh": "#!/usr/bin/env bash\n",
        "python": "#!/usr/bin/env python3\n",
        "plain": "words\n",
        "made/.hidden/x.sh": "#!/bin/sh\n",
    }.items():
        (tmp_path / name).write_text(first)
    found = [str(path.relative_to(tmp_path)) for path in shell_scripts(tmp_path)]
    assert found == ["tool", "made/setup.sh"]
