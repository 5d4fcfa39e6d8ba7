"""Keywords for the IEC cluster: what runs on it, and how it gets its network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from lightkube.resources.core_v1 import Pod
from robot.api.deco import keyword

from iec4_keywords.running import CriterionLibrary, evidence, lab, task
from lab.iec.calico import pools, within
from lab.iec.client import Cluster, open_cluster
from lab.iec.workload import (
    Place,
    Work,
    agnhost_image,
    ip_of,
    is_ready,
    metadata,
    name_of,
    new_place,
)

#: Calico's own mark on a pod that it gave an address.
_CALICO = "cni.projectcalico.org/podIP"
#: How long the cluster may take to replace a pod, seconds.
_REPLACED_S = 45.0
_NAME = "application"


class IecCluster(CriterionLibrary):
    """An application on the lab's cluster, in a namespace of the suite's own."""

    def __init__(self) -> None:
        super().__init__()
        self._place: Place | None = None

    @cached_property
    def _cluster(self) -> Cluster:
        return open_cluster(lab())

    @keyword("An Application Of ${count:\\d+} Containers")
    def an_application(self, count: str) -> None:
        """Arranging: a deployment of so many pods, all ready."""
        self._place = new_place(
            self._cluster, "robot", run=task().run_name, image=agnhost_image(lab())
        )
        self._place.deployment(_NAME, Work(), replicas=int(count))
        self._running(int(count), timeout=_REPLACED_S)

    @keyword
    def one_of_its_containers_ends(self) -> None:
        """Arranging: one of the pods is deleted."""
        place = self._here()
        self._ended = name_of(self._pods()[0])
        self._cluster.kube.delete(Pod, self._ended, namespace=place.name)

    @keyword("${count:\\d+} Containers Run Without It")
    def run_without_it(self, count: str) -> None:
        """Judged: there are so many again, and what has ended is not among them."""
        with evidence().judge("a container that ends is replaced by another"):
            found = self._running(int(count), without=self._ended, timeout=_REPLACED_S)
            evidence().attach("pods.txt", "\n".join(map(name_of, found)))

    @keyword
    def calico_gave_each_container_its_address(self) -> None:
        """Judged: every pod's address is one that Calico says it gave, out of its pools."""
        with evidence().judge("every container has its address of Calico"):
            networks = pools(self._cluster)
            for pod in self._pods():
                address = ip_of(pod)
                told = (metadata(pod).annotations or {}).get(_CALICO, "")
                if told.split("/")[0] != address:
                    raise AssertionError(
                        f"{name_of(pod)} has {address}, of which Calico says {told or 'nothing'}"
                    )
                if not within(address, networks):
                    raise AssertionError(f"{address} is in none of Calico's pools")

    def close_test(self) -> None:
        if self._place is not None:
            self._place.close()
            self._place = None

    def _here(self) -> Place:
        assert self._place is not None, "an application is there first"
        return self._place

    def _pods(self) -> list[Pod]:
        here = self._here().name
        return list(self._cluster.kube.list(Pod, namespace=here, labels={"app": _NAME}))

    def _running(self, count: int, *, without: str = "", timeout: float) -> list[Pod]:
        def run(found: Sequence[Pod]) -> bool:
            return sum(is_ready(pod) and name_of(pod) != without for pod in found) == count

        what = f"the running of {count} containers"
        found = self._here().wait_pods(what, run, labels={"app": _NAME}, timeout=timeout)
        return [pod for pod in found if is_ready(pod)]
