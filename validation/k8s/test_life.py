"""The cluster lives: its API server is ready, and so are its nodes."""

import pytest
from lightkube.resources.core_v1 import Node

from blueprints.evidence import Evidence
from lab.iec.client import open_cluster
from lab.iec.probe import probe
from lab.session import Lab

#: The roles whose hosts are nodes.
NODES = ("tars-agent",)


@pytest.mark.criterion("K8S-01")
def test_the_api_server_is_ready(lab: Lab, evidence: Evidence) -> None:
    with evidence.judge("the Kubernetes API says that it is ready"):
        evidence.attach("version.txt", probe(lab))


@pytest.mark.criterion("K8S-02")
def test_the_nodes_are_ready(lab: Lab, evidence: Evidence) -> None:
    wanted = {name for role in NODES for name in lab.inventory.with_role(role)}
    with open_cluster(lab) as cluster, evidence.judge("as many nodes are ready as there are hosts"):
        nodes = list(cluster.kube.list(Node))
        away = {node.metadata.name: _state(node) for node in nodes if _state(node) != "True"}
        assert not away, f"nodes are not ready: {away}"
        assert len(nodes) >= len(wanted), f"{len(nodes)} nodes for {len(wanted)} hosts: {wanted}"


def _state(node: Node) -> str:
    """What a node's condition Ready says: True, False or Unknown."""
    conditions = (node.status and node.status.conditions) or ()
    return next((one.status for one in conditions if one.type == "Ready"), "Unknown")
