"""The clock on the wall is set while a run is under way: an hour on, then two hours back.

By libfaketime, which every process of the run has preloaded: the machine's own clock stays.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest
import yaml

from lab.inventory import INVENTORIES
from lab.wait import wait_for
from reports.results import read_results
from tests.pipeline.runs import processes_of, started, state_of, until_stage

#: Seconds by which the clock is set, one after the other.
ON, BACK = 3600, -3600
#: No criterion that is judged here takes as long.
LONG_S = 60
#: What is preloaded makes each look at a clock dear: on a busy machine logins take seconds.
PATIENT_S = 60


@pytest.fixture
def library() -> Path:
    """What is preloaded; its wheel has it for one kind of machine."""
    try:
        [found] = [f for f in files("libfaketime") or () if f.name == "libfaketime.so.1"]
    except PackageNotFoundError:
        pytest.skip(f"libfaketime has no wheel for {platform.machine()}")
    return Path(str(found.locate()))


def test_a_clock_that_is_set_changes_no_verdict_and_no_duration(
    library: Path, tmp_path: Path
) -> None:
    clock, run = tmp_path / "clock", tmp_path / "mine"
    clock.write_text("+0\n")
    site = yaml.safe_load((INVENTORIES / "embedded.yaml").read_text())
    for host in site["hosts"].values():
        host["connect_timeout"] = PATIENT_S
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    chosen = ("--lab", str(tmp_path / "site.yaml"), "--only", "OS-01,OS-02,SAAS-02,SAAS-06")
    preloaded = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    with started("run", "--run", str(run), *chosen, cwd=tmp_path, **preloaded) as process:
        until_stage(run, "deploy")
        clock.write_text(f"{ON:+}\n")
        events = run / "events.jsonl"
        wait_for("a verdict", lambda: events.exists() and '"end"' in events.read_text(), timeout=60)
        clock.write_text(f"{BACK:+}\n")
        said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    results = read_results(run)
    criteria = results.criteria
    assert {c.state for c in criteria} == {"PASS"}
    assert all(c.seconds is not None and 0 <= c.seconds < LONG_S for c in criteria), criteria
    assert results.started is not None
    assert results.ended is not None
    assert 0 < (results.ended - results.started).total_seconds() < ON / 2
    moments = [stage["started"] for stage in state_of(run)["stages"]]
    assert moments == sorted(moments)
    told = [json.loads(line)["t"] for line in events.read_text().splitlines()]
    assert max(told) - min(told) > ON, "the clock was set under way"
    assert processes_of(run) == []
