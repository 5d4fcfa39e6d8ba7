"""What opens the gate, and that each thing alone closes it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from blueprints.errors import ConfigError
from blueprints.evidence import Verdict
from blueprints.model import Maturity
from blueprints.release_rules import release_rules
from blueprints.security import security_rules
from reports.results import read_results
from submission import exceptions, gate_page
from submission.gate import Gate, Line, Rules, State, evaluate
from tests.submission.conftest import (
    BLUEPRINT,
    FOUND,
    RECORDED,
    Granting,
    MakeRun,
    lynis_log,
    scan,
    vuls_report,
)

RELEASE = date(2026, 12, 1)


def judge(
    runs: list[Path], *, maturity: Maturity = "incubation", granted: Path | None = None
) -> Gate:
    rules = Rules(release_rules(), security_rules(), exceptions.load(BLUEPRINT.name, granted))
    return evaluate(BLUEPRINT, [read_results(run) for run in runs], maturity, rules, RELEASE)


def blocking(gate: Gate) -> dict[str, Line]:
    return {line.subject: line for line in gate.lines if line.blocks}


def test_two_good_labs_open_the_gate(labs: list[Path]) -> None:
    gate = judge(labs)
    assert blocking(gate) == {}
    assert gate.open
    assert gate.exit_code == 0
    subjects = {line.subject for line in gate.lines}
    assert subjects >= {"labs", "OS-01", "pin tars", "os/lynis", "k8s/kube-hunter"}


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.SKIP])
def test_a_mandatory_criterion_not_met_in_one_lab_blocks(
    lab_run: MakeRun, verdict: Verdict
) -> None:
    gate = judge([lab_run("inwinstack"), lab_run("lf-cd", but={"SAAS-05": verdict})])
    (line,) = blocking(gate).values()
    assert (line.subject, line.lab) == ("SAAS-05", "lf-cd")
    assert line.says.startswith(f"{verdict}: SAAS-05 is not so")
    assert line.evidence[0].name.endswith("-result.json")
    assert gate.exit_code == 1


@pytest.mark.parametrize("verdict", [Verdict.ERROR, None])
def test_what_could_not_be_judged_blocks_as_such(
    lab_run: MakeRun, verdict: Verdict | None, granting: Granting
) -> None:
    runs = [lab_run("inwinstack"), lab_run("lf-cd", but={"SAAS-20": verdict})]
    gate = judge(runs, granted=granting(covers="SAAS-20"))
    assert blocking(gate)["SAAS-20"].state is State.UNJUDGED
    assert gate.exit_code == 3


def test_what_no_run_planned_is_not_met(lab_run: MakeRun) -> None:
    part = lab_run("lf-cd")
    state = json.loads((part / "run.json").read_text())
    state["planned"] = [p for p in state["planned"] if p["layer"] != "saas"]
    (part / "run.json").write_text(json.dumps(state))
    found = blocking(judge([lab_run("inwinstack"), part]))
    assert "no run of this lab judged it" in found["SAAS-01"].says
    assert {name[:4] for name in found} == {"SAAS"}


def test_several_runs_of_a_lab_add_up_and_the_newest_counts(lab_run: MakeRun) -> None:
    early = lab_run("lf-cd", name="1", but={"OS-01": Verdict.FAIL, "OS-02": Verdict.PASS})
    late = lab_run("lf-cd", name="2", started="2026-11-25T00:00:00Z", but={"OS-02": Verdict.FAIL})
    assert set(blocking(judge([late, lab_run("inwinstack"), early]))) == {"OS-02"}


def test_one_lab_is_not_enough(lab_run: MakeRun) -> None:
    same = lab_run("inwinstack", name="2")
    assert set(blocking(judge([lab_run("inwinstack"), same]))) == {"labs"}


def test_a_lab_of_the_suite_s_own_does_not_count(lab_run: MakeRun) -> None:
    gate = judge([lab_run("inwinstack"), lab_run("embedded", profile="embedded")])
    assert "do not count: embedded" in blocking(gate)["labs"].says


def test_runs_of_different_blueprints_are_refused(lab_run: MakeRun) -> None:
    with pytest.raises(ConfigError, match="one gate judges one blueprint"):
        judge([lab_run("inwinstack"), lab_run("lf-cd", blueprint="rec")])


def test_the_same_run_twice_is_refused(lab_run: MakeRun) -> None:
    run = lab_run("inwinstack")
    with pytest.raises(ConfigError, match="given twice"):
        judge([run, run])


@pytest.mark.parametrize(
    "broken",
    [
        {"interrupted": True},
        {"ended": None},
        {"stages": [{"name": "deploy", "state": "failed", "message": "no space"}]},
    ],
    ids=str,
)
def test_a_run_that_broke_off_shows_nothing_for_certain(
    lab_run: MakeRun, broken: dict[str, Any]
) -> None:
    gate = judge([lab_run("inwinstack"), lab_run("lf-cd", **broken)])
    assert [line.state for line in blocking(gate).values()] == [State.UNJUDGED]
    assert gate.exit_code == 3


def test_an_upstream_in_another_version_blocks_unless_declared(lab_run: MakeRun) -> None:
    other = lab_run("lf-cd", versions={**FOUND, "tars (found)": "3.0.1"})
    line = blocking(judge([lab_run("inwinstack"), other]))["pin tars"]
    assert line.says == "found 3.0.1, and no deviation is declared"
    assert line.blocks
    embedded = judge([lab_run("embedded", profile="embedded", versions={})])
    noted = next(line for line in embedded.lines if line.subject == "pin tars")
    assert noted.state is State.NOTED
    assert "declared deviation: embedded master and nodes" in noted.says


def test_an_upstream_that_nobody_found_out_blocks(lab_run: MakeRun) -> None:
    other = lab_run("lf-cd", versions={"tars (pinned)": "3.0.22"})
    assert set(blocking(judge([lab_run("inwinstack"), other]))) == {f"pin {n}" for n in
                                                                    BLUEPRINT.pins}  # fmt: skip


def test_a_mandatory_test_without_output_blocks(lab_run: MakeRun) -> None:
    found = blocking(judge([lab_run("inwinstack"), lab_run("lf-cd", scans=False)]))
    assert set(found) == {"os/lynis", "os/vuls", "k8s/conformance", "k8s/kube-hunter"}


def test_findings_of_scans_block_one_by_one(labs: list[Path]) -> None:
    scan(labs[1], "os/lynis", "edge-b.log", lynis_log("AUTH-9328", "dmesg_restrict"))
    scan(labs[1], "os/vuls", "edge-a.json", vuls_report(CVE_2016_1585=9.8, CVE_2026_0001=9.0))
    hunt = (RECORDED / "kube-hunter-finding.json").read_bytes()
    scan(labs[1], "k8s/kube-hunter", "cluster.json", hunt)
    gate = judge(labs)
    assert set(blocking(gate)) == {
        "os/lynis AUTH-9328",
        "os/lynis kernel.dmesg_restrict",
        "os/vuls CVE-2026-0001",
        "k8s/kube-hunter KHV002",
    }
    excepted = [line for line in gate.lines if line.state is State.EXCEPTED]
    assert [line.subject for line in excepted] == ["os/vuls CVE-2016-1585"]


def test_an_exception_covers_what_it_names(lab_run: MakeRun, granting: Granting) -> None:
    runs = [lab_run("inwinstack", but={"SAAS-20": Verdict.FAIL}), lab_run("lf-cd")]
    gate = judge(runs, granted=granting())
    assert gate.open
    line = next(line for line in gate.lines if line.state is State.EXCEPTED)
    assert "EX-01 excepts it until 2027-05-31" in line.says
    assert "measured by hand" in line.says


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"expires": "2026-11-30"}, "it expired on 2026-11-30"),
        ({"submitted": "2026-11-20"}, "before it was submitted"),
        (
            {"submitted": "2026-11-12", "approval": {"by": "TSC", "on": "2026-11-13",
                                                     "reference": "minutes"}},
            "at least 21 days before the release on 2026-12-01",
        ),
        ({"owner": "TSC"}, "TSC owns it and approved it"),
    ],
    ids=["expired", "approved early", "late", "own approval"],
)  # fmt: skip
def test_an_exception_that_does_not_hold_covers_nothing(
    lab_run: MakeRun, granting: Granting, changed: dict[str, Any], says: str
) -> None:
    runs = [lab_run("inwinstack", but={"SAAS-20": Verdict.FAIL}), lab_run("lf-cd")]
    found = blocking(judge(runs, granted=granting(**changed)))
    assert set(found) == {"SAAS-20", "EX-01"}
    assert says in found["EX-01"].says


@pytest.mark.parametrize("covers", ["SAAS-20", "SAAS-99", "os/lynis AUTH-9328"])
def test_an_exception_that_nothing_needs_blocks(
    labs: list[Path], granting: Granting, covers: str
) -> None:
    found = blocking(judge(labs, granted=granting(covers=covers)))
    assert set(found) == {"EX-01"}
    assert "remove it" in found["EX-01"].says


def test_an_exception_for_one_lab_holds_there_only(lab_run: MakeRun, granting: Granting) -> None:
    bad = {"SAAS-20": Verdict.FAIL}
    gate = judge(
        [lab_run("inwinstack", but=bad), lab_run("lf-cd", but=bad)],
        granted=granting(labs=["lf-cd"]),
    )
    assert blocking(gate)["SAAS-20"].lab == "inwinstack"
    assert len([line for line in gate.lines if line.blocks]) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("exceptions: [{id: EX-1}]", "granted.yaml:1:"),
        ("exceptions: []\nsurprise: 1", "unknown key 'surprise'"),
    ],
)
def test_a_wrong_exceptions_file_is_one_error(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "granted.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(says)):
        exceptions.load(BLUEPRINT.name, file)


def test_maturity_asks_for_more(labs: list[Path]) -> None:
    scan(labs[0], "os/lynis", "edge-a.log", lynis_log("BOOT-5122"))
    assert judge(labs).open
    assert set(blocking(judge(labs, maturity="mature"))) == {
        "incubation releases",
        "os/lynis BOOT-5122",
    }


def test_the_page_names_each_line_s_evidence(labs: list[Path], tmp_path: Path) -> None:
    scan(labs[1], "os/lynis", "<b>.log", lynis_log("AUTH-9328"))
    gate = judge(labs)
    page_json, page_html = gate_page.write(gate, tmp_path / "page")
    page = json.loads(page_json.read_text())
    assert page["open"] is False
    (line,) = page["blocking"]
    assert (line["subject"], line["lab"]) == ("os/lynis AUTH-9328", "lf-cd")
    assert Path(line["evidence"][0]).is_file()
    html = page_html.read_text()
    assert "&lt;b&gt;.log" in html
    assert "<b>" not in html
    for link in re.findall(r'href="([^"]+)"', html):
        assert (page_html.parent / link.replace("%3C", "<").replace("%3E", ">")).exists()
    text = gate_page.as_text(gate)
    assert "BLOCKS     os/lynis AUTH-9328 [lf-cd]" in text
    assert "1 line blocks the release" in text


def test_whether_the_logs_are_pushed_is_told_and_does_not_block(labs: list[Path]) -> None:
    ledger = labs[0] / "submission" / "ledger.json"
    ledger.parent.mkdir()
    url = "http://127.0.0.1/content/sites/logs/a"
    entry = {"stamp": "s", "url": url, "bundle": "0", "state": "complete", "when": "w"}
    ledger.write_text(json.dumps([entry]))
    damaged = labs[1] / "submission" / "ledger.json"
    damaged.parent.mkdir()
    damaged.write_text("[{")
    gate = judge(labs)
    said = {line.lab: line for line in gate.lines if line.subject == "logs pushed"}
    assert (said["inwinstack"].state, said["inwinstack"].says) == (State.MET, f"as {url}")
    assert said["lf-cd"].state is State.NOTED
    assert "is damaged" in said["lf-cd"].says
    assert gate.open
