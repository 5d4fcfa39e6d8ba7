"""Faults as files: ``<home>/.iec4/faults/NAME`` exists while the fault is injected.

Embedded systems and hosts look at the moment of the faulty act, so a fault takes effect
at once, survives their restart, and needs no control port. This module travels to hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import F_OK, access
from pathlib import Path

#: Where a host keeps its fault flags, from the account's home directory.
DIRECTORY = Path(".iec4/faults")


@dataclass(frozen=True)
class Fault:
    """``name`` is ``<layer or system>.<what-goes-wrong>``; ``roles`` are the hosts it is on."""

    name: str
    roles: tuple[str, ...]
    does: str


class FaultFlags:
    """The fault flags of one host; ``home`` is the account's home directory there."""

    def __init__(self, home: Path) -> None:
        self._directory = home / DIRECTORY

    def active(self, name: str) -> bool:
        # Asked at every call of a servant: pathlib would take five times as long.
        return access(f"{self._directory}/{name}", F_OK)

    def possible(self) -> bool:
        """Whether there has ever been a fault on this host: one question instead of many."""
        return access(self._directory, F_OK)

    def value(self, name: str) -> str | None:
        """The text in an active fault's file (a delay, a count), None when it is not active."""
        try:
            return (self._directory / name).read_text().strip()
        except FileNotFoundError:
            return None
