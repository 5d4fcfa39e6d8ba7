"""Every recorded exchange with TarsWeb is accounted for, once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tests.tars_master.exchanges import (
    CASES,
    DIFFERENT,
    LOGS,
    MONITORING,
    NOT_EMULATED,
    TASKS,
)
from tests.tars_master.life import LIVE
from tests.tars_master.replay import RECORDINGS

RECORDED = 327
HERE = Path(__file__).parent
DOCUMENTATION = HERE.parents[1] / "docs" / "tars.md"

REPLAYED = [
    *(case.name for case in CASES),
    *(f"{case.name}{end}" for case in TASKS for end in ("", "_poll")),
    *(step.step for step in LIVE if isinstance(step.step, str) and not step.prepares),
    *LOGS,
    *MONITORING,
]


def test_each_recording_is_in_one_class() -> None:
    counted = Counter(set(REPLAYED)) + Counter(DIFFERENT.keys()) + Counter(NOT_EMULATED.keys())
    assert [name for name, times in counted.items() if times > 1] == []
    assert len(counted) == RECORDED


def test_what_is_replayed_is_there_and_nothing_else_that_no_test_reads() -> None:
    there = {file.stem for file in RECORDINGS.glob("*.json")}
    assert set(REPLAYED) <= there
    others = there - set(REPLAYED)
    tests = "".join(file.read_text() for file in HERE.glob("test_*.py"))
    assert [name for name in sorted(others) if json.dumps(name) not in tests] == []


def test_monitoring_is_replayed_where_it_is_said() -> None:
    replaying = (HERE / "test_monitoring_recorded.py").read_text()
    assert [name for name in MONITORING if name not in replaying] == []


def test_the_documentation_names_what_is_not_replayed() -> None:
    told = DOCUMENTATION.read_text()
    unreplayed = [*DIFFERENT, *NOT_EMULATED]
    assert [name for name in unreplayed if f"`{name}`" not in told] == []
