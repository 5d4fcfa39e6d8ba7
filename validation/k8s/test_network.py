"""Pods' network: who reaches whom, how large packets may be, where addresses come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from lightkube.resources.core_v1 import Endpoints, Pod

from blueprints.evidence import Evidence
from blueprints.policy_matrix import Cell, Step
from lab.iec import calico
from lab.iec.client import Cluster
from lab.iec.policies import Stage, two_nodes
from lab.iec.traffic import Outcome, To, attempt, large_datagram
from lab.iec.workload import Place, Work, ip_of
from lab.wait import wait_for

#: So many pods come and go, so many of them at once.
CYCLES, AT_ONCE = 30, 10
#: How long it may take until IPAM has back what pods leave, seconds.
GIVEN_BACK_S = 20.0
#: How long a path may take to be open once its pods are ready, seconds.
OPEN_S = 10.0

#: The stage's pods that the node's own network stack must answer first.
SERVE = Step(
    allowed=tuple(
        Cell.model_validate(f"{pod} -> {pod} TCP 8080")
        for pod in ("home/server", "home/stranger", "away/stranger")
    )
)


def cells(*texts: str) -> Step:
    return Step(allowed=tuple(map(Cell.model_validate, texts)))


@pytest.mark.criterion("K8S-30")
def test_pods_of_one_node_reach_each_other(stage: Stage, evidence: Evidence) -> None:
    stage.settled(SERVE)
    with evidence.judge("pods on one node reach each other"):
        stage.settled(
            cells(
                "home/friend -> home/server TCP 8080",
                "home/friend -> home/server UDP 8081",
                "away/stranger -> home/server TCP 8090",
            )
        )


@pytest.mark.criterion("K8S-31")
def test_pods_of_two_nodes_reach_each_other(
    stage: Stage, two: tuple[str, str], evidence: Evidence
) -> None:
    stage.settled(SERVE)
    with evidence.judge(f"pods on {' and '.join(two)} reach each other"):
        stage.settled(
            cells(
                "home/friend -> home/stranger TCP 8080",
                "home/stranger -> home/server UDP 8081",
                "away/friend -> away/stranger TCP 8080",
            )
        )


@pytest.fixture
def two(cluster: Cluster) -> tuple[str, str]:
    first, second = two_nodes(cluster)
    if first == second:
        pytest.skip("the cluster has one node that takes pods; two are needed")
    return first, second


@pytest.mark.criterion("K8S-32")
def test_packets_of_full_size_arrive(stage: Stage, evidence: Evidence) -> None:
    stage.settled(SERVE)
    with evidence.judge("packets as large as a pod's interface takes arrive, and so do answers"):
        for target in ("home/server", "home/stranger"):
            size, outcome = large_datagram(
                stage.source("home/friend"), To(stage.address(target), 8081, "UDP")
            )
            evidence.measure(f"packet_to_{target.partition('/')[2]}", size, "bytes")
            assert outcome is Outcome.OPEN, f"a packet of {size} bytes to {target} is {outcome}"


@pytest.mark.criterion("K8S-33")
def test_pods_reach_the_api_server(stage: Stage, cluster: Cluster, evidence: Evidence) -> None:
    found = cluster.kube.get(Endpoints, "kubernetes", namespace="default")
    servers = {
        To(address.ip, port.port)
        for subset in found.subsets or ()
        for address in subset.addresses or ()
        for port in subset.ports or ()
    }
    assert servers, "the cluster does not say where its API server is"
    with evidence.judge("pods reach the API server"):
        for pod in ("home/friend", "home/stranger"):

            def all_open(pod: str = pod) -> bool:
                tried = attempt(stage.source(pod), servers)
                closed = [f"{to} is {got}" for to, got in tried.items() if got is not Outcome.OPEN]
                assert not closed, f"from {pod} {', '.join(closed)}"
                return True

            wait_for(
                "a connection to the API server",
                all_open,
                timeout=OPEN_S,
                not_yet=(AssertionError,),
            )


@pytest.mark.criterion("K8S-34")
def test_addresses_are_the_pool_s_and_nobody_else_s(
    cluster: Cluster, new_namespace: Callable[[str], Place], evidence: Evidence
) -> None:
    pools = calico.pools(cluster)
    place = new_namespace("addresses")
    made = place.pods({f"pod-{i}": Work() for i in range(3)})
    with evidence.judge("every pod has an address of its own, from a pool"):
        known = {one.pod: one.address for one in calico.allocations(cluster, place.name)}
        for name, pod in made.items():
            address = ip_of(pod)
            assert calico.within(address, pools), f"{name}'s {address} is in no pool"
            assert known.get(name) == address, f"IPAM gave {name} {known.get(name)}, not {address}"
        used = Counter(_addresses(cluster))
        shared = [address for address, pods in used.items() if pods > 1]
        assert not shared, f"several pods have the address {', '.join(shared)}"


def _addresses(cluster: Cluster) -> list[str]:
    """The addresses of all running pods that have a network of their own."""
    return [
        pod.status.podIP
        for pod in cluster.kube.list(Pod, namespace="*")
        if pod.status and pod.status.podIP and pod.status.phase == "Running"
        if pod.spec and not pod.spec.hostNetwork
    ]


@pytest.mark.long
@pytest.mark.timeout(600)  # thirty pods, on a machine that has other things to do
@pytest.mark.criterion("K8S-35")
def test_addresses_are_given_back(
    cluster: Cluster, new_namespace: Callable[[str], Place], evidence: Evidence
) -> None:
    place = new_namespace("cycles")
    handles: set[str] = set()
    for first in range(0, CYCLES, AT_ONCE):
        names = [f"pod-{i}" for i in range(first, first + AT_ONCE)]
        place.pods({name: Work() for name in names})
        given = calico.allocations(cluster, place.name)
        assert len({one.pod for one in given} & {*names}) == AT_ONCE, "IPAM knows all pods"
        handles |= {one.handle for one in given}
        place.remove(*names)
    with evidence.judge(f"nothing is left of {CYCLES} pods' addresses"):
        evidence.measure("pods", CYCLES, "count")

        def nothing_left() -> bool:
            left = calico.allocations(cluster, place.name)
            assert not left, f"IPAM still has {len(left)} addresses, of {left[0].pod} and others"
            kept = handles & calico.handles(cluster)
            assert not kept, f"IPAM still has {len(kept)} handles"
            return True

        wait_for(
            "all addresses given back",
            nothing_left,
            timeout=GIVEN_BACK_S,
            not_yet=(AssertionError,),
        )
