"""Which local addresses ICE offers. aioice leaves loopback out; an embedded lab lives there.

The one place where aioice is taught this: it asks its module-level ``get_host_addresses``
whenever a connection gathers candidates, and this module stands in between.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import aioice.ice

_chosen: ContextVar[tuple[str, ...] | None] = ContextVar("candidate addresses", default=None)
_addresses_of_the_machine = aioice.ice.get_host_addresses


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    chosen = _chosen.get()
    if chosen is None:
        return list(_addresses_of_the_machine(use_ipv4=use_ipv4, use_ipv6=use_ipv6))
    return list(chosen)


aioice.ice.get_host_addresses = _host_addresses


@contextmanager
def candidates_on(addresses: Sequence[str] | None) -> Iterator[None]:
    """Connections that gather in here offer exactly these addresses (None: aioice's choice).

    Holds for the current asyncio task and the tasks that it starts inside.
    """
    token = _chosen.set(None if addresses is None else tuple(addresses))
    try:
        yield
    finally:
        _chosen.reset(token)


def addresses_towards(peer: str) -> tuple[str, ...] | None:
    """What to offer to a peer at the numeric address ``peer``: for one on loopback the
    loopback address from which this machine reaches it, None (aioice's choice) for others."""
    if not ipaddress.ip_address(peer).is_loopback:
        return None
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, 9))  # UDP: nothing is sent
        return (probe.getsockname()[0],)
