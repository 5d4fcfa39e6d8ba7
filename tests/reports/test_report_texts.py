"""Table, JUnit and JSON: whatever a reason says, they stay readable and well-formed."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from blueprints.evidence import Measurement, Verdict
from reports.as_json import as_json
from reports.junit import junit_xml
from reports.results import CriterionResult, RunResults, read_results
from reports.table import plain, print_table
from reports.text import lab_words, one_line, printable

ANY_TEXT = st.text(max_size=60) | st.sampled_from(
    [
        "[bold red]not markup[/]",
        ":warning: [link=file:///x]y[/link]",
        "\x1b[31mred\x1b[0m \x07\x00\x9b",
        "\x1b]8;;http://x\x07link\x1b]8;;\x07",
        "]]> & <b> \" '",
        "\ud800 lone, \ufffe, \u202egnp",
        "字幕 e\u0301 🚀",
    ]
)


def results_with(reason: str = "", title: str = "A title", layer: str = "paas") -> RunResults:
    base = CriterionResult("PAAS-01", layer, title, "It must.", mandatory=True, verdict=None)
    figure = Measurement("p99", 4100.5, "us", "<= 5000 us", met=True, samples=12)
    return RunResults(
        directory=Path("results/x"),
        id="x",
        blueprint="iec-type4",
        lab="embedded",
        profile="embedded",
        maturity="incubation",
        started=None,
        ended=None,
        interrupted=False,
        asked={},
        versions={"tars": reason},
        stages=(),
        criteria=(
            replace(base, verdict=Verdict.PASS, seconds=1.25, measurements=(figure,)),
            replace(base, id="PAAS-02", verdict=Verdict.FAIL, reason=reason, seconds=0.5),
            replace(base, id="PAAS-03", verdict=Verdict.ERROR, reason=reason),
            replace(base, id="PAAS-04", verdict=Verdict.SKIP, reason=reason),
            replace(base, id="PAAS-05", reason=reason),
        ),
        unplanned=(replace(base, id="PAAS-99", verdict=Verdict.FAIL, reason=reason),),
        damage=(reason,) if reason else (),
    )


def test_printable_drops_escape_sequences_and_marks_what_is_unfit():
    assert printable("\x1b[31mred\x1b[0m\x00\r\nnext\tcell") == "red\ufffd\nnext\tcell"
    assert one_line(" a\n b\t\u202ec ") == "a b \ufffdc"


@given(ANY_TEXT)
def test_printable_is_what_xml_allows_and_terminals_do_not_obey(text):
    fit = printable(text)
    assert printable(fit) == fit
    ElementTree.fromstring(f"<a>{escape(fit)}</a>")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", fit)


# The format as Jenkins' xUnit plugin publishes it: element → allowed attributes, required
# attributes, and its children in their order.
JENKINS_FORMAT = {
    "testsuites": ({"name", "tests", "failures", "errors", "time", "disabled"}, set(), "testsuite"),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id"},
        {"name", "tests", "failures", "errors"},
        "properties testcase system-out system-err",
    ),
    "properties": (set(), set(), "property"),
    "property": ({"name", "value"}, {"name", "value"}, ""),
    "testcase": (
        {"name", "classname", "time", "status", "assertions"},
        {"name", "classname"},
        "skipped error failure system-out system-err",
    ),
    "failure": ({"message", "type"}, set(), ""),
    "error": ({"message", "type"}, set(), ""),
    "skipped": ({"message", "type"}, set(), ""),
    "system-out": (set(), set(), ""),
}


def check_jenkins_format(element: ElementTree.Element) -> None:
    allowed, required, children = JENKINS_FORMAT[element.tag]
    assert required <= set(element.attrib) <= allowed, element.tag
    order = children.split()
    places = [order.index(child.tag) for child in element]
    assert places == sorted(places), element.tag
    for name in ("tests", "failures", "errors", "skipped"):
        assert element.get(name, "0").isdecimal()
    assert re.fullmatch(r"\d+\.\d+", element.get("time", "0.0"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|", element.get("timestamp", ""))
    for child in element:
        check_jenkins_format(child)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_junit_is_well_formed_whatever_the_text(reason, title, layer):
    root = ElementTree.fromstring(junit_xml(results_with(reason, title, layer)))
    check_jenkins_format(root)
    cases = root.findall("testsuite/testcase")
    assert len(cases) == int(root.get("tests", "")) == (6 if reason else 5)
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message") == one_line(reason)


def test_junit_has_a_suite_a_layer_and_an_element_a_verdict(run):
    run.pass_all("OS-01", "PAAS-01", "PAAS-02", "PAAS-20")
    run.result("OS-01", Verdict.SKIP, reason="no host access")
    run.result("PAAS-01", Verdict.FAIL, reason="deaf")
    run.result("PAAS-02", Verdict.ERROR, reason="blocked by tars")
    root = ElementTree.fromstring(junit_xml(read_results(run.path)))
    check_jenkins_format(root)
    found = {
        (suite.get("name"), case.get("name", "").split()[0]): [child.tag for child in case]
        for suite in root
        for case in suite.findall("testcase")
    }
    assert found == {
        ("iec-type4.os", "OS-01"): ["skipped"],
        ("iec-type4.paas", "PAAS-01"): ["failure"],
        ("iec-type4.paas", "PAAS-02"): ["error"],
        ("iec-type4.paas", "PAAS-20"): ["error"],  # no verdict
        ("iec-type4.saas", "SAAS-01"): [],
    }
    assert {k: root.get(k) for k in ("tests", "failures", "errors")} == {
        "tests": "5",
        "failures": "1",
        "errors": "2",
    }
    paas = root.findall("testsuite")[1]
    assert paas.get("timestamp") == "2026-11-24T16:51:00"
    told = {p.get("name"): p.get("value") for p in paas.findall("properties/property")}
    assert told["lab"] == "embedded"
    assert any(name.startswith("deviation tars") for name in told)


@given(ANY_TEXT, ANY_TEXT)
def test_the_plain_table_keeps_one_aligned_line_a_criterion(reason, title):
    lines = plain(results_with(reason, title)).split("\n")
    rows = [line for line in lines if line.startswith("PAAS-0")]
    assert len(rows) == 5
    verdicts = ["PASS", "FAIL", "ERROR", "SKIP", "NONE"]
    assert [row.split()[2] for row in rows] == verdicts
    assert rows[1].endswith(one_line(f"{title}: {reason}" if reason else title))
    head = next(line for line in lines if line.startswith("criterion"))
    assert [row.index(v) for row, v in zip(rows, verdicts, strict=True)] == [
        head.index("verdict")
    ] * 5


def test_the_plain_table_counts_cells_not_characters():
    lines = plain(results_with(layer="字幕字幕")).split("\n")
    head = next(line for line in lines if line.startswith("criterion"))
    row = next(line for line in lines if line.startswith("PAAS-02"))
    assert cell_len(head.split("verdict")[0]) == cell_len(row.split("FAIL")[0])


def on_a_terminal(results: RunResults) -> str:
    """What `print_table` writes to a real pseudo-terminal of 80 columns."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        print_table(results, terminal)
        terminal.flush()
        os.set_blocking(master, False)
        received = b""
        while True:
            try:
                received += os.read(master, 65536)
            except (BlockingIOError, OSError):
                break
    os.close(master)
    return received.decode()


def test_a_terminal_gets_frames_and_no_markup_is_obeyed(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    results = results_with("[red]x[/red] :warning: \x1b]0;own\x07")
    text = on_a_terminal(replace(results, unplanned=(), damage=()))
    assert "┃" in text
    assert text.count("[red]x[/red]") == 4
    assert ":warning:" in text
    assert "\x1b]0" not in text


def test_anything_else_than_a_terminal_gets_plain_text_and_the_places(run):
    run.pass_all()
    (run.path / "junit.xml").touch()
    stream = io.StringIO()
    print_table(read_results(run.path), stream)
    text = stream.getvalue()
    assert "\x1b" not in text
    assert text.startswith("iec-type4 on embedded (embedded lab), run ")
    assert f"JUnit: {run.path / 'junit.xml'}" in text
    assert "report.html" not in text
    assert "Every mandatory criterion is met. Exit code 0" in text
    assert "took 1 min 7.5 s" in text


def test_what_a_lab_cannot_show_is_not_called_met(run):
    run.pass_all("OS-01")
    run.result("OS-01", Verdict.SKIP, reason="capability missing: own-root")
    text = plain(read_results(run.path))
    assert "that this lab can show is met; 1 it cannot show. Exit code 0" in text


@given(ANY_TEXT)
def test_json_is_one_document_whatever_the_text(reason):
    with tempfile.TemporaryFile("w", encoding="ascii") as file:
        file.write(as_json(results_with(reason)))
    read = json.loads(as_json(results_with(reason)))
    assert [c["verdict"] for c in read["criteria"]] == ["PASS", "FAIL", "ERROR", "SKIP", "NONE"]
    assert read["criteria"][1]["reason"] == reason


def test_json_has_counts_measurements_and_the_exit_code(run):
    run.pass_all("PAAS-20")
    figure = {"name": "p99", "value": 4100.0, "unit": "us", "threshold": "<= 5000 us", "met": True}
    run.result("PAAS-20", measurements=[figure])
    read = json.loads(as_json(read_results(run.path)))
    assert (read["schema"], read["exit_code"], read["embedded"]) == (1, 0, True)
    assert read["counts"]["PASS"] == 5
    assert read["layers"]["paas"]["PASS"] == 3
    assert read["criteria"][3]["measurements"][0]["value"] == pytest.approx(4100)
    assert read["ended"] == "2026-11-24T16:52:07.623000+00:00"


@pytest.mark.parametrize(
    ("lab", "profile", "words"),
    [
        ("embedded", "embedded", "embedded (embedded lab)"),
        ("deep", "embedded", "deep (deep lab)"),
        ("inwinstack", "lab", "inwinstack"),
    ],
)
def test_a_lab_that_the_suite_made_is_told_as_one(lab: str, profile: str, words: str):
    assert lab_words(lab, profile) == words
