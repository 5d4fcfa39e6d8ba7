"""The bundle: BluVal's results tree of one run, attested, as one zip file.

The zip unpacks, below its timestamp, to ``results/…`` as the UI reads it, and to the
attestation beside that. It is built from the run directory alone, in a fresh directory,
and read back before anybody else sees it.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from robot.api import ExecutionResult
from robot.errors import DataError
from robot.result import TestCase

from blueprints.documents import parse_xml
from blueprints.errors import Unacceptable
from blueprints.evidence import Verdict
from blueprints.model import Blueprint, Maturity
from blueprints.release_rules import ReleaseRules
from blueprints.security import SecurityRules
from reports.results import RunResults
from reports.scan import FoundIn, scan
from submission.attestation import ATTESTATION, mismatches, sign, statement, verified
from submission.ledger import Refused
from submission.scans.outputs import DIRECTORY, Output, judges, lies_in, read_outputs
from submission.suites import Case, Suite, case_of, cases_of, write_suite
from submission.untrusted import read_bytes, read_zip, safe_name
from submission.validity import problems

#: The suite that has a layer's criteria, whichever runner judged them.
OWN = "iec4"
#: Time of every member of the zip: the same tree is the same archive.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Rules:
    """What decides which tests a bundle has, and how their outputs are judged."""

    release: ReleaseRules
    security: SecurityRules


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk. ``files`` are its members; ``stamp`` its directory's name."""

    zip: Path
    stamp: str
    files: dict[str, bytes]
    signed: bool


def suites(run: RunResults, blueprint: Blueprint, rules: Rules) -> list[Suite]:
    """Everything that the run has to show, a suite for each test directory.

    Raises `Unacceptable` for what must not be in a results tree: an output.xml that cannot be
    read, names that are none.
    """
    found = []
    own = {c.id: f"{c.layer}/{c.bluval.what}" for c in blueprint.criteria if c.bluval}
    shown_apart: set[str] = set()
    outputs = _outputs(run, rules)
    for name in sorted({*outputs, *_robot_suites(run.directory)}):
        layer, test = safe_name(name).split("/")
        if test == OWN:
            raise Unacceptable(f"{DIRECTORY}/{name} has the name of the criteria's own suite")
        cases: list[Case | TestCase] = [c for o in outputs.get(name, ()) for c in cases_of(o)]
        cases += _robot_tests(run.directory, name)
        if cases:
            there = [o.file for o in outputs.get(name, ()) if lies_in(o.file, run.directory)]
            raw = tuple((file.name, read_bytes(file)) for file in there)
            found.append(Suite(layer, test, tuple(cases), raw))
            shown_apart |= {identifier for identifier, suite in own.items() if suite == name}
    for layer in run.layers:
        criteria = [c for c in run.of_layer(layer) if c.id not in shown_apart]
        if criteria:
            safe_name(layer)
            found.append(Suite(layer, OWN, tuple(map(case_of, criteria))))
    return found


def _outputs(run: RunResults, rules: Rules) -> dict[str, tuple[Output, ...]]:
    known = judges(rules.release, rules.security, maturity_of(run))
    found = {
        test: read_outputs(run.directory, test, suffixes, judge)
        for test, (suffixes, judge) in known.items()
    }
    return {test: outputs for test, outputs in found.items() if outputs}


def maturity_of(run: RunResults) -> Maturity:
    """The maturity that the run was judged for."""
    return "mature" if run.maturity == "mature" else "incubation"


def _robot_suites(run: Path) -> list[str]:
    return [
        f"{path.parent.parent.name}/{path.parent.name}"
        for path in sorted((run / DIRECTORY).glob("*/*/output.xml"))
    ]


def _robot_tests(run: Path, name: str) -> list[TestCase]:
    """The tests of a suite that Robot itself ran; its messages of errors are left out."""
    output = run / DIRECTORY / name / "output.xml"
    if not output.exists():
        return []
    if not lies_in(output, run):
        raise Unacceptable(f"output.xml of {name} is a link that leads out of the run")
    data = read_bytes(output)
    parse_xml(data)  # bounded, and without entities, before Robot reads it
    try:
        return list(ExecutionResult(data.decode()).suite.all_tests)
    except (DataError, UnicodeDecodeError) as error:
        raise Unacceptable(f"output.xml of {name} is none: {error}") from None


def refusals(
    run: RunResults,
    blueprint: Blueprint,
    rules: Rules,
    *,
    sandbox: bool,
    excepted: Collection[str] = (),
) -> list[str]:
    """Why a run must not be submitted, one sentence each.

    ``excepted``: criteria and mandatory tests that may be missing, as the gate calls them.

    A run that is not whole is never submitted. A sandbox takes what a release may not be
    made of: an embedded lab, layers that are missing.
    """
    found = list(run.damage)
    if run.interrupted or run.ended is None:
        found.append(f"run {run.id} did not come to its end; ./iec4 run --resume goes on with it")
    without = [c.id for c in run.criteria if c.verdict is None]
    if without:
        found.append(f"planned and not judged: {', '.join(without)}")
    if not run.criteria or all(c.verdict is Verdict.SKIP for c in run.criteria):
        found.append("nothing was judged in this run")
    if sandbox:
        return found
    if run.embedded:
        found.append(
            f"lab {run.lab} was made by the suite itself: its results show that the suite "
            "works, not that a release does; --sandbox submits them to a sandbox"
        )
    return found + _missing(run, blueprint, rules, excepted)


def _missing(
    run: RunResults, blueprint: Blueprint, rules: Rules, excepted: Collection[str]
) -> list[str]:
    found = []
    planned = {c.id for c in run.criteria} | set(excepted)
    maturity = maturity_of(run)
    for layer in blueprint.layers:
        absent = [
            c.id
            for c in blueprint.criteria
            if c.layer == layer and c.mandatory(maturity) and c.id not in planned
        ]
        if absent:
            found.append(f"mandatory layer {layer} is not whole: {', '.join(absent)} not planned")
    there = {*_outputs(run, rules), *excepted}
    found += [
        f"mandatory test {layer}/{test} is missing: no output in "
        f"{DIRECTORY}/{layer}/{test}/ of the run directory"
        for layer, tests in rules.release.mandatory_tests.items()
        for test in tests
        if layer in blueprint.layers and f"{layer}/{test}" not in there
    ]
    return found


def build(
    run: RunResults,
    content: Sequence[Suite],
    target: Path,
    *,
    stamp: str,
    key: Ed25519PrivateKey | None,
    found_in: FoundIn,
    facts: dict[str, Any],
) -> Bundle:
    """Write ``target`` (a zip) whole or not at all. Raises `Refused` where it holds a
    secret or would not be read well.

    ``facts``: what the attestation says beside the results.
    """
    assert run.started is not None, "a run that ended began"
    with tempfile.TemporaryDirectory(prefix="iec4-bundle-") as scratch:
        tree = Path(scratch) / "tree"
        for suite in content:
            write_suite(tree / "results" / suite.layer / suite.test, suite, run)
        (tree / "results" / "test_info.yaml").write_bytes(_test_info(run, content))
        if secrets := scan(tree, found_in):
            raise Refused(secrets)
        files = {
            str(path.relative_to(tree)): path.read_bytes()
            for path in sorted(tree.rglob("*"))
            if path.is_file()
        }
        if key is not None:
            about = statement(files, predicate(content, facts))
            files[ATTESTATION] = sign(about, key)
            if found_in(files[ATTESTATION]):
                raise Refused([f"{ATTESTATION} holds a secret"])
        archive = Path(scratch) / "bundle.zip"
        _zip(archive, files)
        read_back = read_zip(archive)
        wrong = problems(
            read_back, run=run.id, blueprint=run.blueprint, began=run.started, stamp=stamp
        )
        if key is not None:
            attested = verified(read_back[ATTESTATION], key.public_key())
            wrong += mismatches(attested, _without_attestation(read_back))
        if wrong:
            raise Refused(wrong)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}")
        shutil.copyfile(archive, unfinished)
        unfinished.replace(target)
    return Bundle(target, stamp, files, signed=key is not None)


def _without_attestation(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name != ATTESTATION}


def _zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)


def _test_info(run: RunResults, content: Sequence[Suite]) -> bytes:
    layers = {suite.layer for suite in content}
    layer = layers.pop() if len(layers) == 1 else "all"
    optional = any(not c.mandatory for c in run.criteria)
    return f"test_info:\n  layer: {layer}\n  optional: {str(optional).lower()}\n".encode()


def predicate(content: Sequence[Suite], facts: dict[str, Any]) -> dict[str, Any]:
    """The test-result predicate: PASSED, WARNED (something optional is not met) or FAILED.

    What is mandatory and was skipped is not met.
    """
    passed: list[str] = []
    warned: list[str] = []
    failed: list[str] = []
    for suite in content:
        for case in suite.cases:
            name = f"{suite.layer}/{suite.test}: {case.name}"
            mandatory = suite.test != OWN or "mandatory" in case.tags
            if case.status == "PASS":
                passed.append(name)
            else:
                (failed if mandatory else warned).append(name)
    return {
        **facts,
        "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
    }
