"""The bench of the connected vehicles: what it asks of an edge, and its figure at full rate."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import cvb
from benchmarks.edge_process import edge_process
from benchmarks.figures import BenchFailed
from lab.cvb.contracts import EDGE_OBJECT, Edge
from lab.cvb.truth import due
from lab.tars.client import TarsClient


def test_each_vehicle_is_due_one_warning_of_its_own_pedestrian() -> None:
    dues = due(cvb.many_hazards(3))
    pairs = {(one.vehicle, one.object) for one in dues if one.due}
    assert pairs == {(f"car-3-{n}", f"walker-3-{n}") for n in range(cvb.PAIRS)}
    assert len(dues) == cvb.PAIRS, "and nothing else may be warned of"


def test_an_edge_alone_works_out_every_frame(tmp_path: Path) -> None:
    with edge_process(tmp_path) as address:
        with pytest.raises(BaseExceptionGroup) as without_policy:
            asyncio.run(cvb.full_rate(address, 0))
        assert without_policy.group_contains(BenchFailed, match="took no frame: code 3")
        with TarsClient(address) as client:
            cvb.policy(Edge(client, EDGE_OBJECT))
        assert asyncio.run(cvb.full_rate(address, 1)) > 1000
