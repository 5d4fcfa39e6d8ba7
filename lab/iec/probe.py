"""The cluster's preflight: does its API server say that it is ready?"""

from __future__ import annotations

from lab.errors import SystemDown
from lab.iec.client import Refused, open_cluster
from lab.session import Lab

#: A preflight answers quickly, or the cluster counts as down (s).
TIMEOUT_S = 5.0


def probe(lab: Lab) -> str:
    """Return the API server's version; raises `SystemDown` with advice."""
    with open_cluster(lab, timeout=TIMEOUT_S) as cluster:
        try:
            cluster.get("/readyz")
            return str(cluster.json("/version")["gitVersion"])
        except Refused as refused:
            raise SystemDown(
                f"the Kubernetes API at {cluster.access.server} is not ready for us",
                found=refused.found,
                expected="200 to GET /readyz",
                advice="check systems.iec.secrets.kubeconfig in the inventory"
                if refused.status in (401, 403)
                else "the answer says which of its checks failed",
                evidence=refused.evidence,
            ) from refused
