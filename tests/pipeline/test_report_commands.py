"""Reports about several runs as a person meets them: streams, files, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.made_runs import Planned, make_run
from blueprints import model
from tests.pipeline.conftest import Iec4

KNOWN = [Planned(c.id, c.layer, c.title, c.requirement) for c in model.load().criteria]


@pytest.fixture
def nights(tmp_path: Path) -> Path:
    """Three runs of one seed each: the first and the last have the same verdicts."""
    for night, seed in enumerate((1, 2, 1)):
        make_run(tmp_path / "nights" / f"n{night}", KNOWN, night=night, figures_in=9, seed=seed)
    return tmp_path / "nights"


def test_compare_exits_by_what_got_worse(iec4: Iec4, nights: Path) -> None:
    same = iec4("report", "compare", "nights/n0", "nights/n2")
    assert same.returncode == 0, same.stderr
    assert "Nothing got worse" in same.stdout
    worse = iec4(
        "report", "compare", "nights/n0", "nights/n1", "--history", "nights", "--json",
        "--html", "page.html",
    )  # fmt: skip
    assert worse.returncode == 1, worse.stderr
    told = json.loads(worse.stdout)
    assert told["worse"] > 0
    assert told["conclusion"] in (nights.parent / "page.html").read_text()


def test_matrix_of_a_run(iec4: Iec4, nights: Path) -> None:
    done = iec4("report", "matrix", "nights/n1", "--json", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["criterion"] for row in told["rows"]] == [known.id for known in KNOWN]
    assert "nights/n1/allure-results/" in (nights.parent / "page.html").read_text()


def test_trend_of_a_directory(iec4: Iec4, nights: Path) -> None:
    done = iec4("report", "trend", "nights", "--json", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    (lane,) = json.loads(done.stdout)["lanes"]
    assert [run["id"] for run in lane["runs"]] == ["n0", "n1", "n2"]
    assert "<svg" in (nights.parent / "page.html").read_text()


def test_a_page_that_cannot_be_written_is_one_line(iec4: Iec4, nights: Path) -> None:
    done = iec4("report", "trend", "nights", "--html", "no/such/place.html")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "iec4: no/such/place.html cannot be written: No such file or directory\n"


def test_a_band_is_no_less_than_nothing(iec4: Iec4) -> None:
    done = iec4("report", "compare", "a", "b", "--band", "-5")
    assert done.returncode == 2
    assert "--band" in done.stderr
