"""Edges by the name service: one object, an endpoint on each host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blueprints.cvb import figures
from lab.cvb.contracts import EDGE_OBJECT
from lab.errors import SystemDown
from lab.tars.client import Address
from lab.tars.queryf import resolve


def found(registry: tuple[str, int], *, timeout: float = 3.0) -> dict[str, Address]:
    """Where edges listen, by their endpoints' hosts; raises as `queryf.resolve` does."""
    endpoints = resolve(registry, EDGE_OBJECT, timeout=timeout)
    return {one.host: Address(one.host, one.port) for one in endpoints}


def placed(hosts: Sequence[str]) -> dict[str, str]:
    """Edge of the site → its host, by the order of both; fewer hosts carry the site's first edges.

    What needs all of the site needs the capability ``neighbour-edge``.
    """
    return dict(zip(figures().site, hosts, strict=False))


def of_the_site(listening: Mapping[str, Address], hosts: Sequence[str]) -> dict[str, Address]:
    """Edge of the site → where it listens; ``hosts`` are the addresses in the lab's order.

    Raises `SystemDown` when one of these edges is not there.
    """
    edges = placed(hosts)
    missing = [edge for edge, host in edges.items() if host not in listening]
    if missing:
        raise SystemDown(
            f"no edge serves the area of {', '.join(missing)}",
            found=f"{EDGE_OBJECT} at {', '.join(listening) or 'no host'}",
            expected=f"{EDGE_OBJECT} on each of the hosts {', '.join(hosts)}",
        )
    return {edge: listening[host] for edge, host in edges.items()}
