"""Whether a figure moved by more than such figures do: the band around what it was.

Two runs never measure the same. A band says how far a figure may lie from an earlier one
before a person must look: by what earlier runs on that lab showed, where there are enough
of them, else by a share of the earlier figure that depends on the SLO profile.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from blueprints.model import Limit

#: Half a band's width as percent of the earlier figure, by SLO profile. On the embedded lab
#: everything shares one machine: percentiles of a latency double by what else it does.
PERCENT = {"embedded": 100.0, "lab": 20.0}
#: Earlier figures from which their own spread says more than a percentage does.
ENOUGH = 5
#: What one limit is worth: moves by less than this share of it are no news.
SHARE_OF_LIMIT = 0.05
#: Half a band's width where the earlier figures show no spread, as a share of their median.
LEAST = 0.02
#: A median absolute deviation times this is a standard deviation, if they are normal.
_MAD_TO_SIGMA = 1.4826
_SIGMAS = 3


class Move(StrEnum):
    """What became of a figure."""

    WORSE = "worse"
    BETTER = "better"
    WITHIN = "within"
    #: Out of its band, and no limit says which way is the good one.
    MOVED = "moved"
    ADDED = "added"
    GONE = "gone"
    #: The two cannot be compared.
    UNCOMPARED = "not compared"


@dataclass(frozen=True)
class Band:
    """From ``low`` to ``high``, both within; ``basis`` says where it comes from."""

    low: float
    high: float
    basis: str

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def percent_of(profile: str) -> float:
    """Half a band's width, percent, for runs of an SLO profile."""
    return PERCENT.get(profile, PERCENT["lab"])


def limit_of(threshold: str | None) -> Limit | None:
    """A measurement's limit; None where it has none that can be read."""
    try:
        return None if threshold is None else Limit.parse(threshold)
    except ValueError:
        return None


def band(before: float, limit: Limit | None, percent: float, history: Sequence[float]) -> Band:
    """The band around ``before``, or around the median of ``history`` if it is long enough."""
    least = SHARE_OF_LIMIT * abs(limit.value) if limit else 0.0
    if len(history) >= ENOUGH:
        middle = statistics.median(history)
        sigma = _MAD_TO_SIGMA * statistics.median(abs(value - middle) for value in history)
        half = max(_SIGMAS * sigma, least, LEAST * abs(middle))
        return Band(middle - half, middle + half, f"{len(history)} earlier runs")
    half = max(abs(before) * percent / 100, least)
    return Band(before - half, before + half, f"{percent:g} %")


def move(
    value: float, around: Band, limit: Limit | None, *, met_before: bool | None = None
) -> Move:
    """What ``value`` is against a band; a limit that is missed now is worse in any case."""
    if limit is not None and met_before is not None and limit.met_by(value) is not met_before:
        return Move.WORSE if met_before else Move.BETTER
    if around.holds(value):
        return Move.WITHIN
    if limit is None:
        return Move.MOVED
    less_is_good = limit.comparison.startswith("<")
    return Move.BETTER if (value < around.low) is less_is_good else Move.WORSE
