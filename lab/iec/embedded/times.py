"""Times as Kubernetes writes them (RFC 3339, UTC)."""

from __future__ import annotations

import datetime
import time


def stamp(at: float) -> str:
    """To the second; ``at`` as of time.time()."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> str:
    return stamp(time.time())


def now_exactly() -> str:
    """To the microsecond, as leases have it."""
    moment = datetime.datetime.now(datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
