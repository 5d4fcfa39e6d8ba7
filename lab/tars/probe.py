"""Tars' preflight: do the name service and TarsWeb answer as themselves?"""

from __future__ import annotations

from lab.errors import LabError, SystemDown
from lab.payload import cache_dir
from lab.session import Lab
from lab.tars.client import TarsClient
from lab.tars.queryf import QUERY_OBJECT, QueryF
from lab.tars.web import Pace, TarsWeb

#: The system's name in inventories, its endpoints there and the name of its secret.
SYSTEM = "tars"
REGISTRY = "registry"
WEB = "web"
TICKET = "ticket"
#: A preflight answers quickly, or the system counts as down (s).
TIMEOUT_S = 5.0


def tars_web(lab: Lab, *, timeout: float = 35.0) -> TarsWeb:
    """TarsWeb of a lab; raises `ConfigError`, `SecretUnavailable`.

    On a lab that is not the suite's own, all workers together keep TarsWeb's rate limit.
    """
    name = lab.inventory.name
    own = lab.inventory.kind == "embedded"
    return TarsWeb(
        lab.url(SYSTEM, WEB),
        ticket=lab.secret(SYSTEM, TICKET),
        ca=lab.ca(SYSTEM),
        timeout=timeout,
        pace=None if own else Pace(cache_dir() / "paces" / f"{SYSTEM}-{name}"),
    )


def probe(lab: Lab) -> list[str]:
    """Return the names of the nodes; raises `SystemDown` with advice."""
    registry = lab.address(SYSTEM, REGISTRY)
    where = f"{registry[0]}:{registry[1]}"
    try:
        with TarsClient(registry, timeout=TIMEOUT_S) as client:
            name_service = QueryF(client)
            name_service.ping()
            itself = name_service.find_object_by_id(QUERY_OBJECT)
        if not itself:
            raise SystemDown(
                f"the name service at {where} does not know itself",
                found=f"no endpoint of {QUERY_OBJECT}",
                expected="its own endpoint",
                advice="check that a Tars registry answers there",
            )
        with tars_web(lab, timeout=TIMEOUT_S) as web:
            return web.nodes()
    except SystemDown:
        raise
    except LabError as error:
        raise SystemDown(
            f"Tars at {where} does not answer as itself",
            found=str(error),
            expected="answers of QueryF and TarsWeb",
            advice=error.advice or "check that the Tars master runs: its log tells",
            evidence=error.evidence,
        ) from error
