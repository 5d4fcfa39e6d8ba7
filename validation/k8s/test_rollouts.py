"""Applications that are updated, rolled back and moved while they are used."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from lightkube.models.core_v1 import (
    Affinity,
    PodAffinityTerm,
    PodAntiAffinity,
    WeightedPodAffinityTerm,
)
from lightkube.models.meta_v1 import LabelSelector
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.core_v1 import Node, Pod
from lightkube.types import PatchType

from blueprints.evidence import Evidence, WindowSpoilt
from fixtures.cluster import refusal_of
from lab.errors import LabError
from lab.iec.client import Cluster
from lab.iec.workload import (
    HOSTNAME,
    HTTP_PORT,
    Place,
    Work,
    ip_of,
    is_ready,
    metadata,
    name_of,
    schedulable,
    serving,
)
from lab.wait import wait_for

VERSION = "version"
REVISION = "deployment.kubernetes.io/revision"
#: How long a rollout of two pods may take, seconds.
ROLLED_OUT_S = 45.0
#: What a pod that ends goes on serving for, so that its clients hear of its end first (s).
FAREWELL_S = 2
#: A client asks so often (s), and waits so long for a connection.
PACE_S = 0.1
ANSWERED_S = 1
EVICTED_S = 30.0


def deploy(
    place: Place, name: str, *, replicas: int = 2, farewell_s: int = 0, more: object = None
) -> list[Pod]:
    """The pods of a deployment of version 1, ready, none of them ever missing in an update.

    A pod that ends serves on for ``farewell_s``, so that its clients hear of its end first.
    """
    work = serving(
        f"--delay-shutdown={farewell_s}",
        labels={VERSION: "1"},
        grace_s=farewell_s + 2,
        more=more or {},
    )
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    place.deployment(name, work, replicas=replicas, strategy=strategy)
    return all_ready(place, name, version="1", replicas=replicas)


def all_ready(place: Place, name: str, *, version: str, replicas: int = 2) -> list[Pod]:
    """A deployment's pods once there are so many of a version, ready, and no others."""

    def done(found: Sequence[Pod]) -> bool:
        serve = [pod for pod in found if is_ready(pod) and _version(pod) == version]
        return len(serve) == len(found) == replicas

    what = f"a rollout of version {version} of {name}"
    return place.wait_pods(what, done, labels={"app": name}, timeout=ROLLED_OUT_S)


def update(place: Place, name: str, version: str) -> None:
    change = {"spec": {"template": {"metadata": {"labels": {VERSION: version}}}}}
    place.cluster.kube.patch(Deployment, name, change, namespace=place.name)


def _version(pod: Pod) -> str | None:
    return (metadata(pod).labels or {}).get(VERSION)


@dataclass
class Client:
    """A client in a pod that asks one of an application's ready pods after the other.

    ``late``: it was itself so slow that the pod may have said farewell meanwhile.
    """

    place: Place
    name: str
    asked: int = 0
    late: int = 0
    lost: list[str] = field(default_factory=list)

    def ask(self) -> None:
        """Connect to the next of the pods that are ready now, as a service's address would."""
        since = time.monotonic()
        ready = [
            pod
            for pod in self.place.cluster.kube.list(
                Pod, namespace=self.place.name, labels={"app": self.name}
            )
            if is_ready(pod)
        ]
        self.asked += 1
        if not ready:
            self.lost.append("no pod was ready")
            return
        pod = ready[self.asked % len(ready)]
        to = f"{ip_of(pod)}:{HTTP_PORT}"
        answer = self.place.execute(
            f"{self.name}-client", "/agnhost", "connect", to, f"--timeout={ANSWERED_S}s"
        )
        if time.monotonic() - since > FAREWELL_S:
            self.late += 1
        elif answer.status:
            self.lost.append(f"{name_of(pod)} said {(answer.stderr or answer.stdout).strip()}")

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask again and again until the context ends; what goes wrong in it counts as lost."""
        over = threading.Event()

        def ask_on() -> None:
            while not over.wait(PACE_S):
                try:
                    self.ask()
                except LabError as error:
                    self.lost.append(str(error))

        asking = threading.Thread(target=ask_on)
        asking.start()
        try:
            yield
        finally:
            over.set()
            asking.join()


@pytest.mark.long
@pytest.mark.criterion("K8S-12")
def test_an_update_loses_no_request(agnhost_place: Place, evidence: Evidence) -> None:
    agnhost_place.pod("updated-client", Work())
    deploy(agnhost_place, "updated", farewell_s=FAREWELL_S)
    agnhost_place.ready("updated-client")
    client = Client(agnhost_place, "updated")
    client.ask()
    assert not client.lost, client.lost[0]
    with evidence.judge("an update replaces every pod and loses no request"):
        with client.asking():
            update(agnhost_place, "updated", "2")
            all_ready(agnhost_place, "updated", version="2")
        if client.asked == client.late:
            raise WindowSpoilt(f"none of {client.asked} requests was made in time: we were slow")
        evidence.measure("requests", client.asked - client.late, "count")
        lost = f"{len(client.lost)} of {client.asked} requests were lost"
        assert not client.lost, f"{lost}: {client.lost[0]}"


@pytest.mark.criterion("K8S-13")
def test_an_update_can_be_taken_back(agnhost_place: Place, evidence: Evidence) -> None:
    before = deploy(agnhost_place, "returned", replicas=1)
    update(agnhost_place, "returned", "2")
    all_ready(agnhost_place, "returned", version="2", replicas=1)
    with evidence.judge("a deployment goes back to what it was before its update"):
        earlier = [
            one
            for one in agnhost_place.cluster.kube.list(
                ReplicaSet, namespace=agnhost_place.name, labels={"app": "returned"}
            )
            if (metadata(one).annotations or {}).get(REVISION) == "1"
        ]
        assert earlier, "revision 1 is not kept: there is nothing to go back to"
        template = earlier[0].to_dict()["spec"]["template"]
        del template["metadata"]["labels"]["pod-template-hash"]
        change = [{"op": "replace", "path": "/spec/template", "value": template}]
        agnhost_place.cluster.kube.patch(
            Deployment,
            "returned",
            change,
            namespace=agnhost_place.name,
            patch_type=PatchType.JSON,
        )
        after = all_ready(agnhost_place, "returned", version="1", replicas=1)
        assert _hashes(after) == _hashes(before), "its pods are not as those before the update"


def _hashes(pods: Sequence[Pod]) -> set[str]:
    return {(metadata(pod).labels or {})["pod-template-hash"] for pod in pods}


def evict(place: Place, pod: str) -> None:
    """Ask for a pod's end, as ``kubectl drain`` does; raises `Refused` where it may not end."""
    version = "v1" if _has(place.cluster, "v1") else "v1beta1"  # v1 came with Kubernetes 1.22
    place.cluster.post(
        f"/api/v1/namespaces/{place.name}/pods/{pod}/eviction",
        {"apiVersion": f"policy/{version}", "kind": "Eviction", "metadata": {"name": pod}},
    )


def _has(cluster: Cluster, version: str) -> bool:
    return version in {one["version"] for one in cluster.json("/apis/policy")["versions"]}


@pytest.mark.criterion("K8S-14")
def test_a_disruption_budget_holds(agnhost_place: Place, evidence: Evidence) -> None:
    cluster = agnhost_place.cluster
    pods = deploy(agnhost_place, "budgeted")
    version = "v1" if _has(cluster, "v1") else "v1beta1"
    budgets = f"/apis/policy/{version}/namespaces/{agnhost_place.name}/poddisruptionbudgets"
    budget = {
        "apiVersion": f"policy/{version}",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "budgeted"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "budgeted"}}},
    }
    cluster.post(budgets, budget)
    wait_for(
        "the budget's first count of its pods",
        lambda: cluster.json(f"{budgets}/budgeted").get("status", {}).get("expectedPods") == 2,
        timeout=EVICTED_S,
    )
    with evidence.judge("no pod is evicted that its disruption budget still needs"):
        refusal = refusal_of(lambda: evict(agnhost_place, name_of(pods[0])))
        assert refusal, "a pod was evicted that its budget needs"
        assert refusal.reason == "TooManyRequests", str(refusal)


@contextmanager
def cordoned(cluster: Cluster, node: str) -> Iterator[None]:
    """A node to which no pod is scheduled."""

    def cordon(to: bool) -> None:
        change = {"spec": {"unschedulable": to}}
        cluster.kube.patch(Node, node, change, patch_type=PatchType.MERGE)

    cordon(True)
    try:
        yield
    finally:
        cordon(False)


@pytest.mark.criterion("K8S-15")
def test_a_drained_node_s_pods_run_elsewhere(agnhost_place: Place, evidence: Evidence) -> None:
    """They would rather be apart: what came back to the drained node would be found there."""
    cluster = agnhost_place.cluster
    nodes = len(schedulable(cluster))
    if nodes < 2:
        pytest.skip("the cluster has one node: its pods have nowhere else to go")
    term = PodAffinityTerm(
        topologyKey=HOSTNAME, labelSelector=LabelSelector(matchLabels={"app": "drained"})
    )
    apart = PodAntiAffinity(
        preferredDuringSchedulingIgnoredDuringExecution=[
            WeightedPodAffinityTerm(weight=100, podAffinityTerm=term)
        ]
    )
    pods = deploy(
        agnhost_place, "drained", replicas=nodes, more={"affinity": Affinity(podAntiAffinity=apart)}
    )
    homes = {name_of(pod): pod.spec.nodeName for pod in pods if pod.spec and pod.spec.nodeName}
    node = next(iter(homes.values()))
    with (
        cordoned(cluster, node),
        evidence.judge("the pods of a node that is drained run on other nodes"),
    ):
        for name, home in homes.items():
            if home == node:
                evict(agnhost_place, name)
        moved = agnhost_place.wait_pods(
            "the pods' return",
            lambda found: (
                not {name_of(pod) for pod in found if is_ready(pod)}
                & {name for name, home in homes.items() if home == node}
                and sum(map(is_ready, found)) == nodes
            ),
            labels={"app": "drained"},
            timeout=EVICTED_S,
        )
        back = [
            name_of(pod)
            for pod in moved
            if pod.spec and pod.spec.nodeName == node and is_ready(pod)
        ]
        assert not back, f"{', '.join(back)} was put on {node} again"
