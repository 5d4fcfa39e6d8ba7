"""``./iec4 test``: the suite's own tests, then lint, types and import contracts; one summary."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from lab.payload import ROOT, cache_dir

#: Seconds for all tests, and for one check.
TESTS_TIMEOUT_S = 1800
CHECK_TIMEOUT_S = 300


@dataclass(frozen=True)
class Check:
    """A tool of the environment, started in the checkout; status 0 means that all is well."""

    name: str
    part: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a check, or the tests, came to; ``output`` is shown when it failed."""

    name: str
    status: int
    seconds: float
    says: str = ""
    output: str = ""


def checks() -> tuple[Check, ...]:
    """Every check: the parts "lint" and "types"."""
    scripts = tuple(str(path.relative_to(ROOT)) for path in shell_scripts(ROOT))
    return (
        Check("ruff check", "lint", ("ruff", "check", ".")),
        Check("ruff format", "lint", ("ruff", "format", "--check", ".")),
        Check("shellcheck", "lint", ("shellcheck", *scripts)),
        Check("robocop", "lint", ("robocop", "check", "robot")),
        Check("import-linter", "lint", ("lint-imports", "--no-cache")),
        Check("mypy", "types", ("mypy",)),
    )


def shell_scripts(root: Path) -> Iterator[Path]:
    """The checkout's shell scripts, known by their first line."""
    for directory, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in ("node_modules", "results") and (name == ".ci" or name[0] != ".")
        )
        for path in (Path(directory) / name for name in sorted(files)):
            if path.suffix in ("", ".sh") and path.is_file():
                with path.open("rb") as content:
                    first = content.readline(64)
                if first.startswith(b"#!") and first.split()[-1].endswith((b"sh",)):
                    yield path


def junit_file() -> Path:
    """Where the last tests left their JUnit file, in the cache; `.ci/run` reads skips from it."""
    return cache_dir() / "selftest" / "junit.xml"


def run_tests(arguments: list[str]) -> int:
    """Run ``tests``, ``lint`` or ``types`` when the first argument is one of these, else all;
    anything else goes to pytest and runs tests only.

    Returns pytest's own exit code when the tests were not all right, 1 when only a check
    failed, 130 when interrupted, else 0.
    """
    parts: tuple[str, ...] = ("tests", "lint", "types")
    if arguments and arguments[0] in parts:
        parts, arguments = (arguments[0],), arguments[1:]
    elif arguments:
        parts = ("tests",)
    outcomes: list[Outcome] = []
    try:
        if "tests" in parts:
            outcomes.append(_pytest(arguments))
        outcomes.extend(_checks([check for check in checks() if check.part in parts]))
    except KeyboardInterrupt:
        print("iec4: interrupted", file=sys.stderr)
        return 130
    _print_summary(outcomes)
    return next((1 if o.name != "tests" else o.status for o in outcomes if o.status), 0)


def _pytest(arguments: list[str]) -> Outcome:
    """Run pytest, its output shown as it comes; in the checkout unless a path of here is given."""
    junit = junit_file()
    junit.parent.mkdir(parents=True, exist_ok=True)
    junit.unlink(missing_ok=True)
    named_here = any(Path(word.split("::")[0]).exists() for word in arguments)
    argv = [
        *(sys.executable, "-m", "pytest"),
        *("-n", str(len(os.sched_getaffinity(0))), "--dist", "loadgroup"),
        *("--junitxml", str(junit), "-o", "junit_family=xunit1"),
        *arguments,
    ]
    started = time.monotonic()
    try:
        status = subprocess.run(
            argv, cwd=None if named_here else ROOT, timeout=TESTS_TIMEOUT_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        says = f"no end after {TESTS_TIMEOUT_S} s"
        return Outcome("tests", 1, time.monotonic() - started, says)
    return Outcome("tests", status, time.monotonic() - started, _counts(junit))


def _counts(junit: Path) -> str:
    """ "12 passed, 1 skipped" from a JUnit file; empty when pytest wrote none."""
    if not junit.exists():
        return "no test ran"
    suite = ElementTree.parse(junit).getroot().find("testsuite")  # noqa: S314 (pytest wrote it)
    found = {} if suite is None else suite.attrib
    number = {key: int(found.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    number["passed"] = 2 * number["tests"] - sum(number.values())
    order = (("passed", "passed"), ("failures", "failed"), ("errors", "errors"))
    shown = [f"{number[key]} {word}" for key, word in order if number[key] or key == "passed"]
    return ", ".join([*shown, f"{number['skipped']} skipped"])


def _checks(wanted: list[Check]) -> Iterator[Outcome]:
    """Run checks beside each other; show each one's outcome in the order of the table."""
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for outcome in pool.map(run_check, wanted):
            if outcome.status:
                print(f"--- {outcome.name}\n{outcome.output}", flush=True)
            yield outcome


def run_check(check: Check) -> Outcome:
    """Run one check; a tool that this platform has no wheel of is said to be missing."""
    tool = Path(sys.executable).parent / check.argv[0]
    if not tool.exists():
        return Outcome(check.name, 0, 0.0, "not run: this platform has no wheel of it")
    started = time.monotonic()
    try:
        done = subprocess.run(
            [str(tool), *check.argv[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(check.name, 1, CHECK_TIMEOUT_S, output=f"no end after {CHECK_TIMEOUT_S} s")
    output = (done.stdout + done.stderr).strip()
    return Outcome(check.name, done.returncode, time.monotonic() - started, output=output)


def _print_summary(outcomes: list[Outcome]) -> None:
    print()
    for one in outcomes:
        verdict = "FAILED" if one.status else "ok"
        print(f"{verdict:<7} {one.name:<14} {one.seconds:6.1f} s  {one.says}".rstrip())
