"""Calico in the cluster: its kinds, its configuration, its programs on each node.

What Felix and the CNI plugin take from their environment:
https://docs.tigera.io/calico/3.28/reference/felix/configuration and .../configure-cni-plugins.
"""

from __future__ import annotations

import asyncio
import json
import uuid

from lab.iec.embedded.api import Api, ApiError, Object
from lab.iec.embedded.machine import Machine
from lab.iec.embedded.plan import PODS, Plan
from lab.iec.embedded.program import Program, run

GROUP = "crd.projectcalico.org"
_VERSION = "v1"
_STARTUP_TIMEOUT_S = 30.0
_SERVED_TIMEOUT_S = 30.0

#: kind → its plural, and whether it lives in namespaces. The schema is left open: Calico's own
#: tools check what they write, and the API server starts sooner.
_KINDS = {
    "BGPConfiguration": ("bgpconfigurations", False),
    "BGPFilter": ("bgpfilters", False),
    "BGPPeer": ("bgppeers", False),
    "BlockAffinity": ("blockaffinities", False),
    "CalicoNodeStatus": ("caliconodestatuses", False),
    "ClusterInformation": ("clusterinformations", False),
    "FelixConfiguration": ("felixconfigurations", False),
    "GlobalNetworkPolicy": ("globalnetworkpolicies", False),
    "GlobalNetworkSet": ("globalnetworksets", False),
    "HostEndpoint": ("hostendpoints", False),
    "IPAMBlock": ("ipamblocks", False),
    "IPAMConfig": ("ipamconfigs", False),
    "IPAMHandle": ("ipamhandles", False),
    "IPPool": ("ippools", False),
    "IPReservation": ("ipreservations", False),
    "KubeControllersConfiguration": ("kubecontrollersconfigurations", False),
    "NetworkPolicy": ("networkpolicies", True),
    "NetworkSet": ("networksets", True),
    "Tier": ("tiers", False),
}

#: All that Calico is told of its data store; it is the API server.
_DATASTORE = {"DATASTORE_TYPE": "kubernetes", "CALICO_DISABLE_FILE_LOGGING": "true"}

_FELIX = {
    "FELIX_DATASTORETYPE": "kubernetes",
    "FELIX_IPTABLESBACKEND": "NFT",
    "FELIX_IPV6SUPPORT": "false",
    "FELIX_XDPENABLED": "false",
    "FELIX_BPFENABLED": "false",
    "FELIX_VXLANENABLED": "true",
    "FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
    "FELIX_USAGEREPORTINGENABLED": "false",  # it would call home
    "FELIX_LOGSEVERITYSCREEN": "warning",
    "FELIX_LOGSEVERITYSYS": "none",
    "FELIX_LOGFILEPATH": "none",
    "FELIX_HEALTHENABLED": "true",
    "FELIX_HEALTHHOST": "127.0.0.1",
    "GOGC": "50",
}


def definitions() -> list[Object]:
    """The definitions of Calico's kinds."""
    return [_definition(kind, *names) for kind, names in _KINDS.items()]


def _definition(kind: str, plural: str, namespaced: bool) -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {
                "kind": kind,
                "plural": plural,
                "singular": kind.lower(),
                "listKind": f"{kind}List",
            },
            "versions": [
                {
                    "name": _VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }


async def served(api: Api) -> None:
    """Wait until the API server answers for all of Calico's kinds."""
    plurals = {plural for plural, _ in _KINDS.values()}
    async with asyncio.timeout(_SERVED_TIMEOUT_S):
        while True:
            try:
                found = await api.get(f"/apis/{GROUP}/{_VERSION}")
                if plurals <= {resource["name"] for resource in found["resources"]}:
                    return
            except ApiError as error:
                if error.status != 404:
                    raise
            await asyncio.sleep(0.1)


async def configure(api: Api, version: str) -> None:
    """Say that the data store is ready, and which addresses pods get. ``version``: Calico's."""
    information = {
        "calicoVersion": version,
        "clusterGUID": uuid.uuid4().hex,
        "clusterType": "k8s,kdd",
        "datastoreReady": True,
    }
    pool = {
        "cidr": str(PODS),
        "blockSize": 26,
        "ipipMode": "Never",
        "vxlanMode": "CrossSubnet",
        "natOutgoing": True,
        "nodeSelector": "all()",
        "allowedUses": ["Workload", "Tunnel"],
    }
    await _create(api, "ClusterInformation", "default", information)
    await _create(api, "IPPool", "default-ipv4-ippool", pool)


async def _create(api: Api, kind: str, name: str, spec: Object) -> None:
    what = {
        "apiVersion": f"{GROUP}/{_VERSION}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }
    await api.create(f"/apis/{GROUP}/{_VERSION}/{_KINDS[kind][0]}", what, unless_there=True)


async def version(plan: Plan) -> str:
    """The version that calico-node tells."""
    return (await run([plan.binary("calico-node"), "-v"])).decode().split()[0]


async def start(plan: Plan, machine: Machine) -> Program:
    """Register a node with Calico, and start Felix on it."""
    environment = {
        **_DATASTORE,
        "KUBECONFIG": str(plan.pki / "calico.conf"),
        "NODENAME": machine.name,
        "CALICO_K8S_NODE_REF": machine.name,
        "IP": f"{machine.address}/24",
        "IP6": "none",
        "CALICO_NETWORKING_BACKEND": "vxlan",
        "NO_DEFAULT_POOLS": "true",
        "CLUSTER_TYPE": "k8s",
    }
    node = plan.binary("calico-node")
    for task in (["-startup"], ["-allocate-tunnel-addrs", "-allocate-tunnel-addrs-run-once"]):
        await run(
            machine.within([node, *task]), environment=environment, timeout=_STARTUP_TIMEOUT_S
        )
    felix = Program(
        f"felix-{machine.name}",
        machine.within([node, "-felix"]),
        plan.log(f"felix-{machine.name}"),
        {**environment, **_FELIX, "FELIX_FELIXHOSTNAME": machine.name},
    )
    felix.start()
    return felix


class Network:
    """Pods' interfaces on one node, by Calico's CNI plugin (CNI 0.3.1)."""

    def __init__(self, plan: Plan, machine: Machine) -> None:
        self._machine = machine
        self._plugin = str(plan.cni / "calico")
        self._path = str(plan.cni)
        self._configuration = json.dumps(
            {
                "name": "k8s-pod-network",
                "cniVersion": "0.3.1",
                "type": "calico",
                "log_level": "warning",
                "log_file_path": str(plan.log(f"cni-{machine.name}")),
                "datastore_type": "kubernetes",
                "nodename": machine.name,
                "nodename_file_optional": True,
                "mtu": 1450,
                "ipam": {"type": "calico-ipam"},
                "policy": {"type": "k8s"},
                "kubernetes": {"kubeconfig": str(plan.pki / "calico.conf")},
            }
        ).encode()

    async def add(self, pod: Object, network: str) -> str:
        """Give a pod its interface in the namespace at ``network``; returns its address."""
        result = json.loads(await self._call("ADD", pod, network))
        return str(result["ips"][0]["address"].partition("/")[0])

    async def remove(self, pod: Object, network: str) -> None:
        await self._call("DEL", pod, network)

    async def _call(self, command: str, pod: Object, network: str) -> bytes:
        meta = pod["metadata"]
        arguments = {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": meta["namespace"],
            "K8S_POD_NAME": meta["name"],
            "K8S_POD_UID": meta["uid"],
            "K8S_POD_INFRA_CONTAINER_ID": meta["uid"],
        }
        return await run(
            self._machine.within([self._plugin]),
            environment={
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": meta["uid"],
                "CNI_NETNS": network,
                "CNI_IFNAME": "eth0",
                "CNI_PATH": self._path,
                "CNI_ARGS": ";".join(f"{name}={value}" for name, value in arguments.items()),
            },
            stdin=self._configuration,
        )
