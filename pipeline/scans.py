"""Takes the outputs of security scanners into a run, and judges them: what ``lab scans`` does."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from blueprints import model
from blueprints.errors import ConfigError, Unacceptable
from blueprints.model import Maturity
from blueprints.release_rules import release_rules
from blueprints.security import security_rules
from lab.errors import LabError
from lab.secrets import redactor
from reports.exit_codes import ExitCode
from submission.scans.outputs import DIRECTORY, Output, judges, read_outputs
from submission.untrusted import read_bytes


def take_in(source: Path, run: Path | None, *, blueprint: str, maturity: Maturity) -> int:
    """Copy ``source``/LAYER/TEST/* into the run directory, if there is one, and judge them.

    Returns 1 when a finding is not acceptable, or a mandatory test of a layer of the blueprint
    has no output; 3 when an output cannot be read; 4 when there is none at all. Raises
    `ConfigError` when ``source`` is no directory, `LabError` when a file is too long.
    """
    if not source.is_dir():
        raise ConfigError(f"{source} is no directory; outputs lie in LAYER/TEST/ below it")
    layers = model.load(blueprint).layers
    release = release_rules()
    known = judges(release, security_rules(), maturity)
    with tempfile.TemporaryDirectory(prefix="iec4-scans-") as scratch:
        place = run or Path(scratch)
        for test in known:
            _copy(source / test, place / DIRECTORY / test)
        found = {test: read_outputs(place, test, *judge) for test, judge in known.items()}
    mandatory = [
        f"{layer}/{name}" for layer in layers for name in release.mandatory_tests.get(layer, ())
    ]
    missing = [test for test in mandatory if not found.get(test)]
    for outputs in found.values():
        for output in outputs:
            _tell(output)
    for test in missing:
        print(f"{test}: no output in {source / test}")
    everything = [output for outputs in found.values() for output in outputs]
    if not everything:
        return ExitCode.NOTHING_RAN
    if any(output.problem for output in everything):
        return ExitCode.NOT_JUDGED
    bad = missing or any(output.failures for output in everything)
    return ExitCode.MANDATORY_FAILED if bad else ExitCode.OK


def _copy(source: Path, target: Path) -> None:
    """Copy the files of a directory that is there; secrets that are known are masked."""
    for file in sorted(source.iterdir()) if source.is_dir() else ():
        if not file.is_file():
            continue
        try:
            data = read_bytes(file)
        except Unacceptable as error:
            raise LabError("a scanner's output cannot be taken in", found=str(error)) from None
        target.mkdir(parents=True, exist_ok=True)
        (target / file.name).write_bytes(redactor.data(data))


def _tell(output: Output) -> None:
    if output.problem:
        print(redactor.text(f"{output.test}: {output.problem}"), file=sys.stderr)
        return
    failures = output.failures
    print(f"{output.test}: {output.file.name}: {len(failures)} of {len(output.checks)} failed")
    for check in failures:
        print(redactor.text(f"  {check.name}: {check.failure}"))
