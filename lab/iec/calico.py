"""Calico's own objects, where the API server keeps them: policies, and what IPAM has given out.

The fields: https://docs.tigera.io/calico/3.28/reference/resources and, for IPAM's, libcalico-go's
``lib/apis/v3`` (ipam_block.go, ipam_handle.go).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lightkube.generic_resource import create_global_resource

from lab.iec.client import Cluster

_API = ("crd.projectcalico.org", "v1")

GlobalNetworkPolicy = create_global_resource(*_API, "GlobalNetworkPolicy", "globalnetworkpolicies")
IPPool = create_global_resource(*_API, "IPPool", "ippools")
_Block = create_global_resource(*_API, "IPAMBlock", "ipamblocks")
_Handle = create_global_resource(*_API, "IPAMHandle", "ipamhandles")


@dataclass(frozen=True)
class Allocation:
    """An address that IPAM has given to a pod, and the handle by which it is taken back."""

    address: str
    namespace: str
    pod: str
    handle: str


def allocations(cluster: Cluster, namespace: str) -> list[Allocation]:
    """The addresses that IPAM has given to a namespace's pods."""
    found = (one for block in cluster.kube.list(_Block) for one in _of_block(block.spec))
    return [one for one in found if one.namespace == namespace]


def _of_block(spec: dict[str, Any]) -> Iterator[Allocation]:
    network = ipaddress.ip_network(spec["cidr"])
    for place, index in enumerate(spec["allocations"]):
        if index is not None:
            attributes = spec["attributes"][index]
            whose = attributes.get("secondary") or {}
            yield Allocation(
                str(network[place]),
                whose.get("namespace", ""),
                whose.get("pod", ""),
                attributes.get("handle_id") or "",
            )


def handles(cluster: Cluster) -> set[str]:
    """The names of all handles that IPAM has; Kubernetes' names are in lower case."""
    return {str(one.metadata.name) for one in cluster.kube.list(_Handle) if one.metadata}


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def pools(cluster: Cluster) -> list[Network]:
    """The networks that pods' addresses are from."""
    return [
        ipaddress.ip_network(pool.spec["cidr"])
        for pool in cluster.kube.list(IPPool)
        if not pool.spec.get("disabled")
    ]


def within(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return any(ipaddress.ip_address(address) in network for network in networks)
