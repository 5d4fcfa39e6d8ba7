"""Takes processor time away, as a busy neighbour does: in bursts, bounded, with an end.

    python -S -m pipeline.soak_thief SHARE SEED SECONDS

Bursts of 20 to 400 ms come as chance has it, SHARE of the time on one core; the same SEED makes the
same bursts. It ends after SECONDS, or with whoever started it (`pipeline.children`). Standard
library only.
"""

from __future__ import annotations

import random
import select
import signal
import sys
import time
from collections.abc import Iterator

#: The shortest and the longest burst, seconds: from a scheduler's slice to a stolen moment.
SHORTEST_S, LONGEST_S = 0.02, 0.4


def bursts(share: float, seed: int) -> Iterator[tuple[float, float]]:
    """Without end: how long to work and how long to rest, seconds."""
    chance = random.Random(seed)  # noqa: S311
    while True:
        work = chance.uniform(SHORTEST_S, LONGEST_S)
        yield work, work * (1 - share) / share


def main(share: float, seed: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    for work, rest in bursts(share, seed):
        until = min(time.monotonic() + work, end)
        while time.monotonic() < until:
            pass
        if time.monotonic() >= end:
            return
        select.select([], [], [], rest)


if __name__ == "__main__":
    # It is interrupted when the last run has ended: that is nothing to tell.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main(float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
