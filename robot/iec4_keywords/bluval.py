"""``python -m iec4_keywords.bluval``: run BluVal's own Robot suites, a criterion each.

Upstream's suites stay as they are. Each runs as upstream's runner starts it (``robot -V
variables -d RESULTS -b debug.log DIRECTORY``) in a process of its own, into
``RUN/bluval/<layer>/<what>``, which was empty before. The variables stand in a file that
nobody else can read, never on a command line. Ends with 0 when all passed or were skipped,
1 when not, 2 when the task cannot be understood.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from robot.api import ExecutionResult
from robot.errors import DataError
from robot.result import Result

from blueprints import allure_writer
from blueprints.errors import ConfigError
from blueprints.evidence import CriterionFailed, Evidence, Recorder, Verdict
from blueprints.model import Criterion
from lab import secrets
from lab.errors import LabError
from lab.inventory import Inventory
from lab.secrets import redactor
from lab.task import Task

#: Where results lie in a run directory.
RESULTS = "bluval"
#: Seconds that one suite may take.
SUITE_TIMEOUT_S = 900


@dataclass(frozen=True)
class Ran:
    """What one suite came to. ``message`` is one line, empty when it passed."""

    status: str
    message: str = ""


def main() -> int:
    """The command; returns its exit status."""
    try:
        task = Task.from_environment()
        if task.run is None:
            raise ConfigError("BluVal's suites are run within a run directory: ./iec4 run")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    secrets.learn(task.inventory)
    recorder = task.recorder()
    _, give_back = allure_writer.take_over(
        task.run / "allure-results",
        recorder,
        blueprint=task.blueprint.name,
        redact=redactor.data,
    )
    try:
        good = judge_all(task, task.run, recorder)
    finally:
        give_back()
    return 0 if good else 1


def judge_all(task: Task, run: Path, recorder: Recorder) -> bool:
    """Judge every wanted test of BluVal's, in order; whether all passed or were skipped.

    Two criteria may name the same suites: these run once.
    """
    ran: dict[str, Ran] = {}
    stopped_by: Criterion | None = None
    verdicts = []
    for criterion in task.blueprint.criteria:
        if criterion.bluval is None or not task.wants(criterion):
            continue
        started = time.time()
        evidence = recorder.start(criterion)
        settled = _without_running(task, criterion, stopped_by)
        if settled is None:
            settled = _judged(task, run, criterion, evidence, ran)
        outcome = recorder.end(evidence, status=settled.status, message=settled.message)
        allure_writer.report_bare(criterion, "bluval", started)
        verdicts.append(outcome.verdict)
        if criterion.bluval.show_stopper and outcome.verdict in (Verdict.FAIL, Verdict.ERROR):
            stopped_by = criterion
    return all(verdict in (Verdict.PASS, Verdict.SKIP) for verdict in verdicts)


def _without_running(task: Task, criterion: Criterion, stopped_by: Criterion | None) -> Ran | None:
    """What is settled before anything runs; None when the suites are to run."""
    assert criterion.bluval is not None
    name = f"{criterion.layer}/{criterion.bluval.what}"
    if stopped_by is not None:
        return Ran("failed", f"blocked by show-stopper {stopped_by.id} {stopped_by.title}")
    if criterion.bluval.skip:
        return Ran("skipped", f"{name}: the layer file says skip")
    if reason := task.skip_reason(criterion):
        return Ran("skipped", reason)
    if task.blueprint.suites is None:
        return Ran("skipped", f"{name}: no Robot suites were given (criteria import --tests DIR)")
    if not (task.blueprint.suites / name).is_dir():
        return Ran("skipped", f"{name}: no such directory among the Robot suites")
    return None


def _judged(
    task: Task, run: Path, criterion: Criterion, evidence: Evidence, ran: dict[str, Ran]
) -> Ran:
    assert criterion.bluval is not None
    assert task.blueprint.suites is not None
    name = f"{criterion.layer}/{criterion.bluval.what}"
    try:
        if name not in ran:
            ran[name] = run_suites(task.blueprint.suites / name, run / RESULTS / name, task)
        if ran[name].status != "skipped":
            with evidence.judge(f"BluVal's test {name} passes"):
                assert ran[name].status == "passed", ran[name].message
    except CriterionFailed as failure:
        return Ran("failed", str(failure))
    except LabError as error:
        return Ran("failed", str(error))
    return ran[name]


def run_suites(suites: Path, results: Path, task: Task) -> Ran:
    """Run a directory of suites into ``results``. Raises `LabError` when they did not run."""
    shutil.rmtree(results, ignore_errors=True)  # nothing of an earlier run may be taken for ours
    results.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="iec4-bluval-") as private:
        variables = Path(private) / "variables.yaml"
        variables.touch(mode=0o600)
        values = variables_for(task.inventory, results, Path(private))
        variables.write_text(json.dumps(values))  # JSON is YAML
        argv = [sys.executable, "-m", "robot", "-V", str(variables), "-d", str(results)]
        argv += ["-b", "debug.log", "-L", values["loglevel"], "--console", "none", str(suites)]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SUITE_TIMEOUT_S,
                env={k: v for k, v in os.environ.items() if not k.startswith("IEC4_")},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"suite {suites.name} did not end within {SUITE_TIMEOUT_S} s") from None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    if not 0 <= done.returncode <= 250:
        raise LabError(
            f"suite {suites.name} was not run: Robot ended with status {done.returncode}",
            found=redactor.text(said[0]) if said else "no message",
        )
    return _outcome(suites.name, results / "output.xml")


def _outcome(name: str, output: Path) -> Ran:
    try:
        result = ExecutionResult(str(output))
    except DataError as error:
        raise LabError(f"suite {name} left no results", found=str(error)) from None
    if missing := _import_failures(result):
        raise LabError(
            f"suite {name} cannot be judged: it imports what is not here",
            found=missing[0],
            advice="install the suite's libraries into the environment of ./iec4",
        )
    total = result.statistics.total
    if total.failed:
        failed = next(test for test in result.suite.all_tests if test.failed)
        first = " ".join(failed.message.split())
        return Ran(
            "failed", f"{total.failed} of {total.total} tests failed; {failed.name}: {first}"
        )
    if total.passed == 0:
        return Ran("skipped", f"all {total.total} tests of {name} were skipped")
    return Ran("passed")


def _import_failures(result: Result) -> list[str]:
    return [
        " ".join(message.message.split())
        for message in result.errors
        if message.level == "ERROR" and "Importing" in message.message
    ]


def variables_for(inventory: Inventory, results: Path, private: Path) -> dict[str, str]:
    """The variables of upstream's variables.yaml, and ``port``; passwords there are none.

    The host is the lab's first, as the suite's own account. A key that does not lie in a
    file is written into ``private``.
    """
    entry = next(iter(inventory.hosts.values()))
    account = entry.accounts[0] if entry.accounts else None
    return {
        "host": entry.address or "",
        "port": str(entry.port),
        "username": account.name if account else "",
        "password": "",
        "ssh_keyfile": _key_file(account.key if account else None, private),
        "internal_registry": "",
        "dns_domain": "",
        "loglevel": "INFO",
        "log_path": str(results),
    }


def _key_file(reference: str | None, private: Path) -> str:
    kind, _, place = (reference or "").partition(":")
    if kind == "file":
        return str(Path(place).expanduser())
    if kind == "env" and reference is not None:
        file = private / "key"
        file.touch(mode=0o600)
        file.write_text(secrets.resolve(reference) + "\n")
        return str(file)
    return ""


if __name__ == "__main__":
    sys.exit(main())
