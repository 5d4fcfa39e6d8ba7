"""Which local addresses ICE offers: aioice never offers loopback, where the embedded lab lives.

This is the one place that teaches it: aioice asks its module-level ``get_host_addresses``
whenever a connection gathers candidates, and this module stands in between. A test guards
the name that is replaced (aioice 0.13).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, ip_address

import aioice.ice

_machines_addresses = aioice.ice.get_host_addresses
_chosen: ContextVar[tuple[str, ...] | None] = ContextVar("candidate addresses", default=None)
_process_wide: list[str] = []


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    chosen = _chosen.get() or _process_wide
    if not chosen:
        return list(_machines_addresses(use_ipv4=use_ipv4, use_ipv6=use_ipv6))
    return [address for address in chosen if (use_ipv6 if ":" in address else use_ipv4)]


aioice.ice.get_host_addresses = _host_addresses


def gather_on(address: str) -> None:
    """From now on, every ICE connection of this process has one host candidate, on ``address``.

    Nothing of the machine's other addresses leaves it, and no socket is bound on them.
    Raises `ValueError` unless ``address`` is an IPv4 address (``"127.0.0.1"``).
    """
    _process_wide[:] = [str(IPv4Address(address))]


@contextmanager
def candidates_on(addresses: Sequence[str] | None) -> Iterator[None]:
    """Connections that gather in here offer exactly these addresses (None: the usual ones).

    Holds for the current asyncio task and the tasks that it starts inside.
    """
    token = _chosen.set(None if addresses is None else tuple(addresses))
    try:
        yield
    finally:
        _chosen.reset(token)


def addresses_towards(peer: str) -> tuple[str, ...] | None:
    """What to offer to a peer at the numeric address ``peer``: to one on loopback the
    loopback address from which this machine reaches it, None (the usual ones) to others."""
    if not ip_address(peer).is_loopback:
        return None
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, 9))  # UDP: nothing is sent
        return (probe.getsockname()[0],)
