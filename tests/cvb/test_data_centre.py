"""What the data centre keeps, for whom, and over a restart."""

from __future__ import annotations

import pytest

from lab.cvb.contracts import STORED_AT_ONCE, Batch, Code, Kind
from lab.cvb.embedded.data_centre import BATCHES_FILE
from tests.cvb.running_site import RunningSite


def batch(sequence: int, *, edge: str = "somewhere", frames: int = 1) -> Batch:
    return Batch(edge, sequence, "app", sequence, sequence + 1, frames, {Kind.CYCLIST: 2})


def test_a_repeated_batch_is_kept_once(running: RunningSite) -> None:
    core = running.data_centre
    for sequence in (1, 2, 2, 1, 3):
        assert core.store("edge", batch(sequence)).ret == Code.DONE
    assert core.store("edge", batch(3)).acknowledged == 3
    assert core.stored("policy", "somewhere").batches == [batch(n) for n in (1, 2, 3)]


def test_another_batch_with_a_number_that_is_taken_is_stale(running: RunningSite) -> None:
    core = running.data_centre
    core.store("edge", batch(7))
    answer = core.store("edge", batch(7, frames=9))
    assert (answer.ret, answer.acknowledged) == (Code.STALE, 7)
    assert core.stored("policy", "somewhere").batches == [batch(7)]


def test_edges_are_kept_apart(running: RunningSite) -> None:
    core = running.data_centre
    core.store("edge", batch(5))
    core.store("edge", batch(1, edge="elsewhere"))
    assert core.stored("edge", "elsewhere").batches == [batch(1, edge="elsewhere")]
    assert core.stored("edge", "nowhere").batches == []


def test_batches_are_told_by_the_thousand(running: RunningSite) -> None:
    core = running.data_centre
    for sequence in range(1, STORED_AT_ONCE + 3):
        core.store("edge", batch(sequence))
    first = core.stored("policy", "somewhere").batches
    assert len(first) == STORED_AT_ONCE
    rest = core.stored("policy", "somewhere", first[-1].sequence).batches
    assert [one.sequence for one in rest] == [STORED_AT_ONCE + 1, STORED_AT_ONCE + 2]


@pytest.mark.parametrize("torn", [False, True])
def test_a_restart_loses_none(running: RunningSite, torn: bool) -> None:
    for sequence in (1, 2):
        running.data_centre.store("edge", batch(sequence))
    running.stop("core")
    if torn:
        with (running.homes["core"] / BATCHES_FILE).open("a") as file:
            file.write('{"edge": "somewh')
    running.start("core")
    core = running.data_centre
    assert core.stored("policy", "somewhere").batches == [batch(1), batch(2)]
    assert core.store("edge", batch(3)).acknowledged == 3


def test_only_edges_store_and_only_who_may_reads(running: RunningSite) -> None:
    core = running.data_centre
    assert core.store("policy", batch(1)).ret == Code.UNAUTHORISED
    assert core.store("edge", batch(0)).ret == Code.MALFORMED
    assert core.stored("publisher", "somewhere").ret == Code.UNAUTHORISED
