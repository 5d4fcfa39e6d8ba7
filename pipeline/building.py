"""What ``lab build`` and ``run --build`` do: what a lab needs and no registry has, made once.

The cluster's programs, and for the deep lab the disk of its virtual machine.
"""

from __future__ import annotations

import sys

from lab import inventory as inventories
from lab.deep import virtual
from lab.iec import binaries


def build(*, deep: bool, keep_go_caches: bool = False) -> int:
    """Build what is lacking, telling how it gets on. Returns the exit code 0, or raises."""
    if deep:
        virtual.prepare(_say)
    binaries.build(deep=deep, say=_say, keep_go_caches=keep_go_caches)
    return 0


def build_for(lab: str) -> None:
    """Build what a lab of ours needs; a real one has a cluster, or gets one, without it."""
    kind = inventories.load(lab).kind
    if kind == "real":
        _say(f"lab {lab} is a real one: nothing is built for it")
        return
    build(deep=kind == "deep")


def _say(text: str) -> None:
    print(f"iec4: {text}", file=sys.stderr, flush=True)
