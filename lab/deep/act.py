"""How a fault is done to a deep lab's machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Act:
    """How a fault is made: the files that ``script`` touches, and what else is to be undone.

    Both are shell scripts that the machine's root runs. The files are kept before ``script``,
    and put back before ``undo``.
    """

    files: tuple[str, ...]
    script: str
    undo: str = ""
