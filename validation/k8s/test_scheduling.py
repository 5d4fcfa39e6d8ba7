"""Where the scheduler puts pods, and where it must not."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from lightkube.models.core_v1 import (
    Affinity,
    PodAffinityTerm,
    PodAntiAffinity,
    Taint,
    Toleration,
)
from lightkube.models.meta_v1 import LabelSelector
from lightkube.resources.core_v1 import Node, Pod
from lightkube.types import PatchType
from lightkube.utils.quantity import parse_quantity

from blueprints.evidence import Evidence
from lab.errors import LabError
from lab.iec.client import Cluster
from lab.iec.workload import HOSTNAME, Place, Work, metadata, name_of, schedulable, state_of
from lab.wait import wait_for

#: The suite's own labels and taints of nodes.
MARK = "iec4.run/judged"
#: Beside these criteria another may have a node drained.
CORDONED = Toleration(key="node.kubernetes.io/unschedulable", operator="Exists")
#: How long the scheduler may take to decide, seconds.
DECIDED_S = 20.0
#: How long it may go by what it knew of a node before, seconds.
HEEDED_S = 5.0


def decided(pod: Pod) -> bool:
    """Whether the scheduler has found a node for a pod, or found that there is none."""
    assert pod.spec is not None
    conditions = (pod.status and pod.status.conditions) or ()
    return bool(pod.spec.nodeName) or any(
        one.type == "PodScheduled" and one.reason == "Unschedulable" for one in conditions
    )


def decisions(place: Place, *names: str) -> dict[str, Pod]:
    """The pods of these names, once the scheduler has decided on each."""

    def all_decided(found: Sequence[Pod]) -> bool:
        return set(names) <= {name_of(pod) for pod in found if decided(pod)}

    what = f"a decision of the scheduler on {', '.join(names)}"
    found = place.wait_pods(what, all_decided, timeout=DECIDED_S)
    return {name_of(pod): pod for pod in found if name_of(pod) in names}


def node_of(pod: Pod) -> str | None:
    assert pod.spec is not None
    return pod.spec.nodeName


def kept_away(place: Place, work: Work) -> bool:
    """Whether the scheduler finds no node for a new pod."""
    name = f"tried-{secrets.token_hex(4)}"
    place.pod(name, work)
    return node_of(decisions(place, name)[name]) is None


def a_node(cluster: Cluster) -> str:
    """A node that takes any pod; raises `LabError` where there is none."""
    nodes = schedulable(cluster)
    if not nodes:
        raise LabError("no node of the cluster takes pods", expected="one without a taint")
    return nodes[0]


@contextmanager
def labelled(cluster: Cluster, node: str, value: str) -> Iterator[None]:
    """A node with the suite's label, which is taken away again."""

    def label(to: str | None) -> None:
        patch = {"metadata": {"labels": {MARK: to}}}
        cluster.kube.patch(Node, node, patch, patch_type=PatchType.MERGE)

    label(value)
    try:
        yield
    finally:
        label(None)


@contextmanager
def tainted(cluster: Cluster, node: str, value: str) -> Iterator[None]:
    """A node that takes no pod but those that tolerate the suite's taint."""

    def taint(*added: Taint) -> None:
        spec = cluster.kube.get(Node, node).spec
        kept = [one for one in (spec and spec.taints) or () if one.key != MARK]
        patch = {"spec": {"taints": [one.to_dict() for one in (*kept, *added)]}}
        cluster.kube.patch(Node, node, patch, patch_type=PatchType.MERGE)

    taint(Taint(key=MARK, value=value, effect="NoSchedule"))
    try:
        yield
    finally:
        taint()


@pytest.mark.criterion("K8S-08")
def test_a_pod_goes_where_it_selects(
    cluster: Cluster, agnhost_place: Place, evidence: Evidence
) -> None:
    value = secrets.token_hex(4)
    node = a_node(cluster)
    with evidence.judge("a pod runs on the node that has the label it selects, and nowhere else"):
        agnhost_place.pod("selects", Work(selector={MARK: value}, tolerations=[CORDONED]))
        found = decisions(agnhost_place, "selects")["selects"]
        assert node_of(found) is None, f"it was put on {node_of(found)}, which has no such label"
        with labelled(cluster, node, value):
            found = agnhost_place.ready("selects")["selects"]
            assert node_of(found) == node, f"it was put on {node_of(found)}, not on {node}"


@pytest.mark.criterion("K8S-09")
def test_a_taint_keeps_pods_away(
    cluster: Cluster, agnhost_place: Place, evidence: Evidence
) -> None:
    value = secrets.token_hex(4)
    node = a_node(cluster)
    here = {HOSTNAME: (metadata(cluster.kube.get(Node, node)).labels or {})[HOSTNAME]}
    tolerates = Toleration(key=MARK, operator="Equal", value=value, effect="NoSchedule")
    with (
        tainted(cluster, node, value),
        evidence.judge("a tainted node takes the pods that tolerate it, and no others"),
    ):
        wait_for(
            "that no pod runs which does not tolerate it",
            lambda: kept_away(agnhost_place, Work(selector=here)),
            timeout=HEEDED_S,
        )
        agnhost_place.pod("tolerant", Work(selector=here, tolerations=[tolerates, CORDONED]))
        found = decisions(agnhost_place, "tolerant")["tolerant"]
        assert node_of(found) == node, state_of(found)


@pytest.mark.criterion("K8S-10")
def test_a_pod_that_fits_nowhere_waits(
    cluster: Cluster, agnhost_place: Place, evidence: Evidence
) -> None:
    most = max(
        parse_quantity(node.status.allocatable["cpu"]) or 0
        for node in cluster.kube.list(Node)
        if node.status and node.status.allocatable
    )
    with evidence.judge("a pod that asks for more than any node has stays pending"):
        agnhost_place.pod("greedy", Work(requests={"cpu": str(2 * most)}))
        found = decisions(agnhost_place, "greedy")["greedy"]
        assert node_of(found) is None, f"it was put on {node_of(found)}, which has not so much"
        assert "Insufficient cpu" in state_of(found), f"it waits for {state_of(found)}"


@pytest.mark.criterion("K8S-11")
def test_pods_that_avoid_each_other_are_apart(
    cluster: Cluster, agnhost_place: Place, evidence: Evidence
) -> None:
    """One more than there are nodes: so two are on one, or one waits."""
    avoid = PodAffinityTerm(
        topologyKey=HOSTNAME,
        labelSelector=LabelSelector(matchLabels={"avoids": "its-like"}),
    )
    term = PodAntiAffinity(requiredDuringSchedulingIgnoredDuringExecution=[avoid])
    work = Work(labels={"avoids": "its-like"}, more={"affinity": Affinity(podAntiAffinity=term)})
    names = [f"avoids-{i}" for i in range(len(list(cluster.kube.list(Node))) + 1)]
    with evidence.judge("no two pods that avoid each other are on one node"):
        for name in names:
            agnhost_place.pod(name, work)
        homes = [node_of(pod) for pod in decisions(agnhost_place, *names).values()]
        used = [home for home in homes if home]
        assert used, "none of them got a node"
        assert len(used) == len(set(used)), f"they were put on {', '.join(used)}"
