"""What a faulty cluster makes of policies: each fault spoils its criterion's judged step alone."""

from __future__ import annotations

import pytest

from blueprints import model, policy_matrix
from blueprints.policy_matrix import Policy, Scenario, Step
from lab.iec.rewriting import REWRITINGS, Change
from tests.blueprints.policy_oracle import Oracle

MATRIX = policy_matrix.load()
#: Those without Calico's own policies, whose meaning the oracle does not know.
SCENARIOS = {name: one for name, one in MATRIX.scenarios.items() if not one.calico}
BLUEPRINT = model.load()
#: Those that change what policies mean; the others change what becomes of objects that are there.
MEANING = {
    name: rewriting.change
    for name, rewriting in REWRITINGS.items()
    if rewriting.resources == ("networkpolicies",)
    and name not in ("k8s.policy-change-lost", "k8s.policy-kept")
}


def rewritten(step: Step, change: Change) -> Step:
    policies = {
        namespace: {name: _rewritten(policy, change) for name, policy in inside.items()}
        for namespace, inside in step.policies.items()
    }
    return step.model_copy(update={"policies": policies})


def _rewritten(policy: Policy, change: Change) -> Policy:
    sent = {"metadata": {}, "spec": policy.spec(lambda pod: f"{{{pod}}}")}
    change(sent, {})
    return Policy.model_validate(sent["spec"])


def holds(step: Step, change: Change) -> bool:
    oracle = Oracle(MATRIX, rewritten(step, change))
    return all(oracle.allows(cell) == allowed for cell, allowed in step.expected.items())


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_s_fault_spoils_what_is_judged(scenario: Scenario) -> None:
    fault = BLUEPRINT.criterion(scenario.criterion).fault
    if fault in MEANING:
        change = MEANING[fault]
        assert holds(scenario.control, change)
        assert scenario.before is None or holds(scenario.before, change)
        assert not holds(scenario, change)


@pytest.mark.parametrize("fault", MEANING)
def test_a_fault_s_blast_radius_is_what_it_spoils(fault: str) -> None:
    spoilt = {
        scenario.criterion
        for scenario in SCENARIOS.values()
        for step in (scenario.before, scenario)
        if step and not holds(step, MEANING[fault])
    }
    assert spoilt <= {*BLUEPRINT.faults[fault].blast}
