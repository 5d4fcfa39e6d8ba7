"""The whole stack below a warning: published by the PaaS, on the IaaS' nodes, camera to vehicle."""

from __future__ import annotations

import asyncio

import pytest

from blueprints.evidence import Evidence
from fixtures.cluster import node_addresses
from lab.cvb.contracts import APPLICATION, EDGE_SERVER
from lab.cvb.play import first_that_tells
from lab.cvb.site import Site
from lab.cvb.trial import play_anew
from lab.iec.client import Cluster
from lab.session import Lab
from lab.tars.probe import tars_web
from lab.tars.recipe import node_name

#: So often the scenario is played when the suite's own sources fell behind, and not all was well.
WINDOWS = 3


@pytest.mark.criterion("E2E-05")
def test_what_a_node_s_camera_sees_warns_a_vehicle(
    lab: Lab, cluster: Cluster, site: Site, evidence: Evidence
) -> None:
    edges = {node_name(lab, host) for host in site.hosts.values()}
    with tars_web(lab) as web:
        servers = web.servers(APPLICATION, EDGE_SERVER)
    running = {one.node_name for one in servers if one.present_state == "active"}
    published = {one.node_name for one in servers if one.patch_version}
    with evidence.judge("each edge runs on a node of the cluster, from a published package"):
        assert edges <= set(node_addresses(cluster)), "an edge runs on no node of the cluster"
        assert edges <= published & running, "the platform has not published an edge"
    taken = (asyncio.run(play_anew(site, "hidden-pedestrian")) for _ in range(WINDOWS))
    found = first_that_tells(taken, lambda one: one.judged().flawless and one.in_time)
    judged = found.judged()
    evidence.attach("judgement.txt", str(judged))
    with evidence.judge("what the camera sees, the vehicle is warned of in time"):
        assert judged.flawless, str(judged)
        samples = len(found.latencies_ms)
        evidence.check(evidence.measure("warning_p99", found.p99_ms, "ms", samples=samples))
