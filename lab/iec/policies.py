"""The network policy matrix, performed on a cluster: its stage, its steps, what packets say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from lightkube.models.core_v1 import ContainerPort, EnvVar
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import Namespace, Node, Pod
from lightkube.resources.networking_v1 import NetworkPolicy
from lightkube.types import PatchType

from blueprints import policy_matrix
from blueprints.policy_matrix import Cell, GlobalPolicy, Labels, Step
from lab.errors import LabError
from lab.iec.calico import GlobalNetworkPolicy
from lab.iec.client import Cluster
from lab.iec.traffic import Outcome, Source, To, attempt_all
from lab.iec.workload import Place, Work, ip_of, pod_spec
from lab.wait import wait_for

#: The label of a stage's namespaces: Calico's policies of a stage hold there alone.
_STAGE = "iec4.stage"
#: What is put on the stage holds within this time, seconds.
SETTLE_S = 10.0
#: How long nodes may take to be Ready again, seconds.
READY_S = 30.0


class NotAsExpected(LabError):
    """Cells are open that must be denied, or the other way round."""


class Stage:
    """Namespaces and pods of a `policy_matrix.Stage`, with what steps put on them.

    Not to be used by several threads: a step replaces the one before.
    """

    def __init__(self, plan: policy_matrix.Stage, new_place: Callable[[str], Place]) -> None:
        """Set it up, in namespaces that ``new_place`` makes; raises `LabError`."""
        self._plan = plan
        self._places = {name: new_place(name) for name in plan.namespaces}
        self._cluster = next(iter(self._places.values())).cluster
        #: (namespace, name) → spec
        self._policies: dict[tuple[str, str], dict[str, Any]] = {}
        self._global: list[str] = []
        self._labels: dict[str, Labels] = {}
        self._mark = next(iter(self._places.values())).name
        self._addresses = self._set_up()

    def _set_up(self) -> dict[str, str]:
        """Label the namespaces, and make the pods; returns these' addresses."""
        for name, labels in self._plan.namespaces.items():
            self._label(name, {**labels, _STAGE: self._mark})
        first, second = two_nodes(self._cluster)
        nodes = {"first": first, "second": second}
        for name, pod in self._plan.pods.items():
            place, short = self._at(name)
            place.pod(short, _work(pod, nodes[pod.node], place.image))
        return {
            f"{name}/{short}": ip_of(ready)
            for name, place in self._places.items()
            for short, ready in place.ready(*self._in(name)).items()
        }

    def _in(self, namespace: str) -> list[str]:
        return [self._at(pod)[1] for pod in self._plan.pods if pod.startswith(f"{namespace}/")]

    def _at(self, pod: str) -> tuple[Place, str]:
        namespace, _, name = pod.partition("/")
        return self._places[namespace], name

    def address(self, pod: str) -> str:
        """A pod's address, by its name on the stage."""
        return self._addresses[pod]

    def source(self, pod: str) -> Source:
        """A pod, as one that tries connections."""
        return Source(*self._at(pod))

    def put(self, step: Step) -> None:
        """Have a step's policies and labels, and no others; they hold when it has `settled`."""
        self._put_labels(step.labels)
        wanted = {
            (self._places[namespace].name, name): policy.spec(self.address)
            for namespace, policies in step.policies.items()
            for name, policy in policies.items()
        }
        self._put_global(step.calico)
        kube = self._cluster.kube
        for namespace, name in self._policies.keys() - wanted.keys():
            kube.delete(NetworkPolicy, name, namespace=namespace)
        for (namespace, name), spec in wanted.items():
            described = {"metadata": {"namespace": namespace, "name": name}, "spec": spec}
            policy = cast("NetworkPolicy", NetworkPolicy.from_dict(described))
            if (namespace, name) not in self._policies:
                kube.create(policy)
            elif self._policies[namespace, name] != spec:
                kube.replace(policy)
        self._policies = wanted

    def _put_global(self, wanted: Mapping[str, GlobalPolicy]) -> None:
        kube = self._cluster.kube
        while self._global:
            kube.delete(GlobalNetworkPolicy, self._global.pop())
        if not wanted:
            return
        owner = kube.get(Namespace, self._mark).metadata
        assert owner is not None
        whose = OwnerReference("v1", "Namespace", self._mark, str(owner.uid))
        for short, policy in wanted.items():
            # The prefix is libcalico-go's, for policies of the default tier.
            name = f"default.{self._mark}-{short}"
            metadata = ObjectMeta(name=name, ownerReferences=[whose])
            spec = policy.spec(f"{_STAGE} == '{self._mark}'")
            kube.create(GlobalNetworkPolicy(metadata=metadata, spec=spec))
            self._global.append(name)

    def _put_labels(self, wanted: Mapping[str, Labels]) -> None:
        for name in self._labels.keys() | wanted.keys():
            if self._labels.get(name) != wanted.get(name):
                own = self._plan.pods[name].labels if "/" in name else self._plan.namespaces[name]
                gone = dict.fromkeys(self._labels.get(name, {}))
                self._label(name, {**gone, **own, **wanted.get(name, {})})
        self._labels = dict(wanted)

    def _label(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Label a pod or a namespace; None takes a label away."""
        patch = {"metadata": {"labels": labels}}
        kube = self._cluster.kube
        if "/" in name:
            place, short = self._at(name)
            kube.patch(Pod, short, patch, namespace=place.name, patch_type=PatchType.MERGE)
        else:
            kube.patch(Namespace, self._places[name].name, patch, patch_type=PatchType.MERGE)

    def observe(self, cells: Iterable[Cell]) -> dict[Cell, Outcome]:
        """Try the connections, all at once."""
        return attempt_all(
            {
                cell: (
                    self.source(cell.source),
                    To(self.address(cell.target), cell.port, cell.protocol),
                )
                for cell in cells
            }
        )

    def settled(self, step: Step, *, timeout: float = SETTLE_S) -> None:
        """Return once every cell is as ``step`` says; raises `WaitTimeout` with those that are not.

        An allowed cell is a connection, a denied one no answer at all.
        """

        def as_expected() -> bool:
            self._compare(step.expected)
            # Policies come into force one by one: what was open before the last may be denied now.
            self._compare(dict.fromkeys(step.allowed, True))
            return True

        wait_for(
            "every cell as it must be",
            as_expected,
            timeout=timeout,
            not_yet=(NotAsExpected,),
        )

    def _compare(self, expected: Mapping[Cell, bool]) -> None:
        wrong = [
            f"{cell} is {outcome}, must be {'allowed' if expected[cell] else 'denied'}"
            for cell, outcome in self.observe(expected).items()
            if outcome is not (Outcome.OPEN if expected[cell] else Outcome.TIMEOUT)
        ]
        if wrong:
            raise NotAsExpected(", ".join(wrong))


def _work(pod: policy_matrix.Pod, node: str, image: str) -> Work:
    """netexec serves the first of each protocol's ports, porter the other ones of TCP."""
    first, *others = pod.tcp.values()
    udp = next(iter(pod.udp.values()), -1)
    named = [
        ContainerPort(name=name, containerPort=port, protocol=protocol)
        for protocol, ports in (("TCP", pod.tcp), ("UDP", pod.udp))
        for name, port in ports.items()
    ]
    plain = Work(("netexec", f"--http-port={first}", f"--udp-port={udp}"))
    containers = list(pod_spec(plain, image).containers)
    containers[0].ports = named[:1] + named[len(pod.tcp) :]
    if others:
        porter = pod_spec(Work(("porter",)), image).containers[0]
        porter.name = "porter"
        porter.env = [EnvVar(name=f"SERVE_PORT_{port}", value="here") for port in others]
        porter.ports = named[1 : len(pod.tcp)]
        containers.append(porter)
    return Work(labels=pod.labels, node=node, more={"containers": containers})


def two_nodes(cluster: Cluster) -> tuple[str, str]:
    """Two nodes that take pods, twice the same where there is one.

    Waits for one: after a restart of the API server nodes may count as lost for a while. Raises
    `WaitTimeout` when there is none.
    """

    def able() -> list[str]:
        return [
            str(node.metadata.name)
            for node in cluster.kube.list(Node)
            if node.metadata and _takes_pods(node)
        ]

    names = wait_for("a node of the cluster that takes pods", able, timeout=READY_S)
    return names[0], names[min(1, len(names) - 1)]


def _takes_pods(node: Node) -> bool:
    """Whether a node is Ready, and pods may be bound to it that tolerate nothing."""
    conditions = (node.status.conditions if node.status else None) or ()
    taints = (node.spec.taints if node.spec else None) or ()
    ready = any(one.type == "Ready" and one.status == "True" for one in conditions)
    return ready and not any(one.effect in ("NoSchedule", "NoExecute") for one in taints)
