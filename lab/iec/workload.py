"""What the suite runs on a cluster to judge it: namespaces of its own, with agnhost in pods.

agnhost is Kubernetes' own test image; its servers and clients are one binary at ``/agnhost``,
which is the image's entry point
(https://github.com/kubernetes/kubernetes/tree/v1.34.4/test/images/agnhost).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from lightkube.core.client import LabelSelector as LabelChoice
from lightkube.core.resource import GlobalResource, NamespacedResource
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import (
    Capabilities,
    Container,
    ContainerPort,
    HTTPGetAction,
    PodSpec,
    PodTemplateSpec,
    Probe,
    ResourceRequirements,
    SeccompProfile,
    SecurityContext,
    Taint,
    Toleration,
)
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, Node, Pod, ServiceAccount
from lightkube.types import CascadeType

from lab.closing import Closing
from lab.errors import LabError
from lab.iec.client import SYSTEM, Cluster, Refused
from lab.iec.execution import Executed, execute
from lab.session import Lab

#: The name of the container in each of the suite's pods.
CONTAINER = "agnhost"
_REGISTRY = "registry.k8s.io"
_IMAGE = "e2e-test-images/agnhost:2.56"
AGNHOST = f"{_REGISTRY}/{_IMAGE}"
#: The port of `serving`, and the path on it that says 200 when it serves.
HTTP_PORT = 8080
HEALTH = "/hostname"
#: The label by which a node is told from others.
HOSTNAME = "kubernetes.io/hostname"
#: The suite's mark on what it makes, with the run that it made it for.
RUN = "iec4.run"
#: Until when that run can last at most, in seconds since the epoch: after it, it is left over.
UNTIL = "iec4.until"
_LONGEST_RUN_S = 3 * 3600
#: How long a new namespace may be without its service account, seconds.
ACCOUNT_S = 30.0
#: How long a pod may take from its creation until it is ready, seconds.
READY_S = 60.0


@dataclass(frozen=True)
class Work:
    """A pod that the suite asks for, without a name.

    ``args`` are agnhost's; ``command`` runs in its stead. ``health``: the path on `HTTP_PORT`
    that tells when it is ready; None, ready once it runs. ``node``: binds it there, past the
    scheduler; ``selector`` lets that choose. ``requests``: of the scheduler, as
    ``{"cpu": "10m"}``. ``grace_s``: what it has to end by itself. ``more``: fields of the PodSpec.
    """

    args: Sequence[str] = ("pause",)
    command: Sequence[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] | None = None
    health: str | None = None
    node: str | None = None
    selector: Mapping[str, str] | None = None
    tolerations: Sequence[Toleration] = ()
    requests: Mapping[str, str] | None = None
    ports: Sequence[int] = ()
    grace_s: int = 1
    more: Mapping[str, Any] = field(default_factory=dict)


def serving(*args: str, **fields: Any) -> Work:
    """agnhost's netexec: HTTP on `HTTP_PORT` (``/hostname``, ``/echo?msg=``), ready when it is."""
    command = ("netexec", f"--http-port={HTTP_PORT}", "--udp-port=-1", *args)
    return Work(command, health=HEALTH, ports=(HTTP_PORT,), **fields)


def pod_spec(work: Work, image: str) -> PodSpec:
    """The spec of a pod, as the strictest of the Pod Security Standards asks for."""
    ready = HTTPGetAction(port=HTTP_PORT, path=work.health) if work.health else None
    container = Container(
        name=CONTAINER,
        image=image,
        imagePullPolicy="IfNotPresent",
        command=list(work.command) if work.command else None,
        args=None if work.command else list(work.args),
        ports=[ContainerPort(containerPort=port) for port in work.ports],
        readinessProbe=Probe(httpGet=ready, periodSeconds=1) if ready else None,
        resources=ResourceRequirements(requests=dict(work.requests)) if work.requests else None,
        securityContext=SecurityContext(
            allowPrivilegeEscalation=False,
            capabilities=Capabilities(drop=["ALL"]),
            runAsNonRoot=True,
            runAsUser=65532,
            seccompProfile=SeccompProfile(type="RuntimeDefault"),
        ),
    )
    fields: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": work.grace_s,
        "nodeName": work.node,
        "nodeSelector": dict(work.selector) if work.selector else None,
        "tolerations": list(work.tolerations) or None,
    }
    return PodSpec(**({"containers": [container]} | fields | dict(work.more)))


class Place(Closing):
    """A namespace of the suite's own on a cluster; with its context it is removed.

    ``image``: where the cluster finds agnhost.
    """

    def __init__(self, cluster: Cluster, name: str, image: str) -> None:
        self.cluster = cluster
        self.name = name
        self.image = image

    def wait_account(self, *, timeout: float | None = None) -> None:
        """Wait until it has its service account: before that, pods are refused."""
        self.cluster.wait(
            "the making of its service account",
            ServiceAccount,
            bool,
            namespace=self.name,
            name="default",
            timeout=ACCOUNT_S if timeout is None else timeout,
        )

    def pod(self, name: str, work: Work) -> Pod:
        """Have a pod made; it is neither scheduled nor ready yet."""
        marked = ObjectMeta(
            name=name,
            labels={"app": name, **work.labels},
            annotations=dict(work.annotations) if work.annotations else None,
        )
        wanted = Pod(metadata=marked, spec=pod_spec(work, self.image))
        return self.cluster.kube.create(wanted, namespace=self.name)

    def pods(self, works: Mapping[str, Work], *, timeout: float = READY_S) -> dict[str, Pod]:
        """Make pods side by side and wait until all are ready; raises `WaitTimeout`."""
        for name, work in works.items():
            self.pod(name, work)
        return self.ready(*works, timeout=timeout)

    def ready(self, *names: str, timeout: float = READY_S) -> dict[str, Pod]:
        """The pods of these names, once all of them are ready; raises `WaitTimeout`."""

        def all_ready(found: Sequence[Pod]) -> bool:
            return set(names) <= {name_of(one) for one in found if is_ready(one)}

        found = self.wait_pods(f"pods {', '.join(names)} are ready", all_ready, timeout=timeout)
        return {name_of(one): one for one in found if name_of(one) in names}

    def wait_pods(
        self,
        what: str,
        until: Callable[[Sequence[Pod]], object],
        *,
        labels: Mapping[str, str] | None = None,
        timeout: float = READY_S,
    ) -> list[Pod]:
        """Watch this namespace's pods until something is so; raises `WaitTimeout`."""
        chosen: LabelChoice | None = dict(labels) if labels else None
        return self.cluster.wait(
            what, Pod, until, namespace=self.name, labels=chosen, timeout=timeout, seen=state_of
        )

    def deployment(self, name: str, work: Work, *, replicas: int, **spec: Any) -> Deployment:
        """Have a deployment made; its pods carry the label ``app: NAME``."""
        labels = {"app": name, **work.labels}
        wanted = Deployment(
            metadata=ObjectMeta(name=name),
            spec=DeploymentSpec(
                replicas=replicas,
                selector=LabelSelector(matchLabels={"app": name}),
                template=PodTemplateSpec(
                    metadata=ObjectMeta(labels=labels), spec=pod_spec(work, self.image)
                ),
                **spec,
            ),
        )
        return self.cluster.kube.create(wanted, namespace=self.name)

    def execute(self, pod: str, *command: str, timeout: float = 10.0) -> Executed:
        """Run a command in one of the pods; raises as `lab.iec.execution.execute`."""
        return execute(self.cluster, pod, command, namespace=self.name, timeout=timeout)

    def remove(self, *pods: str, timeout: float = READY_S) -> None:
        """Delete pods and wait until they are gone; raises `WaitTimeout`."""
        for name in pods:
            self.cluster.kube.delete(Pod, name, namespace=self.name)

        def all_gone(found: Sequence[Pod]) -> bool:
            return not {name_of(one) for one in found} & set(pods)

        self.wait_pods(f"pods {', '.join(pods)} are gone", all_gone, timeout=timeout)

    def close(self) -> None:
        """Have the namespace removed, with all that is in it; the cluster does it by itself."""
        _remove(self.cluster, self.name)


def agnhost_image(lab: Lab) -> str:
    """Where a lab's cluster finds agnhost: as its inventory says, or as it is installed."""
    system = lab.inventory.systems[SYSTEM]
    registry = system.cluster.image_repository if system.cluster else _REGISTRY
    return system.agnhost or f"{registry}/{_IMAGE}"


def new_place(
    cluster: Cluster, purpose: str, *, run: str, image: str = AGNHOST, wait: bool = True
) -> Place:
    """Make a namespace ``iec4-PURPOSE-…``, in which pods can be made at once unless not ``wait``.

    ``run`` names the run that it is made for. Raises `Refused`, `SystemDown`, `WaitTimeout`.
    """
    name = f"iec4-{purpose}-{secrets.token_hex(3)}"
    marked = ObjectMeta(
        name=name,
        labels={RUN: run},
        annotations={UNTIL: str(round(time.time() + _LONGEST_RUN_S))},
    )
    cluster.kube.create(Namespace(metadata=marked))
    place = Place(cluster, name, image)
    if wait:
        try:
            place.wait_account()
        except BaseException:
            place.close()
            raise
    return place


def sweep(cluster: Cluster) -> list[str]:
    """Have removed what runs that are over left behind; returns the namespaces' names."""
    left = [
        name_of(namespace)
        for namespace in cluster.kube.list(Namespace, labels={RUN: None})
        if float((metadata(namespace).annotations or {}).get(UNTIL, 0)) < time.time()
    ]
    for name in left:
        _remove(cluster, name)
    return left


def _remove(cluster: Cluster, namespace: str) -> None:
    try:
        cluster.kube.delete(Namespace, namespace, cascade=CascadeType.BACKGROUND)
    except Refused as refused:
        if refused.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # it is on its way
            raise


def schedulable(cluster: Cluster) -> list[str]:
    """The nodes that take any pod, but for what the suite itself keeps away for a while."""

    def away(taint: Taint) -> bool:
        return taint.effect != "PreferNoSchedule" and not taint.key.startswith(RUN)

    return [
        name_of(node)
        for node in cluster.kube.list(Node)
        if node.spec is None
        or not (node.spec.unschedulable or any(away(one) for one in node.spec.taints or ()))
    ]


def is_ready(pod: Pod) -> bool:
    """Whether a pod serves: the condition Ready, and nobody has it end."""
    conditions = (pod.status.conditions or []) if pod.status else []
    ready = any(one.type == "Ready" and one.status == "True" for one in conditions)
    return ready and not metadata(pod).deletionTimestamp


def state_of(pod: Pod) -> str:
    """A pod's phase, and what it waits for: ``Pending: ErrImagePull …``."""
    if pod.status is None:
        return "no status"
    waiting = [
        (container.state.waiting.reason, container.state.waiting.message)
        for container in pod.status.containerStatuses or ()
        if container.state and container.state.waiting
    ]
    unscheduled = [
        (condition.reason, condition.message)
        for condition in pod.status.conditions or ()
        if condition.type == "PodScheduled" and condition.status == "False"
    ]
    reasons = [f"{reason} {words or ''}".strip() for reason, words in (*waiting, *unscheduled)]
    return ": ".join((str(pod.status.phase), *reasons))


def ip_of(pod: Pod) -> str:
    """A ready pod's address."""
    if pod.status is None or not pod.status.podIP:
        raise LabError(f"pod {name_of(pod)} has no address", found=state_of(pod))
    return pod.status.podIP


def metadata(one: NamespacedResource | GlobalResource) -> ObjectMeta:
    """What every object of the API server has."""
    found: ObjectMeta | None = one.metadata  # type: ignore[union-attr]
    assert found is not None, "the API server's objects have metadata"
    return found


def name_of(one: NamespacedResource | GlobalResource) -> str:
    return str(metadata(one).name)
