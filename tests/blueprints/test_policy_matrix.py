"""The network policy matrix: its cells say what its policies mean, and its model is strict."""

from pathlib import Path

import pytest

from blueprints import model, policy_matrix
from blueprints.errors import ConfigError
from blueprints.policy_matrix import DIRECTORY, STAGE, Policy
from tests.blueprints.policy_oracle import Oracle

MATRIX = policy_matrix.load()
STEPS = {
    f"{name} {which}": step
    for name, scenario in MATRIX.scenarios.items()
    for which, step in (
        ("control", scenario.control),
        ("before", scenario.before),
        ("judged", scenario),
    )
    if step is not None and not step.calico  # whose meaning the oracle does not know
}


@pytest.mark.parametrize("name", STEPS)
def test_cells_say_what_the_policies_mean(name: str) -> None:
    step = STEPS[name]
    oracle = Oracle(MATRIX, step)
    assert {cell: oracle.allows(cell) for cell in step.expected} == step.expected


def test_every_scenario_shows_a_difference() -> None:
    # Each judged cell is seen allowed and denied, or stands beside one that is.
    for name, scenario in MATRIX.scenarios.items():
        seen = [scenario.control, scenario.before, scenario]
        assert any(step.denied for step in seen if step), name


def test_every_scenario_is_a_criterion_of_the_blueprint() -> None:
    criteria = [scenario.criterion for scenario in MATRIX.scenarios.values()]
    assert len({*criteria}) == len(criteria)
    by_id = model.load().by_id
    assert [by_id[one].layer for one in criteria] == ["k8s"] * len(criteria)


def test_addresses_of_pods_are_put_into_blocks() -> None:
    policy = Policy.model_validate(
        {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"ipBlock": {"cidr": "{home/a}/32", "except": ["{home/b}/32"]}}]}
            ],
        }
    )
    spec = policy.spec({"home/a": "10.1.2.3", "home/b": "10.1.2.4"}.__getitem__)
    assert spec["ingress"] == [
        {"from": [{"ipBlock": {"cidr": "10.1.2.3/32", "except": ["10.1.2.4/32"]}}]}
    ]


GOOD = """\
scenarios:
  one:
    criterion: K8S-41
    says: nothing comes in
    policies: {home: {deny: {podSelector: {}, policyTypes: [Ingress]}}}
    denied: [home/friend -> home/server TCP 8080]
"""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("home/friend", "home/fiend"), "unknown pod 'home/fiend'.*home/friend"),
        (("TCP 8080", "UDP 8080"), "home/server does not listen on UDP 8080"),
        (("{home:", "{hame:"), "unknown namespace 'hame'"),
        (("podSelector", "podSelektor"), "unknown key 'podSelektor'; .*podSelector"),
        (("[Ingress]", "[]"), "policyTypes"),
        (("[Ingress]", "[Ingress], egress: [{}]"), "has rules of Egress"),
        (
            ("[Ingress]", "[Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]"),
            "10.0.0.0/33",
        ),
        (("[Ingress]", "[Ingress], ingress: [{from: [{}]}]"), "either an ipBlock or selectors"),
        (
            ("[Ingress]", "[Ingress], ingress: [{from: [{ipBlock: {cidr: '{home/x}/32'}}]}]"),
            "unknown pod 'home/x'",
        ),
        ((" -> ", " to "), "a cell reads"),
        (
            ("    denied:", "    denied: []\n    labels: {home/nobody: {a: b}}\n    allowed:"),
            "nobody",
        ),
        (
            ("    denied:", "    allowed: [home/friend -> home/server TCP 8080]\n    denied:"),
            "both allowed and denied",
        ),
        (("    denied: [home/friend -> home/server TCP 8080]\n", ""), "a scenario has cells"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    (tmp_path / STAGE).write_text((DIRECTORY / STAGE).read_text())
    file = tmp_path / "own.yaml"
    file.write_text(GOOD)
    assert [*policy_matrix.load.__wrapped__(tmp_path).scenarios] == ["one"]

    assert change[0] in GOOD
    file.write_text(GOOD.replace(*change))
    with pytest.raises(ConfigError, match=rf"own\.yaml:\d+:\d+: .*{says}"):
        policy_matrix.load.__wrapped__(tmp_path)
