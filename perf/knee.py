"""The knee: the highest rate at which a system keeps its SLO, found by steps and bisection.

The rate grows by a factor until a window misses the SLO, then the gap between the last rate
that kept it and the first that did not is halved until it is narrow. Every window is part of
the answer: together they are the curve of latency over throughput.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from perf.load import LoadResult

#: A window in which less than this share of the asked rate was answered has fallen behind.
KEEPS_UP = 0.98
#: How often a window that the generator spoilt is measured in all.
WINDOWS = 3


@dataclass(frozen=True)
class Step:
    """One window at a ``rate`` that was asked for; ``missed``: why it did not keep the SLO."""

    rate: float
    result: LoadResult
    missed: str | None

    @property
    def answered(self) -> float:
        """What came of the rate that was asked for."""
        return answered(self.result)


@dataclass(frozen=True)
class Knee:
    """Every step in the order of its measurement, and what ended the search.

    ``stopped_by``: "slo" (the knee lies between two steps), "generator" (it could press no
    harder: the knee is higher), "highest" (the highest rate asked for was kept).
    """

    steps: tuple[Step, ...]
    stopped_by: str

    @property
    def unit(self) -> str:
        """What rates are counted in: a classroom's are its students."""
        of_a_classroom = any(step.result.media is not None for step in self.steps)
        return "students" if of_a_classroom else "calls/s"

    @property
    def best(self) -> Step | None:
        """The highest rate that kept the SLO, below every one that did not; None if none did."""
        ceiling = min((s.rate for s in self.steps if s.missed), default=math.inf)
        kept = [s for s in self.steps if s.missed is None and s.rate < ceiling]
        return max(kept, key=lambda step: step.rate, default=None)

    @property
    def curve(self) -> tuple[Step, ...]:
        """The steps by their rate."""
        return tuple(sorted(self.steps, key=lambda step: step.rate))


def search(
    measure: Callable[[float], LoadResult],
    missed: Callable[[LoadResult], str | None],
    *,
    lowest: float,
    highest: float,
    factor: float = 2.0,
    precision: float = 0.05,
) -> Knee:
    """Find the knee between ``lowest`` and ``highest``, in calls/s or students.

    ``measure`` gives one window at a rate; ``missed`` says how it misses the SLO. The search
    ends when the rates on both sides of the knee differ by ``precision`` (a share of the
    lower one) at most: some ``log(highest/lowest) / log(factor) + log2(factor/precision)``
    windows. Raises what ``measure`` raises.
    """
    if not 0 < lowest <= highest or factor <= 1 or precision <= 0:
        raise ValueError(
            f"a search goes from a lowest to a highest rate by a factor above 1; "
            f"found {lowest:g} to {highest:g} by {factor:g}, precision {precision:g}"
        )
    steps: list[Step] = []

    def step(rate: float) -> Step | None:
        """Measure at a rate; None when the generator cannot press so hard."""
        for _ in range(WINDOWS):
            result = measure(rate)
            if result.window_valid:
                steps.append(Step(rate, result, _behind(rate, result) or missed(result)))
                return steps[-1]
        return None

    kept, rate = 0.0, lowest
    while True:
        found = step(rate)
        if found is None:
            return Knee(tuple(steps), "generator")
        if found.missed is not None:
            break
        if rate >= highest:
            return Knee(tuple(steps), "highest")
        kept, rate = rate, min(rate * factor, highest)
    while kept and rate - kept > precision * kept:
        middle = (kept + rate) / 2
        found = step(middle)
        if found is None:
            return Knee(tuple(steps), "generator")
        if found.missed is None:
            kept = middle
        else:
            rate = middle
    return Knee(tuple(steps), "slo")


def answered(result: LoadResult) -> float:
    """Calls per second that were answered, or students who were there."""
    return result.rate if result.media is None else float(result.media.students)


def _behind(rate: float, result: LoadResult) -> str | None:
    if answered(result) >= KEEPS_UP * rate:
        return None
    unit = "calls/s" if result.media is None else "students"
    return f"answered {answered(result):.0f} {unit} of {rate:.0f}"
