"""The nodes' machines: each a network and a mount namespace, joined by a bridge."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from lab.iec.embedded import namespaces
from lab.iec.embedded.plan import NODES, NodePlan, Plan

#: What each node has for itself: Calico keeps a node's name there, iptables its lock.
_OWN_PLACES = ("/var/lib/calico", "/run/calico", "/run/lock")
_TIMEOUT_S = 10

_BRIDGE = "nodes"
#: Makes a node's places, says so, and waits until the namespaces are held by another.
_MAKE = """
for place; do mkdir -p "$place" && mount -t tmpfs tmpfs "$place" || exit 1; done
echo made
read -r never
"""


@dataclass(frozen=True)
class Machine:
    """A node's namespaces, held by descriptors for as long as the cluster lives."""

    name: str
    address: IPv4Address
    network: int
    mounts: int
    sockets: namespaces.SocketsWithin

    def within(self, argv: Sequence[str]) -> list[str]:
        """``argv``, to be run on this node."""
        network, mounts = namespaces.path(self.network), namespaces.path(self.mounts)
        return ["nsenter", f"--net={network}", f"--mount={mounts}", "--", *argv]


def make(plan: Plan) -> list[Machine]:
    """Make the machines of all nodes, and the bridge between them and the control plane."""
    machines = [_make(node) for node in plan.nodes]
    lines = ["link set lo up", f"link add {_BRIDGE} type bridge"]
    lines += [f"addr add {plan.gateway}/{NODES.prefixlen} dev {_BRIDGE}", f"link set {_BRIDGE} up"]
    for node, machine in zip(plan.nodes, machines, strict=True):
        port = node.interface
        lines.append(f"link add {port} type veth peer name {port}-eth0")
        lines += [f"link set {port} master {_BRIDGE}", f"link set {port} up"]
        lines.append(f"link set {port}-eth0 netns {namespaces.path(machine.network)}")
    _ip(lines)
    for node, machine in zip(plan.nodes, machines, strict=True):
        _ip(
            [
                f"link set {node.interface}-eth0 name eth0",
                f"addr add {node.address}/{NODES.prefixlen} dev eth0",
                "link set eth0 up",
                f"route add default via {plan.gateway}",
            ],
            machine,
        )
        _run(machine.within(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]), "")
    return machines


def _make(node: NodePlan) -> Machine:
    network = namespaces.new_network()
    argv = ["unshare", "--mount", "sh", "-c", _MAKE, "sh", *_OWN_PLACES]
    making = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert making.stdin is not None
    assert making.stdout is not None
    with making.stdin, making.stdout:
        if not making.stdout.readline():
            raise SystemExit(f"{node.name} did not get its mounts: {making.wait(_TIMEOUT_S)}")
        mounts = os.open(f"/proc/{making.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    making.wait(_TIMEOUT_S)
    sockets = namespaces.SocketsWithin(network)
    return Machine(node.name, node.address, network, mounts, sockets)


def _ip(lines: Sequence[str], machine: Machine | None = None) -> None:
    argv = ["ip", "-batch", "-"]
    _run(machine.within(argv) if machine else argv, "\n".join(lines))


def _run(argv: Sequence[str], text: str) -> None:
    done = subprocess.run(
        argv, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        words = " ".join(done.stderr.split())
        raise SystemExit(f"the cluster's network cannot be made: {words}")
