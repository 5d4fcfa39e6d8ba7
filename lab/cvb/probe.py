"""The connected vehicles' preflight: do every edge and the data centre answer as themselves?"""

from __future__ import annotations

from lab.cvb.contracts import Statistics
from lab.cvb.site import SYSTEM, Site
from lab.errors import LabError, SystemDown
from lab.session import Lab

#: A preflight answers quickly, or the system counts as down (s).
TIMEOUT_S = 5.0


def probe(lab: Lab) -> dict[str, Statistics]:
    """Each edge of the site by name, with what it tells; raises `SystemDown` with advice."""
    try:
        with Site(lab) as site:
            told = {name: edge.statistics(timeout=TIMEOUT_S) for name, edge in site.edges.items()}
            site.data_centre.ping(timeout=TIMEOUT_S)
    except SystemDown:
        raise
    except LabError as error:
        raise SystemDown(
            f"the connected vehicles' application ({SYSTEM}) does not answer as itself",
            found=str(error),
            expected="statistics of each edge, and the data centre's answer to tars_ping",
            advice=error.advice or "check V2X's servers on the platform: their logs tell",
            evidence=error.evidence,
        ) from error
    return told
