"""A node of the embedded cluster: registered, alive by its lease, and home of its pods."""

from __future__ import annotations

import asyncio
import logging
import os

from lab.iec.embedded.api import TROUBLE, Api, Object
from lab.iec.embedded.calico import Network
from lab.iec.embedded.machine import Machine
from lab.iec.embedded.plan import KUBELET_PORT
from lab.iec.embedded.pod import Pod
from lab.iec.embedded.times import now, now_exactly

#: How long a lease lasts, and how often it is renewed: a kubelet's own defaults. Seconds.
_LEASE_S = 40
_RENEWAL_S = 10
_RESPITE_S = 1.0
_MOST_PODS = 110

#: Labels and annotation that say what a node is.
EMBEDDED = "iec4.run/embedded"

_log = logging.getLogger("node")


class Node:
    """The agent of one node; ``api`` is entered as that node. ``version``: Kubernetes' own."""

    def __init__(self, api: Api, machine: Machine, network: Network, version: str) -> None:
        self.name = machine.name
        self.machine = machine
        self._api = api
        self._network = network
        self.version = version
        self._pods: dict[str, Pod] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._since = now()
        self._renewing: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None

    def pod(self, namespace: str, name: str) -> Pod | None:
        """A pod of this node by its name."""
        for pod in self._pods.values():
            meta = pod.what["metadata"]
            if (meta["namespace"], meta["name"]) == (namespace, name):
                return pod
        return None

    async def register(self, *, ready: bool) -> None:
        """Make the node's object, or say whether it is ready."""
        what = self._object(ready)
        await self._api.create("/api/v1/nodes", what, unless_there=True)
        await self._api.merge(f"/api/v1/nodes/{self.name}/status", {"status": what["status"]})

    def live(self) -> None:
        """Be ready from now on: renew the lease, run the pods that are bound to this node."""
        self._renewing = asyncio.create_task(self._renew())
        self._following = asyncio.create_task(self._follow())

    def sleep(self) -> None:
        """Renew no lease, hear of no pod, until it lives again; pods run on."""
        for task in (self._renewing, self._following):
            if task is not None:
                task.cancel()

    async def end_containers(self) -> None:
        """End every container of every pod; its pod's restart policy says what comes then."""
        await asyncio.gather(*(pod.end_containers() for pod in self._pods.values()))

    async def _renew(self) -> None:
        place = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        lease: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": _LEASE_S},
        }
        while True:
            lease["spec"]["renewTime"] = now_exactly()
            try:
                await self.register(ready=True)
                await self._api.create(place, lease, unless_there=True)
                await self._api.merge(f"{place}/{self.name}", {"spec": lease["spec"]})
                pause: float = _RENEWAL_S
            except TROUBLE as error:
                _log.warning("lease of %s: %r", self.name, error)
                pause = _RESPITE_S
            await asyncio.sleep(pause)

    async def _follow(self) -> None:
        query = {"fieldSelector": f"spec.nodeName={self.name}"}
        while True:
            try:
                listed = await self._api.get("/api/v1/pods", **query)
                found = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
                for uid in self._pods.keys() - found.keys():
                    self._pods[uid].end(0)
                for pod in found.values():
                    self._see(pod)
                version = listed["metadata"]["resourceVersion"]
                async for event in self._api.watch("/api/v1/pods", version, **query):
                    if event["type"] == "ERROR":
                        break  # the version is too old: look again
                    if event["type"] == "DELETED":
                        self._forget(event["object"])
                    elif event["type"] in ("ADDED", "MODIFIED"):
                        self._see(event["object"])
            except TROUBLE as error:
                _log.warning("pods of %s: %r", self.name, error)
                await asyncio.sleep(_RESPITE_S)

    def _see(self, what: Object) -> None:
        meta = what["metadata"]
        uid: str = meta["uid"]
        pod = self._pods.get(uid)
        if pod is None:
            if what.get("status", {}).get("phase") in ("Succeeded", "Failed"):
                return
            pod = Pod(what, self._api, self.machine, self._network)
            self._pods[uid] = pod
            self._lives[uid] = asyncio.create_task(pod.run())
            self._lives[uid].add_done_callback(lambda _: self._bury(uid))
        if "deletionTimestamp" in meta:
            pod.end(meta.get("deletionGracePeriodSeconds"))

    def _forget(self, what: Object) -> None:
        if pod := self._pods.get(what["metadata"]["uid"]):
            pod.end(0)

    def _bury(self, uid: str) -> None:
        del self._pods[uid]
        life = self._lives.pop(uid)
        if not life.cancelled() and (error := life.exception()):
            _log.error("a pod of %s broke: %r", self.name, error)

    def _object(self, ready: bool) -> Object:
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
        capacity = {
            "cpu": str(os.cpu_count() or 1),
            "memory": f"{memory}Ki",
            "pods": str(_MOST_PODS),
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": {
                    "kubernetes.io/hostname": self.name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": arch,
                    EMBEDDED: "true",
                },
                "annotations": {EMBEDDED: "a network namespace with an agent of the suite's own"},
            },
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": str(self.machine.address)},
                    {"type": "Hostname", "address": self.name},
                ],
                "capacity": capacity,
                "allocatable": capacity,
                "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
                "conditions": self._conditions(ready),
                "nodeInfo": {
                    "architecture": arch,
                    "operatingSystem": "linux",
                    "osImage": "embedded",
                    "kernelVersion": os.uname().release,
                    "kubeletVersion": f"{self.version}+embedded",
                    "kubeProxyVersion": "",
                    "containerRuntimeVersion": "embedded://1",
                    "machineID": self.name,
                    "systemUUID": self.name,
                    "bootID": self.name,
                },
            },
        }

    def _conditions(self, ready: bool) -> list[Object]:
        states = {"MemoryPressure": False, "DiskPressure": False, "PIDPressure": False}
        states |= {"Ready": ready}
        return [
            {
                "type": kind,
                "status": "True" if holds else "False",
                "reason": f"Embedded{'' if holds else 'No'}{kind}",
                "message": "told by the embedded node agent",
                "lastHeartbeatTime": now(),
                "lastTransitionTime": self._since,
            }
            for kind, holds in states.items()
        ]
