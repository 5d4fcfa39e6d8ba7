"""The report stage: a real Allure report, and what is written when things go wrong."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from blueprints.errors import ConfigError
from blueprints.evidence import Verdict
from lab.nodejs import node_binary, npm_tree
from reports import write
from reports.allure import AllureFailed, describe, generate
from reports.results import read_results
from reports.scan import scan
from reports.write import HTML, JUNIT, TABLE, VERDICTS, write_reports

ALLURE = Path(__file__).parents[2] / "reports" / "allure"


@pytest.fixture(scope="module")
def tools() -> tuple[Path, Path]:
    return node_binary(), npm_tree(ALLURE)


@pytest.fixture
def judged(run):
    """A run with every verdict, one criterion judged twice and one not at all."""
    run.result("OS-01", Verdict.SKIP, reason="no host access")
    figure = {"name": "p99", "value": 4100.0, "unit": "us", "threshold": "<= 5000 us", "met": True}
    run.result("PAAS-01", measurements=[figure])
    run.result("PAAS-02", Verdict.FAIL, reason="no endpoint of <b>IEC4.Echo</b>")
    run.result("PAAS-20")
    run.result("PAAS-20", Verdict.ERROR, reason="blocked by tars")
    return run


def data_in(page: str) -> dict[str, object]:
    """The data that an Allure page carries: ``{path: JSON value}``."""
    return {
        name: json.loads(base64.b64decode(body))
        for name, body in re.findall(r'd\("([^"]+\.json)","([A-Za-z0-9+/=]*)"\)', page)
    }


def test_the_html_is_one_file_with_every_criterion_and_its_verdict(judged, tools):
    assert write_reports(judged.path, tools=tools) == []
    page = (judged.path / HTML).read_text()
    # Nothing is loaded from elsewhere, so it opens from disk, and tells nobody of it.
    assert re.findall(r'(?:src|href)="(?!data:)([^"]*)"', page) == []
    assert "googletagmanager" not in page
    found: dict[str, list[tuple[str, str]]] = {}
    for path, value in data_in(page).items():
        if path.startswith("data/test-results/"):
            message = (value.get("error") or {}).get("message") or ""
            found.setdefault(value["name"].split()[0], []).append((value["status"], message))
    assert found["OS-01"] == [("skipped", "no host access")]
    assert found["PAAS-01"][0][0] == "passed"
    assert found["PAAS-02"] == [("failed", "no endpoint of <b>IEC4.Echo</b>")]
    assert ("broken", "no verdict: its runner left no result") in found["SAAS-01"]
    twice = [message for status, message in found["PAAS-20"] if status == "broken"]
    assert any(message.startswith("2 results where one must be") for message in twice)


def test_the_html_tells_of_the_lab_its_versions_and_deviations(judged, tools):
    write_reports(judged.path, tools=tools)
    data = data_in((judged.path / HTML).read_text())
    told = {e["name"]: e["values"] for e in data["widgets/allure_environment.json"]}
    assert told["lab"] == ["embedded (embedded lab)"]
    assert told["tars (pinned)"] == ["3.0.17"]
    assert any(name.startswith("deviation from tars 3.0.17") for name in told)
    categories = json.dumps(data["widgets/categories.json"])
    assert "FAIL: the judged thing is not as it must be" in categories
    assert "ERROR: it could not be judged" in categories


def test_on_jenkins_the_report_knows_its_build(run, tmp_path):
    environ = {
        "BUILD_URL": "http://jenkins.example/job/x/7/",
        "BUILD_NUMBER": "7",
        "JOB_NAME": "x",
        "JENKINS_URL": "http://jenkins.example/",
    }
    describe(read_results(run.path), tmp_path / "about", environ)
    told = json.loads((tmp_path / "about" / "executor.json").read_text())
    assert (told["type"], told["buildName"], told["buildOrder"]) == ("jenkins", "x #7", 7)
    describe(read_results(run.path), tmp_path / "elsewhere", {})
    assert not (tmp_path / "elsewhere" / "executor.json").exists()


def test_everything_but_the_html_needs_no_tools(judged):
    assert write_reports(judged.path) == []
    assert ElementTree.parse(judged.path / JUNIT).getroot().get("tests") == "5"
    assert json.loads((judged.path / VERDICTS).read_text())["exit_code"] == 3
    assert "no endpoint of <b>IEC4.Echo</b>" in (judged.path / TABLE).read_text()
    assert not (judged.path / HTML).exists()


def test_reports_are_written_again_over_the_old_ones(judged):
    write_reports(judged.path)
    judged.result("SAAS-01")
    write_reports(judged.path)
    assert json.loads((judged.path / VERDICTS).read_text())["counts"]["NONE"] == 0


def test_without_allure_all_else_is_written_and_an_old_page_is_removed(judged, tmp_path):
    (judged.path / HTML).write_text("of an earlier report")
    told = write_reports(judged.path, tools=(node_binary(), tmp_path))
    assert len(told) == 1
    assert "no allure in" in told[0]
    assert not (judged.path / HTML).exists()
    assert {TABLE, JUNIT, VERDICTS} <= {path.name for path in judged.path.iterdir()}


def fake_allure(tmp_path: Path, program: str) -> tuple[Path, Path]:
    """The real Node with another program in Allure's place."""
    (tmp_path / "allure").mkdir()
    (tmp_path / "allure" / "cli.js").write_text(program)
    return node_binary(), tmp_path


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("console.error('out of \\x1b[31mluck'); process.exit(7)", "status 7: out of luck"),
        ("process.exit(0)", "was not made: it said nothing"),
        ("process.kill(process.pid, 'SIGKILL')", "status -9"),
        ("for (;;) require('fs').writeSync(1, 'x'.repeat(1 << 20))", "status 1: xxx"),
    ],
)
def test_a_generator_that_fails_becomes_a_sentence(judged, tmp_path, program, says):
    node, modules = fake_allure(tmp_path, program)
    with pytest.raises(AllureFailed) as failed:
        generate(
            read_results(judged.path),
            judged.path / HTML,
            node=node,
            node_modules=modules,
            timeout=10,
        )
    assert says in str(failed.value)
    assert len(str(failed.value)) < 300
    assert not (judged.path / HTML).exists()


def test_a_generator_that_does_not_end_leaves_no_process(judged, tmp_path):
    pid = tmp_path / "pid"
    program = (
        f"require('fs').writeFileSync({str(pid)!r}, String(process.pid)); setInterval(() => 0, 99)"
    )
    node, modules = fake_allure(tmp_path, program)
    with pytest.raises(AllureFailed, match="no end after"):
        generate(
            read_results(judged.path),
            judged.path / HTML,
            node=node,
            node_modules=modules,
            timeout=2,
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIG_DFL)


def test_a_report_that_cannot_be_written_costs_only_itself(judged):
    (judged.path / JUNIT).mkdir()
    told = write_reports(judged.path)
    assert len(told) == 1
    assert told[0].startswith("junit.xml was not written: IsADirectoryError")
    assert (judged.path / VERDICTS).is_file()


def test_a_defect_in_one_report_costs_only_itself(judged, monkeypatch):
    def broken(_results):
        raise RuntimeError("a defect")

    monkeypatch.setitem(write._WRITERS, TABLE, broken)
    assert write_reports(judged.path) == ["table.txt was not written: RuntimeError: a defect"]
    assert (judged.path / JUNIT).is_file()


def test_a_secret_in_any_report_is_found_even_inside_the_html(judged, tools):
    judged.result("SAAS-01", Verdict.FAIL, reason="the backend said open-sesame")
    assert write_reports(judged.path, tools=tools) == []
    told = scan(judged.path, lambda data: b"open-sesame" in data)
    offenders = {says.removesuffix(" holds a secret") for says in told}
    assert {HTML, JUNIT, TABLE, VERDICTS} <= offenders
    assert any(name.startswith("allure-results/") for name in offenders)


def test_a_clean_run_has_no_offender(judged, tools):
    assert write_reports(judged.path, tools=tools) == []
    assert scan(judged.path, lambda data: b"open-sesame" in data) == []


def test_what_is_no_run_directory_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is no run directory"):
        write_reports(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_lock_names_no_registry():
    text = (ALLURE / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert '"integrity"' in text
