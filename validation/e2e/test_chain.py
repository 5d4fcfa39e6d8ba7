"""The layers on each other: what the PaaS publishes on the IaaS' nodes, pods may call or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.models.networking_v1 import (
    IPBlock,
    NetworkPolicyEgressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from lightkube.resources.networking_v1 import NetworkPolicy

from blueprints.evidence import Evidence
from fixtures.cluster import node_addresses
from fixtures.from_pod import PodCaller
from lab.errors import LabError
from lab.iec.client import Cluster
from lab.iec.workload import Place, Work
from lab.session import Lab
from lab.tars.echo_client import Echo, Identity
from lab.tars.errors import NoAnswer
from lab.tars.recipe import AGENT_ROLE, node_name
from lab.tars.trial import FOLLOWS_S, Trial
from lab.wait import wait_for

EARLIER, PUBLISHED = "1.0.0", "2.0.0"
ALLOWED, OTHER = "allowed", "other"
#: How long the cluster may take until a new policy holds, seconds.
HOLDS_S = 10.0


@dataclass(frozen=True)
class Chain:
    """A servant published on a node of the cluster, and two pods; policy lets one of them call."""

    place: Place
    trial: Trial

    def ask(self, pod: str) -> Identity:
        caller = PodCaller(self.place, pod, self.trial.found_by_name())
        return Echo(caller, self.trial.object_name).identity()

    def answered(self, pod: str) -> bool:
        try:
            self.ask(pod)
        except NoAnswer:
            return False
        return True


@pytest.fixture(scope="module")
def chain(lab: Lab, cluster: Cluster, new_namespace: Callable[[str], Place]) -> Iterator[Chain]:
    """Without a policy both pods are answered; then egress is closed but for one pod."""
    node = node_name(lab, lab.inventory.with_role(AGENT_ROLE)[0])
    _require_node(cluster, node)
    place = new_namespace("e2e")
    place.pods({pod: Work(labels={"may-call": pod}) for pod in (ALLOWED, OTHER)})
    with Trial(lab) as trial:
        trial.run(EARLIER)
        chain = Chain(place, trial)
        for pod in (ALLOWED, OTHER):
            wait_for(f"an answer to pod {pod}", partial(chain.answered, pod), timeout=HOLDS_S)
        for name, spec in _policies(*trial.found_by_name()).items():
            policy = NetworkPolicy(metadata=ObjectMeta(name=name), spec=spec)
            cluster.kube.create(policy, namespace=place.name)
        trial.publish(PUBLISHED)
        yield chain


def _require_node(cluster: Cluster, address: str) -> None:
    found = node_addresses(cluster)
    if address not in found:
        raise LabError(
            f"the Tars node {address} is no node of the cluster",
            found=f"nodes at {', '.join(sorted(found))}",
            advice="hosts with the role tars-agent belong to the cluster",
        )


def _policies(host: str, port: int) -> dict[str, NetworkPolicySpec]:
    """All egress is closed; what carries the label may reach the servant."""
    servant = NetworkPolicyPeer(ipBlock=IPBlock(cidr=f"{host}/32"))
    rule = NetworkPolicyEgressRule(
        to=[servant], ports=[NetworkPolicyPort(port=port, protocol="TCP")]
    )
    chosen = LabelSelector(matchLabels={"may-call": ALLOWED})
    return {
        "closed": NetworkPolicySpec(podSelector=LabelSelector(), policyTypes=["Egress"]),
        "to-servant": NetworkPolicySpec(podSelector=chosen, policyTypes=["Egress"], egress=[rule]),
    }


@pytest.mark.criterion("E2E-01")
def test_a_published_servant_answers_a_pod(chain: Chain, evidence: Evidence) -> None:
    with evidence.judge("the pod that policy lets through is answered by what was published"):
        wait_for(
            f"version {PUBLISHED}, asked from a pod",
            lambda: chain.ask(ALLOWED).version == PUBLISHED,
            timeout=FOLLOWS_S,
        )


@pytest.mark.criterion("E2E-02")
def test_policy_keeps_other_pods_from_it(chain: Chain, evidence: Evidence) -> None:
    with evidence.judge("a pod that no policy lets through is not answered"):
        wait_for(
            "that the servant is out of the other pod's reach",
            lambda: not chain.answered(OTHER),
            timeout=HOLDS_S,
        )
