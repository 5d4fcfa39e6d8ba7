"""The network policy matrix (`blueprints.policy_matrix`): each cell is proven by packets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blueprints import policy_matrix
from blueprints.evidence import Evidence
from blueprints.policy_matrix import Scenario, Step
from lab.iec.client import Cluster
from lab.iec.policies import Stage

SCENARIOS = [
    pytest.param(scenario, id=name, marks=pytest.mark.criterion(scenario.criterion))
    for name, scenario in policy_matrix.load().scenarios.items()
]


@pytest.fixture
def prepared(stage: Stage) -> Iterator[Stage]:
    yield stage
    stage.put(Step())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_matrix_holds(
    scenario: Scenario, cluster: Cluster, prepared: Stage, evidence: Evidence
) -> None:
    _require_release(cluster, scenario.since)
    for step in filter(None, (scenario.control, scenario.before)):
        prepared.put(step)
        prepared.settled(step)
    evidence.attach("scenario.json", scenario.model_dump_json(indent=2, exclude_defaults=True))
    with evidence.judge(scenario.says):
        prepared.put(scenario)
        prepared.settled(scenario)


def _require_release(cluster: Cluster, since: str | None) -> None:
    if since is None:
        return
    found = cluster.json("/version")
    has = int(found["major"]), int(found["minor"].rstrip("+"))
    if has < tuple(map(int, since.split("."))):
        pytest.skip(f"needs Kubernetes {since}; this cluster has {found['gitVersion']}")
