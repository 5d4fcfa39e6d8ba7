"""Traceability: every criterion has a row, and what leads nowhere is a gap."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from blueprints import model
from blueprints.evidence import Verdict
from reports import matrix_page
from reports.matrix import NOT_PLANNED, matrix
from reports.results import read_results


@pytest.fixture
def judged(run):
    """A run of some of the blueprint's own criteria."""
    run.planned = tuple(
        (c.id, c.layer, c.title, c.mandatory("incubation"))
        for c in model.load().criteria
        if c.layer == "os"
    )
    run.save(planned=[
        {"id": c.id, "layer": c.layer, "title": c.title, "requirement": c.requirement,
         "mandatory": True}
        for c in model.load().criteria if c.layer == "os"
    ])  # fmt: skip
    run.result("OS-01", fullName="validation.os.test_ssh#test_keys", measurements=[])
    run.result("OS-02", Verdict.FAIL, reason="refused", fullName="IEC4.Os.Hosts.Reached")
    return run


def rows_of(run):
    return {row.criterion: row for row in matrix(read_results(run.path)).rows}


def test_every_criterion_of_the_blueprint_has_a_row_in_its_order(judged):
    found = matrix(read_results(judged.path))
    assert [row.criterion for row in found.rows] == [c.id for c in model.load().criteria]
    assert {row.layer for row in found.rows if row.state != NOT_PLANNED} == {"os"}


def test_a_row_leads_from_the_requirement_to_the_files(judged):
    row = rows_of(judged)["OS-01"]
    criterion = model.load().criterion("OS-01")
    assert (row.requirement, row.runner, row.fault) == (
        criterion.requirement, criterion.runner, criterion.fault,
    )  # fmt: skip
    assert (row.tests, row.state) == (("validation.os.test_ssh#test_keys",), "PASS")
    assert [name for name, _ in row.evidence] == ["result", "measurements.json"]
    assert all((judged.path / path).is_file() for _, path in row.evidence)


def test_what_leads_nowhere_is_a_gap(judged):
    gaps = " ".join(matrix(read_results(judged.path)).gaps)
    assert "planned, and no test left a result: OS-03" in gaps
    assert "mandatory, and not planned in this run: K8S-01" in gaps
    assert "another requirement" not in gaps
    planned = [{**entry, "requirement": "Less."} for entry in judged.state["planned"][:1]]
    planned.append({**planned[0], "id": "OS-77"})
    judged.save(planned=planned)
    gaps = " ".join(matrix(read_results(judged.path)).gaps)
    assert "OS-01 was judged against another requirement than stands there now" in gaps
    assert "OS-77 is no criterion of iec-type4 any more" in gaps
    assert rows_of(judged)["OS-77"].runner is None


def test_without_the_blueprint_the_planned_have_rows(judged):
    judged.save(blueprint="no-such", planned=judged.state["planned"])
    found = matrix(read_results(judged.path))
    assert "no-such" in found.gaps[0]
    assert {row.layer for row in found.rows} == {"paas", "os", "saas"} & {
        entry["layer"] for entry in judged.state["planned"]
    }


def test_a_criterion_without_a_fault_is_a_gap(judged, tmp_path):
    file = tmp_path / "mine.yaml"
    text = (model.DIRECTORY / "iec-type4.yaml").read_text()
    fault = model.load().criterion("OS-01").fault
    assert f"fault: {fault}" in text
    file.write_text(text.replace(f"fault: {fault}\n", "\n", 1).replace(f"fault: {fault}", "", 1))
    judged.save(asked={"blueprint": str(file)}, planned=judged.state["planned"])
    gaps = matrix(read_results(judged.path)).gaps
    assert "no fault shows that it can fail: OS-01" in gaps


def test_the_api_map_leads_from_each_api_to_its_verdicts(judged, tmp_path):
    criterion = model.load().criterion("PAAS-05")
    found = matrix(read_results(judged.path))
    for api in criterion.apis:
        assert "PAAS-05" in [row.criterion for row in found.api_map[api]]
    told = json.loads(matrix_page.as_json(found))["api_map"]
    assert told["POST add_application"] == ["PAAS-05"]
    root = ElementTree.fromstring(matrix_page.as_html(found, tmp_path).decode())
    [line] = [
        [cell.text for cell in row]
        for row in root.findall(".//table")[1]
        if row[0].text == "POST add_application"
    ]
    assert line[1:3] == [f"PAAS-05 {criterion.title}", NOT_PLANNED]
    assert "POST add_application" in matrix_page.as_text(found)


def test_text_json_and_page(judged, tmp_path):
    judged.result("OS-03", Verdict.FAIL, reason="<b>open</b>", fullName="a<b>")
    found = matrix(read_results(judged.path))
    text = matrix_page.as_text(found)
    assert "OS-02      FAIL" in text
    assert text.endswith(f"{matrix_page.conclusion(found)}\n")
    told = {row["criterion"]: row for row in json.loads(matrix_page.as_json(found))["rows"]}
    assert told["OS-02"]["state"] == "FAIL"
    page = matrix_page.as_html(found, tmp_path / "elsewhere" / "deep").decode()
    assert "<b>" not in page
    root = ElementTree.fromstring(page)
    targets = [Path(unquote(a.get("href"))) for a in root.iter("a")]
    assert targets
    assert all((tmp_path / "elsewhere" / "deep" / t).resolve().is_file() for t in targets)
