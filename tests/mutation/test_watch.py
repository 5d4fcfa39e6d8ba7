"""The watch finds what a parser may do wrong, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutation.ledger import WANTED, Ledger
from benchmarks.mutation.trial import smallest
from benchmarks.mutation.watch import MOST_STOPS, Sitting, sit
from tests.mutation.planted import BAD, BY_NAME


def sat(name: str, *, inputs: int = 2000, seconds: float = 60, hang_s: float = 20) -> Sitting:
    return sit(
        BY_NAME[name],
        first_batch=0,
        inputs=inputs,
        seconds=seconds,
        catalogue="tests.mutation.planted",
        hang_s=hang_s,
    )


def test_an_error_that_is_not_documented() -> None:
    sitting = sat("undocumented")
    (found,) = sitting.findings
    assert found["kind"] == "undocumented"
    assert found["site"].startswith("KeyError at tests/mutation/planted.py: ")
    assert bytes.fromhex(found["input"]) == BAD
    assert sitting.ran == 2000


@pytest.mark.parametrize(("name", "kind"), [("hangs", "hang"), ("dies", "crash")])
def test_an_input_that_ends_the_process_and_the_next_one_s_turn(name: str, kind: str) -> None:
    sitting = sat(name, hang_s=1)
    assert [found["kind"] for found in sitting.findings] == [kind] * MOST_STOPS
    inputs = [bytes.fromhex(found["input"]) for found in sitting.findings]
    assert all(BAD in data for data in inputs)
    assert len(set(inputs)) > 1  # it went on behind the first


def test_memory_beyond_the_process_s_own() -> None:
    (found,) = sat("is_greedy").findings
    assert found["says"].startswith("MemoryError")


def test_growth() -> None:
    sitting = sat("grows", inputs=10**6, seconds=9)
    assert [found["kind"] for found in sitting.findings] == ["growth"]
    assert sitting.growth_kib > 16 * 1024


def test_an_input_that_takes_long() -> None:
    (found,) = sat("is_slow", inputs=400).findings
    assert found["kind"] == "slow"
    assert BAD in bytes.fromhex(found["input"])


def test_a_sound_parser_has_no_findings_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    target = BY_NAME["is_sound"]
    ledger = Ledger(tmp_path / "counts.json")
    ledger.entry(target).add(sat("is_sound"))
    ledger.save()
    entry = Ledger(tmp_path / "counts.json").entry(target)
    assert entry.findings == []
    assert (entry.ran, entry.left) == (2000, WANTED - 2000)
    assert entry.accepted + entry.refused == 2000
    assert min(entry.accepted, entry.refused) > 0
    assert entry.next_batch == 10


def test_counts_of_another_source_are_forgotten(tmp_path: Path) -> None:
    target = BY_NAME["is_sound"]
    ledger = Ledger(tmp_path / "counts.json")
    entry = ledger.entry(target)
    entry.ran, entry.digest = 5, "another"
    ledger.save()
    assert Ledger(tmp_path / "counts.json").entry(target).ran == 0


def test_the_smallest_input() -> None:
    data = bytes(300) + b"a" + bytes(300) + b"b"
    assert smallest(data, lambda d: b"a" in d and b"b" in d) == b"ab"
