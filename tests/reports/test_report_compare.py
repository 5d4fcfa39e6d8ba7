"""Two runs side by side: what got worse, by how much it may move, and what differs."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from blueprints.evidence import Verdict
from blueprints.model import Limit
from reports import bands, compare_page
from reports.bands import Move
from reports.compare import Change, compare
from reports.results import read_results
from reports.runs import brief

PASS, FAIL, ERROR, SKIP = Verdict

LIMIT = "<= 5000 us"


def p99(value: float, limit: str | None = LIMIT, **more):
    met = None if limit is None else Limit.parse(limit).met_by(value)
    return {"name": "p99", "value": value, "unit": "us", "threshold": limit, "met": met, **more}


@pytest.fixture
def two(make_run):
    """Two runs on a real lab, in which all passes but what a test writes itself."""
    return make_run("A", lab="edge", profile="lab"), make_run("B", lab="edge", profile="lab")


def compared(two, **options):
    return compare(read_results(two[0].path), read_results(two[1].path), **options)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (PASS, PASS, Change.SAME),
        (PASS, FAIL, Change.WORSE),
        (PASS, ERROR, Change.WORSE),
        (PASS, SKIP, Change.WORSE),
        (PASS, None, Change.WORSE),
        (SKIP, FAIL, Change.WORSE),
        (FAIL, PASS, Change.BETTER),
        (ERROR, SKIP, Change.BETTER),
        (FAIL, ERROR, Change.OTHER),
        (None, ERROR, Change.OTHER),
    ],
)
def test_what_became_of_a_verdict(two, before, after, change):
    for run, verdict in zip(two, (before, after), strict=True):
        run.pass_all("PAAS-01")
        if verdict is not None:
            run.result("PAAS-01", verdict, reason="" if verdict is PASS else "because")
    found = compared(two)
    changes = {v.id: v.change for v in found.verdicts}
    assert changes.pop("PAAS-01") is change
    assert set(changes.values()) == {Change.SAME}
    assert found.worse == (change is Change.WORSE)


def test_criteria_of_one_run_only_are_told_and_judge_nothing(two):
    for run in two:
        run.pass_all()
    two[1].planned = (*two[1].planned[1:], ("SAAS-09", "saas", "New", True))
    two[1].save(lab="edge", profile="lab")
    found = compared(two)
    changes = {v.id: v.change for v in found.verdicts if v.change is not Change.SAME}
    assert changes == {"SAAS-09": Change.ADDED, "OS-01": Change.GONE}
    assert found.worse == 0


@pytest.mark.parametrize(
    ("before", "after", "move"),
    [
        (p99(1000), p99(1190), Move.WITHIN),
        (p99(2000), p99(2500), Move.WORSE),
        (p99(2500), p99(1900), Move.BETTER),
        (p99(4990), p99(5010), Move.WORSE),  # within its band, and over its limit
        (p99(5010), p99(4990), Move.BETTER),
        (p99(0), p99(249), Move.WITHIN),  # a twentieth of the limit is no news
        (p99(0), p99(251), Move.WORSE),
        (p99(100, None), p99(130, None), Move.MOVED),
        (p99(100, None), p99(119, None), Move.WITHIN),
        (p99(900, ">= 800 us"), p99(700, ">= 600 us"), Move.WORSE),
        (p99(700, ">= 600 us"), p99(900, ">= 600 us"), Move.BETTER),
        (p99(1000), p99(9000, window_valid=False), Move.UNCOMPARED),
        (p99(1000), {**p99(1, None), "unit": "ms"}, Move.ADDED),
        (p99(1000, None), p99(1000, LIMIT), Move.WITHIN),
    ],
)
def test_what_became_of_a_figure(two, before, after, move):
    for run, figure in zip(two, (before, after), strict=True):
        run.pass_all("PAAS-20")
        run.result("PAAS-20", measurements=[figure])
    assert compared(two).figures[0].move is move


def test_a_threshold_that_nobody_can_read_judges_nothing(two):
    for run, value in zip(two, (100, 900), strict=True):
        run.result("PAAS-20", measurements=[{**p99(value, None), "threshold": "soon"}])
    assert compared(two).figures[0].move is Move.MOVED


def test_figures_of_two_labs_are_shown_and_not_judged(two):
    for run, value in zip(two, (100, 4900), strict=True):
        run.pass_all("PAAS-20")
        run.result("PAAS-20", measurements=[p99(value)])
    two[1].save(lab="other", profile="lab")
    found = compared(two)
    assert (found.figures[0].move, found.worse) == (Move.UNCOMPARED, 0)
    assert "two labs" in found.notes[0]


def test_earlier_runs_give_the_band(two, make_run):
    for run, value in zip(two, (1000, 1300), strict=True):
        run.pass_all("PAAS-20")
        run.result("PAAS-20", measurements=[p99(value)])
    assert compared(two).figures[0].move is Move.WORSE
    earlier = []
    for number, value in enumerate((700, 900, 1000, 1200, 1400)):
        one = make_run(f"E{number}", lab="edge", profile="lab")
        one.result("PAAS-20", measurements=[p99(value)])
        elsewhere = make_run(f"F{number}", lab="elsewhere", profile="lab")
        elsewhere.result("PAAS-20", measurements=[p99(5000)])
        earlier += [brief(read_results(path)) for path in (one.path, elsewhere.path)]
    wide = compared(two, history=earlier).figures[0]
    assert wide.move is Move.WITHIN
    # median 1000, median deviation 200, three standard deviations of 1.4826 times that
    assert (wide.band.low, wide.band.high) == pytest.approx((110.44, 1889.56))
    assert wide.band.basis == "5 earlier runs"


def test_a_figure_that_never_moved_has_a_narrow_band():
    found = bands.band(100, None, 20, [100] * 9)
    assert (found.low, found.high) == (98, 102)


def test_a_name_that_stands_twice_is_two_figures(two):
    for run, values in zip(two, ((1000, 2000), (1000, 4000)), strict=True):
        run.result("PAAS-20", measurements=[p99(value) for value in values])
    moves = {figure.name: figure.move for figure in compared(two).figures}
    assert moves == {"p99": Move.WITHIN, "p99 #2": Move.WORSE}


def test_circumstances_that_differ(two):
    two[1].save(lab="edge", profile="lab", versions={"tars (pinned)": "3.0.17", "node": "v26"})
    found = {c.name: (c.before, c.after) for c in compared(two).circumstances}
    assert found == {"node": ("v24.1.0", "v26")}


def test_text_json_and_page_say_the_same_and_obey_nothing(two):
    hostile = "<script>alert(1)</script>\x1b[31m & \u202e"
    two[0].pass_all()
    two[1].pass_all("PAAS-01", "PAAS-20")
    two[1].result("PAAS-01", FAIL, reason=hostile)
    two[1].result("PAAS-20", measurements=[p99(4000)])
    found = compared(two)
    text = compare_page.as_text(found)
    assert "PAAS-01    paas   PASS    FAIL   worse" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    told = json.loads(compare_page.as_json(found))
    assert told["worse"] == 1
    assert told["verdicts"][1]["change"] == "worse"
    assert told["figures"][0]["move"] == "added"
    page = compare_page.as_html(found).decode()
    root = ElementTree.fromstring(page)
    cells = ["".join(cell.itertext()) for cell in root.iter("td")]
    assert {"PAAS-01", "PASS", "FAIL", "worse", "4000 us"} <= set(cells)
    assert "<script" not in page
    assert told["conclusion"] in page
