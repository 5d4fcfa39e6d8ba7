"""Services: names, addresses and node ports lead to pods, and away from pods that are gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Service

from blueprints.evidence import Evidence
from fixtures.cluster import node_addresses
from lab.errors import LabError
from lab.iec.client import Cluster
from lab.iec.policies import two_nodes
from lab.iec.traffic import Outcome, Source, To, attempt_all
from lab.iec.workload import HTTP_PORT, Place, Work, ip_of, serving
from lab.wait import wait_for

PORT = 8088
#: How long the cluster may take until a change of a service's pods holds everywhere, seconds.
HOLDS_S = 10.0
#: A request is answered within this time, seconds.
ANSWER_S = 3.0
#: So many answers in a row, one after the other, tell which pod a client's session is with.
ANSWERS = 5
CALLERS = ("caller-first", "caller-second")


@dataclass(frozen=True)
class Offer:
    """Pods that serve, services for them, and a caller on each of two nodes."""

    place: Place
    nodes: tuple[str, str]

    def service(self, name: str, **spec: object) -> ServiceSpec:
        """Make a service for the pods with the label ``serves: NAME``; returns what it became."""
        wanted = ServiceSpec(
            selector={"serves": name},
            ports=[ServicePort(port=PORT, targetPort=HTTP_PORT)],
            **spec,
        )
        made = self.place.cluster.kube.create(
            Service(metadata=ObjectMeta(name=name), spec=wanted), namespace=self.place.name
        )
        assert made.spec is not None
        return made.spec

    def serve(self, service: str, *nodes: str) -> dict[str, str]:
        """Make a pod for a service on each of the nodes; returns their names and addresses."""
        works = {
            f"{service}-{i}": serving(node=node, labels={"serves": service})
            for i, node in enumerate(nodes)
        }
        ready = {name: ip_of(pod) for name, pod in self.place.pods(works).items()}
        self.await_open([To(address, HTTP_PORT) for address in ready.values()])
        return ready

    def await_open(self, targets: Sequence[To]) -> None:
        """Wait until every caller can connect to every target; raises `WaitTimeout`."""

        def all_open() -> bool:
            tried = attempt_all(
                {
                    f"{caller} to {target}": (Source(self.place, caller), target)
                    for caller in CALLERS
                    for target in targets
                }
            )
            closed = [f"{what} is {got}" for what, got in tried.items() if got is not Outcome.OPEN]
            assert not closed, ", ".join(closed)
            return True

        wait_for("every connection", all_open, timeout=HOLDS_S, not_yet=(AssertionError,))

    def answering(self, address: str) -> str:
        """The name of the pod that answers a caller's request; raises `LabError` without one."""
        argv = ("wget", "-q", "-O", "-", f"http://{address}:{PORT}/hostname")
        return self.place.execute(CALLERS[0], *argv, timeout=ANSWER_S).check().stdout


@pytest.fixture(scope="module")
def offer(cluster: Cluster, new_namespace: Callable[..., Place]) -> Offer:
    place = new_namespace("services")
    nodes = two_nodes(cluster)
    place.pods({caller: Work(node=node) for caller, node in zip(CALLERS, nodes, strict=True)})
    return Offer(place, nodes)


@pytest.mark.criterion("K8S-36")
def test_names_of_services_resolve(offer: Offer, evidence: Evidence) -> None:
    offer.serve("named", offer.nodes[0])
    offer.service("named", clusterIP="None")
    with evidence.judge("the name of a service leads to its pod"):
        names = ("named", f"named.{offer.place.name}", f"named.{offer.place.name}.svc")
        offer.await_open([To(name, HTTP_PORT) for name in names])


@pytest.mark.criterion("K8S-37")
def test_a_service_s_address_leads_to_its_pods(offer: Offer, evidence: Evidence) -> None:
    pods = offer.serve("addressed", *offer.nodes)
    address = str(offer.service("addressed").clusterIP)
    with evidence.judge("the address of a service leads to each of its pods"):
        offer.await_open([To(address, PORT)])
        met: set[str] = set()

        def all_met() -> bool:
            met.add(offer.answering(address))
            return met >= pods.keys()

        wait_for(f"answers of {', '.join(pods)}", all_met, timeout=HOLDS_S)


@pytest.mark.criterion("K8S-38")
def test_a_node_port_is_open_on_every_node(offer: Offer, evidence: Evidence) -> None:
    offer.serve("published", offer.nodes[0])
    published = offer.service("published", type="NodePort")
    assert published.ports
    port = published.ports[0].nodePort
    assert port is not None
    with evidence.judge("a service's port is open on every node, whichever its pods are on"):
        offer.await_open([To(address, port) for address in node_addresses(offer.place.cluster)])


@pytest.mark.criterion("K8S-39")
def test_sessions_move_from_pods_that_are_gone(offer: Offer, evidence: Evidence) -> None:
    pods = offer.serve("sticky", *offer.nodes)
    address = str(offer.service("sticky", sessionAffinity="ClientIP").clusterIP)
    offer.await_open([To(address, PORT)])
    served_by = {offer.answering(address) for _ in range(ANSWERS)}
    if len(served_by) != 1:
        raise LabError("a client's session is with several pods", found=", ".join(served_by))
    offer.place.remove(*served_by)
    (other,) = pods.keys() - served_by
    with evidence.judge("a client's session with a pod that is gone moves to another"):

        def moved() -> bool:
            return {offer.answering(address) for _ in range(ANSWERS)} == {other}

        wait_for(f"answers of {other} alone", moved, timeout=HOLDS_S)
