"""Where a frame is worked out: at its policy's target, or where the policy says next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lab.cvb.contracts import Policy, Target
from lab.cvb.embedded.counters import Counters
from lab.tars.errors import TarsError

#: A target that has no deadline is awaited for so long, seconds.
UNLIMITED_S = 30.0

R = TypeVar("R")


async def offload(
    policy: Policy,
    ask: Callable[[Target, float], Awaitable[R]],
    counters: Counters,
    *,
    deadline: bool = True,
) -> tuple[Target, R] | None:
    """What a target has worked out, and which; None when none has in time.

    ``ask`` has it done by a target within so many seconds; raises `TarsError`. A target that
    refuses has missed its deadline at once. Without ``deadline`` each is awaited for
    `UNLIMITED_S`.
    """
    ways = (policy.target, *policy.fallback)
    seconds = policy.deadline_ms / 1000 if deadline else UNLIMITED_S
    for target, last in zip(ways, (*(False for _ in ways[1:]), True), strict=True):
        try:
            async with asyncio.timeout(seconds):
                result = await ask(target, seconds)
        except (TarsError, TimeoutError):
            if last:
                counters.lost += 1
            else:
                counters.late += 1
        else:
            counters.worked_out(target)
            return target, result
    return None
