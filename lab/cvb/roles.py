"""Who shows a token to the connected vehicles' application: also the names of its secrets."""

from __future__ import annotations

PUBLISHER = "publisher"
VEHICLE = "vehicle"
POLICY = "policy"
EDGE = "edge"
ROLES = (PUBLISHER, VEHICLE, POLICY, EDGE)
