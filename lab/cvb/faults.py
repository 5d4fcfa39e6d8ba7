"""What can go wrong with the connected vehicles on request; edges and data centre look at it."""

from __future__ import annotations

from lab.faultflags import Fault

_EDGES = ("tars-agent",)

FAULTS: tuple[Fault, ...] = (
    Fault("cvb.edge-silent", _EDGES, "edges answer nothing"),
    Fault("cvb.data-centre-silent", ("dc",), "the data centre answers nothing"),
    Fault("cvb.policy-silently-kept", _EDGES, "new policies are accepted, and the old ones kept"),
    Fault("cvb.stale-policy-taken", _EDGES, "policies of any revision are taken"),
    Fault("cvb.policies-forgotten", _EDGES, "edges start without the policies that they had"),
    Fault("cvb.policy-mixed-up", _EDGES, "an application's frames follow another one's policy"),
    Fault("cvb.target-ignored", _EDGES, "edges work every frame out themselves, urgent or not"),
    Fault("cvb.local-not-worked", _EDGES, "what edges are to work out themselves warns nobody"),
    Fault("cvb.fallback-forgotten", _EDGES, "no fallback is tried after a missed deadline"),
    Fault("cvb.deadline-ignored", _EDGES, "edges await a target for as long as it takes"),
    Fault("cvb.neighbour-not-asked", _EDGES, "queries tell of what the edge itself has seen only"),
    Fault("cvb.merged-twice", _EDGES, "what two sources or edges have seen is told twice"),
    Fault("cvb.batches-lost-on-outage", _EDGES, "batches that cannot be sent at once are lost"),
    Fault("cvb.waiting-forgotten", _EDGES, "edges start without the batches that waited in them"),
    Fault("cvb.batches-out-of-order", _EDGES, "of batches that wait the newest is sent first"),
    Fault("cvb.drop-newest", _EDGES, "beyond the bound of batches the newest is dropped"),
    Fault("cvb.warnings-late", _EDGES, "warnings are sent 150 ms later, or the value's ms"),
    Fault(
        "cvb.warning-missed",
        _EDGES,
        "of each application every other warning is not sent, beginning with the first",
    ),
    Fault("cvb.warning-false", _EDGES, "edges warn of what will pass at 1.6 times the radius"),
    Fault("cvb.malformed-taken", _EDGES, "malformed frames are answered and counted as others"),
    Fault("cvb.anyone-publishes", _EDGES, "frames are taken whatever the token"),
    Fault("cvb.anyone-writes-policy", _EDGES, "policies are taken whatever the token"),
    Fault("cvb.redaction-forgotten", _EDGES, "nothing is redacted"),
    Fault("cvb.sampling-ignored", _EDGES, "every frame is sampled"),
    Fault("cvb.retention-ignored", _EDGES, "queries find what is older than it may be"),
    Fault("cvb.relay-lost", _EDGES, "what lies in a neighbour's area is not sent on"),
    Fault(
        "cvb.roaming-forgotten",
        _EDGES,
        "vehicles whose first report to an edge is from within 35 m of a neighbour's area "
        "are answered, and not warned",
    ),
    Fault("cvb.uplink-wasted", _EDGES, "every urgent frame goes to the data centre, too"),
)
