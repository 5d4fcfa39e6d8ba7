"""Where everything of a cluster is: addresses, ports, files."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
API_PORT = 6443
KUBELET_PORT = 10250

#: Networks of the cluster; nobody outside its namespace sees them.
NODES = ipaddress.IPv4Network("10.77.0.0/24")
PODS = ipaddress.IPv4Network("192.168.0.0/16")
SERVICES = ipaddress.IPv4Network("172.16.1.0/24")

#: A tmpfs of the cluster's own: nothing in it outlives the cluster.
RUN = Path("/run/iec4")


def service_address() -> ipaddress.IPv4Address:
    """The address of the service ``kubernetes``: the first of all services'."""
    return SERVICES[1]


@dataclass(frozen=True)
class NodePlan:
    """A node: its name, and its address in the network of nodes."""

    name: str
    address: ipaddress.IPv4Address

    @property
    def interface(self) -> str:
        """Its port at the bridge."""
        return f"port{int(self.address) - int(NODES[0])}"


@dataclass(frozen=True)
class Plan:
    """``home``, ``logs``: the system's directories on its host. ``outside``: the address that
    clients use."""

    home: Path
    logs: Path
    outside: str
    nodes: tuple[NodePlan, ...]

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        """Where the control plane is, in the network of nodes."""
        return NODES[1]

    @property
    def pki(self) -> Path:
        return RUN / "pki"

    @property
    def cni(self) -> Path:
        """Where the CNI plugins are, by the names under which they are called."""
        return RUN / "cni"

    def binary(self, name: str) -> str:
        return str(self.home / "bin" / name)

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for whoever deployed the cluster."""
        return self.home / "admin.conf"

    @property
    def up(self) -> Path:
        """Tells, by its process id outside, which cluster it is that is up."""
        return self.home / "up"


def plan(home: Path, logs: Path, outside: str, names: list[str]) -> Plan:
    """The plan of a cluster with nodes of these names."""
    nodes = tuple(NodePlan(name, NODES[11 + i]) for i, name in enumerate(names))
    return Plan(home, logs, outside, nodes)
