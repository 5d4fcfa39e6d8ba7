"""Packets that a faulty network loses, as rules of nftables; they stand before Calico's own.

A fault is a table of its own on every node, so that taking it away leaves nothing. This module
travels to hosts.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Interfaces of pods, on their node's side, as Calico names them.
_PODS = 'iifname "cali*"'

#: The fault for which CNI's plugin is replaced by `never_deleting`.
ADDRESSES_KEPT = "k8s.addresses-kept"

#: The fault for which a node lets everything through while its Felix starts, and how it does.
OPEN_AT_RESTARTS = "k8s.felix-opens"
LET_ALL_THROUGH = ("iptables-nft", "-F", "FORWARD")


@dataclass(frozen=True)
class Filter:
    """What a fault does in words, and which packets it drops; ``{pods}``: the pods' network."""

    does: str
    drops: str


FILTERS = {
    "k8s.node-cut-inside": Filter(
        "packets between pods of one node are lost", f'{_PODS} oifname "cali*"'
    ),
    "k8s.nodes-cut": Filter(
        "packets between pods of different nodes are lost",
        f'{_PODS} oifname != "cali*" ip daddr {{pods}}',
    ),
    "k8s.large-packets-lost": Filter(
        "packets of pods that are nearly as large as may be are lost",
        f"{_PODS} ip daddr {{pods}} meta length > 1400",
    ),
    "k8s.names-out-of-reach": Filter(
        "packets of pods to the cluster's name servers are lost", f"{_PODS} th dport 53"
    ),
    "k8s.api-out-of-reach": Filter(
        "packets of pods to the API server are lost", f"{_PODS} tcp dport 6443"
    ),
}


def lose(fault: str, pods: str) -> str:
    """What nft does for a fault to be; ``pods``: the network of all pods' addresses."""
    drops = FILTERS[fault].drops.format(pods=pods)
    # What goes to the node itself has no interface to go out by.
    hooks = ("forward",) if "oifname" in drops else ("forward", "input")
    chains = (
        f"chain {hook} {{ type filter hook {hook} priority -300; {drops} drop; }}\n"
        for hook in hooks
    )
    return f"{_table(fault)} {{\n{''.join(chains)}}}\n"


def keep(fault: str) -> str:
    """What nft does for a fault to be no more."""
    return f"delete {_table(fault)}\n"


def never_deleting(plugin: str) -> str:
    """A CNI plugin that does all that ``plugin`` does, but that it takes nothing back."""
    return f'#!/bin/sh\n[ "$CNI_COMMAND" = DEL ] || exec {plugin}\n'


def _table(fault: str) -> str:
    """A name of nft's has no points."""
    return f"table inet iec4-{fault.rpartition('.')[2]}"
