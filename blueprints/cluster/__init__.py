"""The cluster that the blueprint's IaaS layer has, as data: versions, networks, plugins."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Network
from pathlib import Path

from blueprints.config import Document, Model

_FILE = Path(__file__).with_name("iec-type4.yaml")


class ClusterFacts(Model):
    """``unsupported``: a CNI_TYPE of IEC's that the suite cannot set up → what that would need.
    ``conformance``: names of those of Kubernetes' conformance tests that the suite runs by itself.
    """

    kubernetes: str
    cni: str
    pod_network: IPv4Network
    service_network: IPv4Network
    calico: str
    unsupported: dict[str, str]
    conformance: tuple[str, ...]


@cache
def facts() -> ClusterFacts:
    """What IEC's own deployment sets up."""
    return Document(_FILE).load(ClusterFacts)
