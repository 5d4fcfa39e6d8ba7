"""``soak``: runs that end alike, one that does not, and an interruption."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import psutil
import pytest

from lab import faults
from lab import inventory as inventories
from lab.wait import wait_for
from pipeline.soak_thief import LONGEST_S, SHORTEST_S, bursts
from tests.pipeline.conftest import Iec4
from tests.pipeline.runs import processes_of, started


def at_work(place: Path, number: int) -> Path:
    """Where a run of a soak works, once it has a lab."""
    pattern = f"results/*-soak-*/at-work/run-{number:03}/lab/inventory.yaml"
    found: Path = wait_for(
        f"the lab of run {number}", lambda: next(place.glob(pattern), None), timeout=60
    )
    return found


def test_runs_that_end_alike_are_clean(iec4: Iec4, tmp_path: Path) -> None:
    chosen = ("--set", "fast", "--only", "OS-01,OS-02")
    done = iec4("soak", "2", *chosen, "--together", "2", "--steal-cpu", "--seed", "7", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [run["verdicts"]["PASS"] for run in told["runs"]] == [2, 2]
    assert len({run["shuffle"] for run in told["runs"]}) == 2
    assert (told["clean"], told["flakes"], told["interrupted"]) == (2, [], False)
    [place] = (p for p in (tmp_path / "results").iterdir())
    kept = sorted(path.name for path in place.iterdir())
    assert len(kept) == len({*kept, "soak.json"}) == 2, "the first run alone is kept"
    assert processes_of(tmp_path) == []


def test_a_verdict_that_changes_is_told_with_both_outcomes(iec4: Iec4, tmp_path: Path) -> None:
    with started("soak", "2", "--only", "OS-01,OS-05", cwd=tmp_path) as soak:
        faults.inject(inventories.load(str(at_work(tmp_path, 2))), "os.permit-root")
        said, errors = soak.communicate(timeout=60)
    assert soak.returncode == 1, said + errors
    [table] = tmp_path.glob("results/*-soak-full/soak.json")
    [flake] = json.loads(table.read_text())["flakes"]
    assert flake["id"] == "OS-05"
    assert {o["verdict"]: o["runs"] for o in flake["outcomes"]} == {"PASS": [1], "FAIL": [2]}
    for outcome in flake["outcomes"]:
        [file] = outcome["evidence"]
        assert file in said
        assert json.loads(Path(file).read_text())["name"].startswith("OS-05")
    assert "FLAKE OS-05" in said
    assert "again: ./iec4 run --set full --only OS-01,OS-05 --shuffle" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_leaves_no_process_and_no_lab(tmp_path: Path, number: int) -> None:
    with started("soak", "4", "--only", "SAAS-06", "--together", "2", "--steal-cpu",
                 cwd=tmp_path) as soak:  # fmt: skip
        labs = [at_work(tmp_path, one).parent for one in (1, 2)]
        thieves = psutil.Process(soak.pid).children(recursive=True)
        soak.send_signal(number)
        soak.communicate(timeout=60)
    assert soak.returncode == (-number if number == signal.SIGKILL else 130)
    wait_for("the end of all", lambda: not any(one.is_running() for one in thieves), timeout=20)
    wait_for("the end of its labs", lambda: not any(lab.exists() for lab in labs), timeout=20)
    assert processes_of(tmp_path) == []
    if number != signal.SIGKILL:
        assert list((tmp_path / "results").iterdir()) == [], "no run had ended"


def test_stolen_time_is_bounded_and_the_same_for_a_seed() -> None:
    taken = [next(stolen) for stolen in [bursts(0.5, 7)] for _ in range(200)]
    assert taken == [next(stolen) for stolen in [bursts(0.5, 7)] for _ in range(200)]
    assert all(SHORTEST_S <= work <= LONGEST_S for work, _ in taken)
    assert sum(rest for _, rest in taken) == pytest.approx(sum(work for work, _ in taken))


def test_a_thief_ends_by_itself() -> None:
    from pipeline.soak_thief import main

    began = time.monotonic()
    main(0.5, 1, 0.2)
    assert 0.1 < time.monotonic() - began < 5
