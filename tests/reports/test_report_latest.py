"""The ``latest`` link and the pruning of old runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from blueprints.evidence import Verdict
from reports.latest import point, prune


@pytest.fixture
def runs(make_run):
    """Six runs, oldest first; the second is the last good one."""
    made = []
    for day in range(1, 7):
        started = f"2026-11-0{day}T10:00:00.000Z"
        run = make_run(f"2026110{day}T100000Z-iec-type4", started=started)
        run.pass_all(*([] if day <= 2 else ["PAAS-01"]))
        if day > 2:
            run.result("PAAS-01", Verdict.FAIL, reason="deaf")
        made.append(run.path)
    return made


def names(results: Path) -> list[str]:
    return sorted(path.name for path in results.iterdir())


def test_latest_leads_to_the_newest_and_is_replaced_whole(runs):
    for run in runs[:2]:
        link = point(run)
        assert link.is_symlink()
        assert link.resolve() == run
        assert not Path(link.readlink()).is_absolute()
    assert names(runs[0].parent) == sorted([*(r.name for r in runs), "latest"])


def test_the_link_itself_is_never_made_to_lead_to_itself(runs):
    link = point(runs[0])
    assert point(link) == link
    assert link.resolve() == runs[0]


def test_what_is_no_link_is_not_replaced(runs):
    (runs[0].parent / "latest").mkdir()
    with pytest.raises(FileExistsError, match="is no link"):
        point(runs[0])


def test_the_oldest_go_and_the_last_good_one_stays(runs):
    assert prune(runs[0].parent, keep=2) == [runs[3], runs[2], runs[0]]
    assert names(runs[0].parent) == sorted(r.name for r in (runs[1], runs[4], runs[5]))
    assert prune(runs[0].parent, keep=2) == []


def test_nothing_goes_when_few_are_there(runs):
    assert prune(runs[0].parent, keep=6) == []
    assert len(names(runs[0].parent)) == 6


def test_what_latest_leads_to_stays(runs):
    point(runs[0])
    prune(runs[0].parent, keep=1)
    assert runs[0].exists()


def test_foreign_things_stay(runs, tmp_path):
    results = runs[0].parent
    (results / "notes.txt").write_text("mine")
    (results / "20200101T000000Z-mine").mkdir()
    copy = results / "copy-of-a-run"  # its run.json bears another name
    copy.mkdir()
    (copy / "run.json").write_text((runs[0] / "run.json").read_text())
    elsewhere = tmp_path / "elsewhere" / runs[0].name
    elsewhere.parent.mkdir()
    runs[0].rename(elsewhere)
    (results / runs[0].name).symlink_to(elsewhere)
    prune(results, keep=1)
    assert {"notes.txt", "20200101T000000Z-mine", "copy-of-a-run", runs[0].name} <= {
        *names(results)
    }
    assert (elsewhere / "run.json").exists()


def test_a_run_that_is_going_on_stays_and_one_cut_off_long_ago_goes(make_run, runs):
    results = runs[0].parent
    prune(results, keep=6)
    going_on = make_run("mine-now", started=datetime.now(UTC).isoformat(), ended=None)
    cut_off = make_run("mine-then", started="2026-01-01T00:00:00Z", ended=None)
    newer = [make_run(f"mine-{n}", started=f"2999-01-0{n}T00:00:00Z").path for n in range(1, 4)]
    removed = prune(results, keep=len(newer))
    assert cut_off.path in removed
    assert going_on.path.exists()


def test_an_interrupted_pruning_is_finished(runs):
    leftover = runs[0].parent / f".pruned-{runs[0].name}"
    runs[0].rename(leftover)
    assert prune(runs[1].parent, keep=9) == []
    assert not leftover.exists()
