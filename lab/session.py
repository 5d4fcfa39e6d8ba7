"""A lab that is being worked on: its inventory, and the connections that are open to it."""

from __future__ import annotations

import threading
from pathlib import Path
from urllib.parse import urlsplit

from blueprints.errors import ConfigError, nearest
from lab import secrets
from lab.closing import Closing
from lab.host.base import Host
from lab.inventory import Inventory


class Lab(Closing):
    """Hosts by name, endpoints by system. Connections open on first use, and stay open.

    ``overflow``: the directory for command output that is too large to keep in memory.
    Safe to use from several threads. Use as a context manager, or `close` it.
    """

    def __init__(self, inventory: Inventory, *, overflow: Path | None = None) -> None:
        self.inventory = inventory
        self._overflow = overflow
        self._hosts: dict[str, Host] = {}
        self._lock = threading.Lock()

    def host(self, name: str) -> Host:
        """The host of that name, as the suite's own account (the inventory's first)."""
        from lab.host.ssh import SshHost  # paramiko is heavy

        with self._lock:
            if name not in self._hosts:
                entry = self.inventory.hosts.get(name)
                if entry is None:
                    raise ConfigError(
                        f"unknown host {name!r}; {nearest(name, self.inventory.hosts)}"
                    )
                self._hosts[name] = SshHost(name, entry, overflow=self._overflow)
            return self._hosts[name]

    def with_role(self, role: str) -> list[Host]:
        """The hosts that carry ``role``, in the inventory's order."""
        return [self.host(name) for name in self.inventory.with_role(role)]

    def url(self, system: str, endpoint: str) -> str:
        """Where a system answers: ``tcp://HOST:PORT`` or ``http(s)://HOST:PORT``."""
        entry = self.inventory.systems.get(system)
        url = entry.endpoints.get(endpoint) if entry else None
        if url is None:
            raise ConfigError(
                f"lab {self.inventory.name} has no endpoint systems.{system}.endpoints.{endpoint}"
            )
        return url

    def address(self, system: str, endpoint: str) -> tuple[str, int]:
        """Host and port of an endpoint."""
        parts = urlsplit(self.url(system, endpoint))
        default = {"http": 80, "https": 443}.get(parts.scheme, 0)
        return parts.hostname or "", parts.port or default

    def secret(self, system: str, name: str) -> str | None:
        """A system's secret by name, resolved and redacted from now on; None if it has none."""
        entry = self.inventory.systems.get(system)
        reference = entry.secrets.get(name) if entry else None
        return None if reference is None else secrets.resolve(reference)

    def ca(self, system: str) -> Path | None:
        """The CA file that vouches for a system; None means the machine's own CAs."""
        entry = self.inventory.systems.get(system)
        return entry.ca if entry else None

    def close(self) -> None:
        with self._lock:
            for host in self._hosts.values():
                host.close()
            self._hosts.clear()
