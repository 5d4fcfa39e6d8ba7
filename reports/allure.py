"""The Allure report: one HTML file that opens from disk.

Made by the npm package ``allure`` (``reports/allure/package-lock.json`` names its version);
where Node and its packages lie is told by the caller.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from blueprints.evidence import ALLURE_STATUS, Verdict
from reports.environment import environment
from reports.files import write_whole
from reports.results import CriterionResult, RunResults
from reports.text import one_line, printable

TIMEOUT_S = 120
#: Node's heap; a report of some thousand results needs a tenth of it.
HEAP_MIB = 512
#: The largest file that the generator may write, its own output included, bytes.
FILE_BYTES = 256 * 1024 * 1024
#: How much of the end of its output is looked at, bytes.
OUTPUT_BYTES = 64 * 1024
#: How much of its last line is told, characters.
TOLD = 200

_CATEGORIES = {
    Verdict.FAIL: "FAIL: the judged thing is not as it must be",
    Verdict.ERROR: "ERROR: it could not be judged",
    Verdict.SKIP: "SKIP: a capability is missing",
}

# The generator plants a counter that tells a third party of every opening; there is no
# switch for it (allure 3.18.0, plugin-awesome/dist/generators.js, "analyticsEnable: true").
_COUNTER = re.compile(
    rb'<script async src="https://www\.googletagmanager\.com/[^"]*"></script>\s*'
    rb"<script>.*?</script>",
    re.DOTALL,
)


class AllureFailed(Exception):
    """The report could not be made; the text is a sentence for a person."""


def generate(
    results: RunResults,
    html: Path,
    *,
    node: Path,
    node_modules: Path,
    environ: Mapping[str, str] = os.environ,
    timeout: float = TIMEOUT_S,
) -> None:
    """Write the report of a run to ``html``, whole or not at all. Raises `AllureFailed`.

    ``node``: the Node executable; ``node_modules``: where ``allure`` lies; ``timeout``:
    seconds; ``environ``: tells of the Jenkins build, if there is one.
    """
    program = node_modules / "allure" / "cli.js"
    if not program.exists():
        raise AllureFailed(f"the Allure report was not made: no allure in {node_modules}")
    # Beside the report: what a killed process leaves of it is swept with its run directory.
    with tempfile.TemporaryDirectory(prefix=".report-", dir=html.parent) as scratch:
        work = Path(scratch)
        describe(results, work / "about", environ)
        (work / "config.json").write_text(json.dumps(_config(results)))
        argv = [
            str(node),
            f"--max-old-space-size={HEAP_MIB}",
            str(program),
            "awesome",
            "--single-file",
            *("--config", str(work / "config.json")),
            *("--group-by", "layer"),
            *("--lang", "en"),
            *("--output", str(work / "out")),
            str(results.directory / "allure-results"),
            str(work / "about"),
        ]
        said = _run(argv, work, timeout)
        try:
            made = (work / "out" / "index.html").read_bytes()
        except OSError:
            raise AllureFailed(f"the Allure report was not made: {said}") from None
        write_whole(html, _COUNTER.sub(b"", made))


def describe(results: RunResults, directory: Path, environ: Mapping[str, str]) -> None:
    """Write Allure's ``environment.properties`` and, on Jenkins, ``executor.json``.

    Planned criteria without a trustworthy result get one here: the report is to show
    every criterion with the verdict that counts.
    """
    directory.mkdir()
    lines = [f"{_key(name)} = {_value(text)}" for name, text in environment(results).items()]
    (directory / "environment.properties").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if "BUILD_URL" in environ:
        (directory / "executor.json").write_text(json.dumps(_executor(environ)))
    for number, criterion in enumerate(results.criteria):
        if criterion.verdict is None or criterion.doubtful:
            stand_in = json.dumps(_stand_in(results, criterion))
            (directory / f"stand-in-{number}-result.json").write_text(stand_in)


def _config(results: RunResults) -> dict[str, object]:
    return {
        "name": one_line(f"{results.blueprint} on {results.lab}"),
        "categories": [
            {"name": name, "matchedStatuses": [ALLURE_STATUS[verdict]]}
            for verdict, name in _CATEGORIES.items()
        ],
    }


def _executor(environ: Mapping[str, str]) -> dict[str, object]:
    number = environ.get("BUILD_NUMBER", "")
    return {
        "name": "Jenkins",
        "type": "jenkins",
        "url": environ.get("JENKINS_URL", ""),
        "buildName": f"{environ.get('JOB_NAME', '')} #{number}",
        "buildOrder": int(number) if number.isdecimal() else 0,
        "buildUrl": environ["BUILD_URL"],
    }


def _stand_in(results: RunResults, criterion: CriterionResult) -> dict[str, object]:
    moment = results.ended or results.started
    milliseconds = int(moment.timestamp() * 1000) if moment else 0
    labels = {
        "criterion": criterion.id,
        "layer": criterion.layer,
        "blueprint": results.blueprint,
        "verdict": criterion.state,
        "epic": criterion.layer,
        "feature": criterion.id,
    }
    return {
        "uuid": f"{results.id}-{criterion.id}",
        "historyId": criterion.id,
        "name": printable(f"{criterion.id} {criterion.title}"),
        "description": printable(criterion.requirement),
        "status": ALLURE_STATUS[Verdict.ERROR],
        "statusDetails": {"message": printable(criterion.reason)},
        "start": milliseconds,
        "stop": milliseconds,
        "labels": [{"name": name, "value": value} for name, value in labels.items()],
    }


def _key(name: str) -> str:
    """A key of a Java properties file: blanks, colons and equal signs would end it."""
    return re.sub(r"([\\ :=#!])", r"\\\1", one_line(name))


def _value(text: str) -> str:
    return one_line(text).replace("\\", "\\\\")


def _run(argv: list[str], work: Path, timeout: float) -> str:
    """Run the generator in a process group of its own; return its last line.

    Raises `AllureFailed` when it fails or does not end; nothing of it is left running.
    """
    log = work / "log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            argv,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.defpath, "HOME": str(work), "NO_COLOR": "1"},
        )
        try:
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AllureFailed(
                f"the Allure report was not made: no end after {timeout:g} s"
            ) from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    with log.open("rb") as output:
        output.seek(max(0, log.stat().st_size - OUTPUT_BYTES))
        lines = printable(output.read().decode(errors="replace")).split("\n")
    said = next((one_line(line) for line in reversed(lines) if line.strip()), "it said nothing")[
        -TOLD:
    ]
    if status != 0:
        raise AllureFailed(f"the Allure report was not made: status {status}: {said}")
    return said
