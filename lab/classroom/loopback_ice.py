"""ICE on loopback: aioice never offers 127.0.0.1, and that is where the embedded lab lives.

This is the one place that teaches it. A test guards the name that is replaced
(``aioice.ice.get_host_addresses``, aioice 0.13).
"""

from __future__ import annotations

from ipaddress import IPv4Address

import aioice.ice


def gather_on(address: str) -> None:
    """From now on, every ICE connection of this process has one host candidate, on ``address``.

    Nothing of the machine's other addresses leaves it, and no socket is bound on them.
    Raises `ValueError` unless ``address`` is an IPv4 address (``"127.0.0.1"``).
    """
    only = str(IPv4Address(address))

    def host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: ARG001
        return [only] if use_ipv4 else []

    aioice.ice.get_host_addresses = host_addresses
