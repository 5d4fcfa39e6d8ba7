"""Many runs in line: verdicts, figures, what is not read, and the page that shows it."""

from __future__ import annotations

import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from blueprints.errors import ConfigError
from blueprints.evidence import Verdict
from reports import trend_page
from reports.bands import Move
from reports.page import COLOURS
from reports.runs import read_runs
from reports.trend import trend

FIRST = datetime(2026, 11, 1, 12, tzinfo=UTC)
SVG = "svg"


@pytest.fixture
def nightly(make_run):
    """Make one run a night: ``nightly(verdicts of PAAS-01, p99 figures)``."""

    def make(verdicts, figures=(), **state):
        made = []
        for night, verdict in enumerate(verdicts):
            began = FIRST + timedelta(days=night)
            run = make_run(f"{began:%Y%m%dT%H%M%SZ}-x", started=began.isoformat(), **state)
            run.pass_all("PAAS-01", "PAAS-20")
            if verdict is not None:
                run.result("PAAS-01", verdict, reason="because" if verdict != "PASS" else "")
            if night < len(figures):
                value = figures[night]
                figure = {"name": "p99", "value": value, "unit": "us",
                          "threshold": "<= 5000 us", "met": value <= 5000}  # fmt: skip
                run.result("PAAS-20", measurements=[figure])
            made.append(run)
        return made

    return make


PASS, FAIL, ERROR, SKIP = Verdict


def only_course(path):
    (course,) = trend(read_runs([path])).courses
    return course


def history_of(course, identifier):
    return next(history for history in course.histories if history.id == identifier)


def test_runs_stand_in_the_order_in_which_they_began(nightly):
    runs = nightly([PASS, FAIL, FAIL, PASS, ERROR, None])
    for number, run in enumerate(runs):  # names say nothing
        run.path.rename(run.path.with_name(f"run-{9 - number}"))
    found = history_of(only_course(runs[0].path.parent), "PAAS-01")
    assert found.states == ("PASS", "FAIL", "FAIL", "PASS", "ERROR", "NONE")
    assert (found.now, found.changes, found.since) == ("NONE", 4, 5)
    assert found.counts == {"PASS": 2, "FAIL": 2, "ERROR": 1, "SKIP": 0, "NONE": 1}


def test_a_run_that_did_not_plan_a_criterion_neither_judges_nor_changes_it(nightly):
    runs = nightly([FAIL, PASS, FAIL])
    runs[1].save(started=runs[1].state["started"], planned=[])
    found = history_of(only_course(runs[0].path.parent), "PAAS-01")
    assert found.states == ("FAIL", None, "FAIL")
    assert (found.changes, found.since) == (0, 0)


@pytest.mark.parametrize(
    ("figures", "move"),
    [
        ([1000], Move.ADDED),
        ([1000, 1100], Move.WITHIN),
        ([1000, 1400], Move.WORSE),
        ([1000, 1010, 990, 1000, 1005, 995, 1240], Move.WITHIN),  # a twentieth of the limit
        ([1000, 1010, 990, 1000, 1005, 995, 1260], Move.WORSE),
        ([1000, 1010, 990, 1000, 1005, 995, 700], Move.BETTER),
        ([4000, 5500], Move.WORSE),
    ],
)
def test_the_latest_figure_against_the_earlier_ones(nightly, figures, move):
    runs = nightly([PASS] * len(figures), figures, lab="edge", profile="lab")
    course = only_course(runs[0].path.parent)
    (line,) = course.lines
    assert line.move is move
    assert [point.value for point in line.points] == figures
    assert bool(course.worse) is (move is Move.WORSE)


def test_labs_and_blueprints_are_never_put_in_one_line(nightly, make_run):
    runs = nightly([PASS, PASS])
    make_run("other-lab", lab="edge", profile="lab", started="2026-11-09T00:00:00Z").pass_all()
    courses = trend(read_runs([runs[0].path.parent])).courses
    assert [(c.lane.lab, len(c.runs)) for c in courses] == [("edge", 1), ("embedded", 2)]


def test_a_run_counts_once_and_what_cannot_be_read_is_told(nightly):
    runs = nightly([PASS, FAIL])
    results = runs[0].path.parent
    (results / "latest").symlink_to(runs[1].path.name)
    with zipfile.ZipFile(results / "copy.zip", "w") as archive:
        for path in runs[0].path.rglob("*"):
            archive.write(path, path.relative_to(results))
    (results / "broken").mkdir()
    (results / "broken" / "run.json").write_text("{")
    (results / "unpacked.zip").write_bytes(b"no zip")
    (results / ".pruned-old").mkdir()
    (results / ".pruned-old" / "run.json").write_text("{")
    found = read_runs([results, runs[0].path])
    assert [run.id for run in found.runs] == [run.path.name for run in runs]
    assert len(found.unread) == 2
    assert "broken is no run directory" in found.unread[0]
    assert "unpacked.zip is neither" in found.unread[1]
    assert len(read_runs([results / "copy.zip"]).runs) == 1


def test_nothing_to_read_is_a_mistake(tmp_path):
    with pytest.raises(ConfigError, match="there is no run in"):
        read_runs([tmp_path])
    with pytest.raises(ConfigError, match="nowhere is no run directory"):
        read_runs([tmp_path / "nowhere"])


def test_text_shows_the_latest_at_a_glance(nightly):
    runs = nightly([PASS, FAIL, ERROR, SKIP, None], [1000, 4000, 2000])
    text = trend_page.as_text(trend(read_runs([runs[0].path.parent])))
    line = next(line for line in text.splitlines() if line.startswith("PAAS-01 "))
    assert line.endswith(f"4  NONE  {runs[4].path.name}  .FEs?")
    assert "▁█▃" in text
    assert f"2000 us, in {runs[2].path.name}" not in text  # the figure is stale, its run is told
    assert f"within, in {runs[2].path.name}" in text


def test_json_has_every_point(nightly):
    runs = nightly([PASS, FAIL], [1000, 6000], lab="edge", profile="lab")
    (lane,) = json.loads(trend_page.as_json(trend(read_runs([runs[0].path.parent]))))["lanes"]
    assert [run["counts"]["FAIL"] for run in lane["runs"]] == [0, 1]
    assert [(p["run"], p["value"], p["met"]) for p in lane["figures"][0]["points"]] == [
        (0, 1000, True), (1, 6000, False),
    ]  # fmt: skip
    assert lane["figures"][0]["move"] == "worse"
    assert "PAAS-01" in lane["conclusion"]
    assert "PAAS-20 p99" in lane["conclusion"]


def page_of(runs):
    page = trend_page.as_html(trend(read_runs([runs[0].path.parent]))).decode()
    return page, ElementTree.fromstring(page)


def test_the_page_plots_verdicts_and_figures_and_loads_nothing(nightly):
    runs = nightly([PASS, FAIL, FAIL], [1000, 6000, 2000], lab="a <b> & c\x1b[1m")
    page, root = page_of(runs)
    assert "<script" not in page
    assert not re.search(r"(?:src|href|url)\b\s*[=(]", page)
    columns, states, figure = [svg for svg in root.iter(SVG) if svg.get("role") == "img"]
    titles = ["".join(title.itertext()) for title in columns.iter("title")]
    assert titles[1] == f"{runs[1].path.name}: 4 PASS, 1 FAIL"
    told = {group.findtext("title"): group.find("rect") for group in states.iter("g")}
    box = told[f"PAAS-01 FAIL: {runs[1].path.name} to {runs[2].path.name}"]
    assert box.get("fill") == COLOURS["FAIL"]
    # two of three runs: two thirds of what lies between the margins
    assert float(box.get("width")) == pytest.approx((1000 - 110 - 12) * 2 / 3, abs=0.2)
    points = figure.find("polyline").get("points").split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights[1] < heights[2] < heights[0]
    assert [dot.get("fill") for dot in figure.iter("circle")].count(COLOURS["FAIL"]) == 1
    assert figure.find("line") is not None


def test_plots_of_many_runs_show_the_newest(nightly, monkeypatch):
    monkeypatch.setattr(trend_page, "SHOWN", 2)
    runs = nightly([FAIL, PASS, PASS, PASS], [1000, 2000, 3000, 4000])
    page, root = page_of(runs)
    assert "Plots show the newest 2 runs" in page
    titles = ["".join(title.itertext()) for title in root.iter("title")][1:]
    assert any(runs[3].path.name in title for title in titles)
    assert not any(runs[0].path.name in title or runs[1].path.name in title for title in titles)
    polyline = next(root.iter("polyline"))
    assert len(polyline.get("points").split()) == 2
