"""Whom loads on Tars call: the echo servant, found by its name."""

from __future__ import annotations

from urllib.parse import urlsplit

from blueprints.errors import ConfigError
from lab.inventory import load as load_inventory
from lab.session import Lab
from lab.tars.client import Address
from lab.tars.echo_client import ECHO_OBJECT
from lab.tars.queryf import resolve
from lab.task import Task


def echo_addresses(host: str | None, timeout: float) -> tuple[Address, ...]:
    """Where the echo servant listens, as the registry that ``--host`` means tells.

    Raises `ConfigError`, and what a look-up raises.
    """
    found = resolve(_registry(host), ECHO_OBJECT, timeout=timeout)
    return tuple(Address(one.host, one.port) for one in found)


def _registry(host: str | None) -> tuple[str, int]:
    if host is not None and "://" in host:
        parts = urlsplit(host)
        if parts.scheme != "tcp" or not parts.hostname or not parts.port:
            raise ConfigError(f"a registry reads tcp://HOST:PORT; found {host!r}")
        return parts.hostname, parts.port
    inventory = load_inventory(host) if host else Task.from_environment().inventory
    return Lab(inventory).address("tars", "registry")
