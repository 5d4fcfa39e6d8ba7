"""Suites as the validation UI shows them, written by Robot's own result model.

One directory a test, made as if Robot had run a directory with one suite file: the UI
shows counts but no tests for anything nested otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from robot.api import ResultWriter
from robot.output import LOGGER
from robot.result import Result, TestCase, TestSuite

from blueprints.checks import Check
from blueprints.evidence import Measurement
from reports.results import CriterionResult, RunResults
from reports.text import lab_words, one_line, printable
from submission.scans.outputs import Output

#: What every test directory holds.
FILES = ("output.xml", "log.html", "report.html", "debug.log")
#: Metadata of a root suite that says of which run it is.
RUN = "Run"


@dataclass(frozen=True)
class Case:
    """A test as Robot knows it: PASS, FAIL or SKIP. ``details`` are lines for the log."""

    name: str
    status: str
    message: str = ""
    documentation: str = ""
    tags: tuple[str, ...] = ()
    seconds: float = 0.0
    details: tuple[str, ...] = ()


def case_of(criterion: CriterionResult) -> Case:
    """A criterion as a test. Robot has no ERROR: it is a failed test that says so."""
    ok = criterion.state in ("PASS", "SKIP")
    message = criterion.reason if ok else f"{criterion.state}: {criterion.reason}"
    mandatory = ("mandatory",) if criterion.mandatory else ()
    return Case(
        name=printable(f"{criterion.id} {criterion.title}"),
        status=criterion.state if ok else "FAIL",
        message=printable(message),
        documentation=printable(criterion.requirement),
        tags=(criterion.id, *mandatory),
        seconds=criterion.seconds or 0.0,
        details=tuple(map(_figure, criterion.measurements)),
    )


def cases_of(output: Output) -> list[Case]:
    """What one output of a mandatory test shows, a test for each check."""
    name = output.file.name
    if output.problem:
        return [Case(one_line(name), "FAIL", one_line(f"ERROR: {output.problem}"))]
    return [_case_of_check(name, check) for check in output.checks]


def _case_of_check(file: str, check: Check) -> Case:
    failed = bool(check.failure) and not check.excepted
    message = f"{check.failure} ({check.excepted})" if check.excepted else check.failure
    tags = ("excepted",) if check.excepted else ()
    status = "FAIL" if failed else "PASS"
    return Case(one_line(f"{file} {check.name}"), status, one_line(message), tags=tags)


def _figure(measurement: Measurement) -> str:
    limit = f", must be {measurement.threshold}" if measurement.threshold else ""
    return f"{measurement.name}: {measurement.value:g} {measurement.unit}{limit}"


@dataclass(frozen=True)
class Suite:
    """What becomes ``<layer>/<test>``. ``raw``: names and contents of what the verdicts
    rest on, for debug.log."""

    layer: str
    test: str
    cases: tuple[Case | TestCase, ...]
    raw: tuple[tuple[str, bytes], ...] = ()


def write_suite(directory: Path, content: Suite, run: RunResults) -> None:
    """Write `FILES` into ``directory``. Raises ValueError when there is no test, and
    OSError like any writer."""
    layer, test = content.layer, content.test
    if not content.cases:
        raise ValueError(f"{layer}/{test} has no test")
    directory.mkdir(parents=True)
    began = (run.started or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    root = TestSuite(name=test, source=PurePosixPath(layer, test))
    root.metadata[RUN] = run.id
    root.metadata["Blueprint"] = run.blueprint
    root.metadata["Lab"] = lab_words(run.lab, run.profile)
    for deviation in run.deviations:
        root.metadata[f"Deviation from {deviation.name} {deviation.pinned}"] = deviation.instead
    suite = root.suites.create(name=layer, source=PurePosixPath(layer, test, f"{layer}.robot"))
    for case in content.cases:
        if isinstance(case, Case):
            _add(suite, case, began)
        else:
            suite.tests.append(case.deepcopy())
    LOGGER.unregister_console_logger()  # it would tell of each file on our standard output
    ResultWriter(Result(suite=root)).write_results(
        output=directory / FILES[0], log=directory / FILES[1], report=directory / FILES[2]
    )
    (directory / FILES[3]).write_bytes(_debug_log(root, run, content.raw))


def _add(suite: TestSuite, case: Case, began: datetime) -> None:
    test = suite.tests.create(
        name=case.name,
        doc=case.documentation,
        tags=case.tags,
        status=case.status,
        message=case.message,
        start_time=began,
        elapsed_time=case.seconds,
    )
    for line in case.details:
        keyword = test.body.create_keyword(
            name="Measured", status=case.status, start_time=began, elapsed_time=0
        )
        keyword.body.create_message(printable(line), timestamp=began)


def _debug_log(root: TestSuite, run: RunResults, raw: Sequence[tuple[str, bytes]]) -> bytes:
    lines = [f"Run {run.id}, blueprint {run.blueprint}, lab {run.lab}, {run.maturity}"]
    lines += [
        f"{test.status:<4} {test.name} ({test.elapsed_time.total_seconds():.3f} s)"
        + (f": {test.message}" if test.message else "")
        for test in root.all_tests
    ]
    log = "\n".join(map(printable, lines)).encode(errors="replace") + b"\n"
    for name, content in raw:
        log += f"\n==== {name}\n".encode() + content + b"\n"
    return log
