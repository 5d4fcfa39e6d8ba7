"""A bundle read back: what its run said, and nothing worse than a sentence for a bad one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from blueprints.errors import ConfigError
from blueprints.evidence import Verdict
from reports.compare import Change, compare
from reports.results import read_results
from reports.runs import read_runs
from submission.bundle_results import is_bundle, read_bundle
from tests.reports.conftest import Run
from tests.submission.conftest import MakeRun
from tests.submission.test_bundle import MIXED, bundle_of


@pytest.fixture
def run(lab_run: MakeRun) -> Path:
    path = lab_run("inwinstack", but={**MIXED, "SAAS-20": None})
    figures = [
        {"name": "join_p95", "value": 1234.5678, "unit": "us", "threshold": "<= 5000 us",
         "met": True},
        {"name": "level", "value": -12.5, "unit": "dB"},
    ]  # fmt: skip
    made = Run(path)
    made.result("SAAS-20", Verdict.PASS, measurements=figures)
    return path


def test_a_bundle_says_what_its_run_said(run: Path) -> None:
    bundle = bundle_of(run).zip
    assert is_bundle(bundle)
    before, after = read_results(run), read_bundle(bundle)
    assert (after.id, after.lab, after.blueprint, after.started.replace(microsecond=0)) == (
        before.id, before.lab, before.blueprint, before.started.replace(microsecond=0),
    )  # fmt: skip
    found = compare(before, after)
    changes = {v.id: v.change for v in found.verdicts}
    own = {c.id for c in before.criteria}
    assert {changes[identifier] for identifier in own} == {Change.SAME}
    assert any(identifier.startswith("os/lynis ") for identifier in changes.keys() - own)
    told = {c.id: (c.state, c.reason, c.mandatory, c.requirement) for c in after.criteria}
    for c in before.criteria:
        assert told[c.id] == (c.state, c.reason, c.mandatory, c.requirement)
    figures = next(c.measurements for c in after.criteria if c.id == "SAAS-20")
    assert [(m.name, m.value, m.unit, m.threshold, m.met) for m in figures] == [
        ("join_p95", 1234.57, "us", "<= 5000 us", True),
        ("level", -12.5, "dB", None, None),
    ]


def test_bundles_and_runs_stand_in_one_trend(run: Path, lab_run: MakeRun) -> None:
    later = lab_run("inwinstack", name="20261125T165100Z", started="2026-11-25T16:51:00Z")
    bundle = bundle_of(run).zip
    found = read_runs([later, bundle], lambda path: (
        read_bundle(path) if is_bundle(path) else read_results(path)
    ))  # fmt: skip
    assert [one.id for one in found.runs] == [run.name, later.name]
    assert len({one.lane for one in found.runs}) == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("results/os/iec4/output.xml", "<robot", "not well-formed"),
        ("results/os/iec4/output.xml", "<!DOCTYPE r [<!ENTITY e 'x'>]><r/>", "document type"),
        ("results/os/iec4/output.xml", "<robot/>", "nothing as Lab"),
        ("results/../../os/output.xml", "<robot/>", "no plain relative path"),
    ],
)
def test_a_bad_bundle_is_a_sentence(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    assert is_bundle(path)
    with pytest.raises(ConfigError, match=says):
        read_bundle(path)


def test_what_is_no_bundle(tmp_path: Path) -> None:
    assert not is_bundle(tmp_path)
    (tmp_path / "x").write_bytes(b"PK")
    assert not is_bundle(tmp_path / "x")
