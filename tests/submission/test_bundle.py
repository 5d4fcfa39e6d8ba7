"""The bundle of a run: what is in it, that it reads well, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from robot.api import ExecutionResult

from blueprints.errors import Unacceptable
from blueprints.evidence import Verdict
from blueprints.release_rules import release_rules
from blueprints.security import security_rules
from reports.results import read_results
from submission import exceptions
from submission.attestation import ATTESTATION, mismatches, verified
from submission.bundle import Bundle, Rules, build, refusals, suites
from submission.ledger import Refused
from submission.ui_view import view
from submission.untrusted import read_zip
from submission.validity import problems
from submission.verify import facts
from tests.submission.conftest import (
    BLUEPRINT,
    PLANNED,
    SUITES,
    Granting,
    MakeRun,
    lynis_log,
    make_lab_run,
    scan,
)

RULES = Rules(release_rules(), security_rules())
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
STAMP = "20261124-165100"
BEGAN = datetime(2026, 11, 24, 16, 51, tzinfo=UTC)
MIXED: dict[str, Verdict | None] = {
    "OS-02": Verdict.FAIL,
    "OS-03": Verdict.ERROR,
    "OS-04": Verdict.SKIP,
    "SAAS-20": Verdict.SKIP,
}


def bundle_of(run: Path, *, secret: bytes = b"", stamp: str = STAMP) -> Bundle:
    results = read_results(run)
    return build(
        results,
        suites(results, BLUEPRINT, RULES),
        run / "submission" / "bundle.zip",
        stamp=stamp,
        key=KEY,
        found_in=lambda data: bool(secret) and secret in data,
        facts=facts(results, BLUEPRINT, sandbox=False),
    )


@pytest.fixture
def mixed(lab_run: MakeRun) -> Path:
    """A run with every verdict in it."""
    return lab_run("inwinstack", but=MIXED)


def test_every_runner_s_results_are_in_one_suite_a_layer(mixed: Path) -> None:
    bundle = bundle_of(mixed)
    seen = view(read_zip(bundle.zip))
    assert set(seen.suites) == SUITES
    assert seen.layer == "all"
    assert seen.optional is any(not mandatory for *_, mandatory in PLANNED)
    os_tests = dict(seen.suites["os/iec4"].tests)
    assert os_tests["OS-01 Every host presents its pinned host key"] == "PASS"
    assert [status for name, status in os_tests.items() if name[:5] in ("OS-02", "OS-03")] == [
        "FAIL",
        "FAIL",
    ]
    assert seen.suites["saas/iec4"].skipped == 1
    assert seen.verdict is False


def test_an_error_is_a_failed_test_that_says_so(mixed: Path) -> None:
    files = read_zip(bundle_of(mixed).zip)
    result = ExecutionResult(files["results/os/iec4/output.xml"].decode())
    (test,) = [test for test in result.suite.all_tests if "OS-03" in test.tags]
    assert (test.status, test.message) == ("FAIL", "ERROR: OS-03 is not so")
    assert test.doc
    assert "mandatory" in test.tags
    assert len(result.errors.messages) == 0


def test_every_test_directory_is_whole(mixed: Path) -> None:
    files = read_zip(bundle_of(mixed).zip)
    directories = {name.rpartition("/")[0] for name in files if name.count("/") == 3}
    for directory in directories:
        for name in ("output.xml", "log.html", "report.html", "debug.log"):
            assert files[f"{directory}/{name}"]
    assert b"FAIL OS-02" in files["results/os/iec4/debug.log"]
    assert b"Performing test ID AUTH-9328" in files["results/os/lynis/debug.log"]


def test_findings_of_a_scan_are_failed_tests(lab_run: MakeRun) -> None:
    run = lab_run("inwinstack")
    scan(run, "os/lynis", "edge-a.log", lynis_log("AUTH-9328"))
    shown = view(read_zip(bundle_of(run).zip)).suites["os/lynis"]
    assert [name for name, status in shown.tests if status == "FAIL"] == ["edge-a.log AUTH-9328"]
    assert shown.total == 8


def test_a_layer_alone_is_named(lab_run: MakeRun) -> None:
    run = lab_run("inwinstack", scans=False, planned=[
        {"id": "OS-01", "layer": "os", "title": "t", "requirement": "r", "mandatory": False}
    ])  # fmt: skip
    seen = view(read_zip(bundle_of(run).zip))
    assert (seen.layer, seen.optional) == ("os", True)


def test_the_attestation_vouches_for_every_file(mixed: Path) -> None:
    bundle = bundle_of(mixed)
    files = read_zip(bundle.zip)
    content = verified(files.pop(ATTESTATION), KEY.public_key())
    assert mismatches(content, files) == []
    digests = {s["name"]: s["digest"]["sha256"] for s in content["subject"]}
    name = "results/os/iec4/output.xml"
    assert digests[name] == hashlib.sha256(files[name]).hexdigest()
    predicate = content["predicate"]
    assert predicate["result"] == "FAILED"
    assert any("OS-04" in name for name in predicate["failedTests"]), "a mandatory SKIP"
    assert any("os/lynis: edge-a.log AUTH-9328" in name for name in predicate["passedTests"])


def test_a_good_run_is_attested_as_passed(lab_run: MakeRun) -> None:
    files = read_zip(bundle_of(lab_run("inwinstack")).zip)
    predicate = verified(files[ATTESTATION], KEY.public_key())["predicate"]
    assert predicate["result"] == "PASSED"
    assert predicate["failedTests"] == []


def test_the_same_zip_twice_differs_in_nothing_but_generated_times(mixed: Path) -> None:
    first, second = bundle_of(mixed).files, bundle_of(mixed).files
    assert first.keys() == second.keys()
    assert first["results/test_info.yaml"] == second["results/test_info.yaml"]


@pytest.mark.parametrize("where", ["os/lynis", "criterion"])
def test_a_canary_stops_the_bundle(lab_run: MakeRun, where: str) -> None:
    canary = 'canary&"7f31d9'
    run = lab_run("inwinstack")
    if where == "os/lynis":
        scan(run, "os/lynis", "edge-a.log", lynis_log() + canary.encode())
    else:
        state = json.loads((run / "run.json").read_text())
        state["planned"][0]["requirement"] += canary
        (run / "run.json").write_text(json.dumps(state))
    with pytest.raises(Refused, match="holds a secret"):
        bundle_of(run, secret=canary.encode())
    assert not (run / "submission" / "bundle.zip").exists()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"interrupted": True}, "did not come to its end"),
        ({"ended": None}, "did not come to its end"),
        ({"profile": "embedded"}, "made by the suite itself"),
    ],
    ids=str,
)
def test_such_a_run_is_refused(lab_run: MakeRun, changed: dict[str, Any], says: str) -> None:
    results = read_results(lab_run("inwinstack", **changed))
    assert any(says in reason for reason in refusals(results, BLUEPRINT, RULES, sandbox=False))


def test_a_good_run_is_not_refused(lab_run: MakeRun) -> None:
    results = read_results(lab_run("inwinstack"))
    assert refusals(results, BLUEPRINT, RULES, sandbox=False) == []


def test_missing_layers_and_tests_are_refused_by_name(lab_run: MakeRun) -> None:
    run = lab_run("inwinstack", scans=False, planned=[
        {"id": "OS-01", "layer": "os", "title": "t", "requirement": "r", "mandatory": True}
    ])  # fmt: skip
    reasons = "\n".join(refusals(read_results(run), BLUEPRINT, RULES, sandbox=False))
    for part in ("layer saas", "layer paas", "OS-02", "os/lynis", "k8s/kube-hunter"):
        assert part in reasons
    assert refusals(read_results(run), BLUEPRINT, RULES, sandbox=True) == []


def test_what_is_excepted_may_be_missing(lab_run: MakeRun, granting: Granting) -> None:
    run = lab_run("inwinstack")
    for output in (run / "bluval" / "k8s" / "conformance").iterdir():
        output.unlink()
    granted = exceptions.load(BLUEPRINT.name, granting(covers="k8s/conformance"))
    results = read_results(run)
    for day, reasons in ((date(2026, 12, 1), 0), (date(2028, 1, 1), 1)):
        excepted = granted.valid("inwinstack", "incubation", day, 21)
        found = refusals(results, BLUEPRINT, RULES, sandbox=False, excepted=excepted)
        assert len(found) == reasons, found


def test_what_was_not_judged_is_refused_even_in_a_sandbox(lab_run: MakeRun) -> None:
    results = read_results(lab_run("embedded", profile="embedded", but={"OS-01": None}))
    (reason,) = refusals(results, BLUEPRINT, RULES, sandbox=True)
    assert reason == "planned and not judged: OS-01"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle to be damaged; its files are copied first."""
    return bundle_of(make_lab_run(tmp_path_factory.mktemp("good"), "inwinstack", but=MIXED))


Damage = Callable[[dict[str, bytes]], None]
SUITE = "results/os/iec4/output.xml"


def replaced(old: bytes, new: bytes) -> Damage:
    def damage(files: dict[str, bytes]) -> None:
        assert old in files[SUITE]
        files[SUITE] = files[SUITE].replace(old, new)

    return damage


def moved(old: str, new: str) -> Damage:
    def damage(files: dict[str, bytes]) -> None:
        for name in [name for name in files if name.startswith(old)]:
            files[name.replace(old, new)] = files.pop(name)

    return damage


def info(text: bytes) -> Damage:
    return lambda files: files.update({"results/test_info.yaml": text})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (replaced(b"<errors>", b'<errors><msg level="WARN">w</msg>'), "drops the suite"),
        (replaced(b'name="iec4"', b'name="iec4" x="&#1;"'), "not well-formed"),
        (replaced(b"<robot", b"<!DOCTYPE r><robot"), "document type"),
        (replaced(b">All Tests<", b">Every Test<"), "no total 'All Tests'"),
        (replaced(b'fail="2"', b'fail="0"'), "its statistics say"),
        (replaced(b"20261124T165100Z-inwinstack", b"yesterday"), "it is of run yesterday"),
        (lambda f: f.update({SUITE: b"\x1f\x8b" + f[SUITE]}), "compressed"),
        (lambda f: f.pop("results/os/iec4/log.html"), "os/iec4 has no log.html"),
        (lambda f: f.update({"results/os/iec4/more/output.xml": b""}), "has no place"),
        (lambda f: f.update({"results/os/iec4/output.xml.gz": b""}), "has no place"),
        (moved("results/os/", "results/os-test/"), "the UI ignores layer os-test"),
        (moved("results/os/", "results/homes/"), "'home'"),
        (info(b"test_info: {layer: null, optional: true}"), "names no layer"),
        (info(b"test_info: {layer: os, optional: 'yes'}"), "true or false"),
        (info(b"test_info: [os]"), "no mapping"),
        (info(b"test_info: {layer: vim, optional: true}"), "says layer vim, the tree has"),
        (info(b"a: &a [*a]"), "alias within itself"),
        (lambda f: f.pop("results/test_info.yaml"), "no test_info.yaml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_each_rule_finds_what_breaks_it(good: Bundle, damage: Damage, says: str) -> None:
    files = dict(good.files)
    about = {
        "run": "20261124T165100Z-inwinstack",
        "blueprint": "iec-type4",
        "began": BEGAN,
        "stamp": STAMP,
    }
    assert problems(files, **about) == []
    damage(files)
    assert any(says in problem for problem in problems(files, **about)), problems(files, **about)


def test_suites_that_the_ui_would_show_without_tests_are_found(good: Bundle) -> None:
    output = good.files[SUITE]
    inner = output[output.index(b'<suite id="s1-s1"') :]
    inner = inner[: inner.index(b"</suite>") + len(b"</suite>")]
    variants = {
        "several suite files": output.replace(inner, inner + inner),
        "no suite file in a directory": output.replace(inner, inner[inner.index(b"<test") : -8]),
        "nested deeper": output.replace(inner, b"<suite>" + inner + b"</suite>"),
    }
    for says, variant in variants.items():
        with pytest.raises(Unacceptable, match=says):
            view({SUITE: variant})


@pytest.mark.parametrize("stamp", ["20261124-165059", "2026-11-24", "20261124T165100Z"])
def test_the_timestamp_is_the_run_s(mixed: Path, stamp: str) -> None:
    with pytest.raises(Refused, match="timestamp"):
        bundle_of(mixed, stamp=stamp)


@pytest.mark.parametrize("blueprint", ["family", "ta", "job"])
def test_ignored_blueprints_are_refused(lab_run: MakeRun, blueprint: str) -> None:
    run = lab_run("inwinstack", blueprint=blueprint)
    with pytest.raises(Refused, match=f"ignores blueprints called {blueprint}"):
        bundle_of(run)


def test_a_link_out_of_the_run_is_not_followed(lab_run: MakeRun, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.log"
    elsewhere.write_bytes(lynis_log() + b"not of this run")
    run = lab_run("inwinstack")
    (run / "bluval" / "os" / "lynis" / "edge-b.log").symlink_to(elsewhere)
    files = read_zip(bundle_of(run).zip)
    assert b"leads out of the run" in files["results/os/lynis/output.xml"]
    assert not [name for name, data in files.items() if b"not of this run" in data]


@pytest.mark.parametrize("layer", ["../../escaped", "/escaped", "os/../..", "a b"])
def test_a_layer_s_name_leads_nowhere(lab_run: MakeRun, tmp_path: Path, layer: str) -> None:
    run = lab_run("inwinstack", scans=False, planned=[
        {"id": "OS-01", "layer": layer, "title": "t", "requirement": "r", "mandatory": True}
    ])  # fmt: skip
    with pytest.raises(Unacceptable, match="no plain relative path"):
        bundle_of(run)
    assert not list(tmp_path.rglob("*escaped*"))


def test_nobody_else_s_suite_takes_the_criteria_s_place(lab_run: MakeRun) -> None:
    run = lab_run("inwinstack")
    scan(run, "os/iec4", "output.xml", b"<robot/>")
    with pytest.raises(Unacceptable, match="own suite"):
        bundle_of(run)


def test_robot_s_output_from_outside_is_read_with_care(lab_run: MakeRun, tmp_path: Path) -> None:
    run = lab_run("inwinstack")
    hostile = b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><robot>&e;</robot>'
    output = scan(run, "os/ltp", "output.xml", hostile)
    with pytest.raises(Unacceptable, match="document type"):
        bundle_of(run)
    output.unlink()
    output.symlink_to(tmp_path / "elsewhere.xml")
    (tmp_path / "elsewhere.xml").write_bytes(b"<robot/>")
    with pytest.raises(Unacceptable, match="leads out of the run"):
        bundle_of(run)
