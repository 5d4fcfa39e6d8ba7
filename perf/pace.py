"""When a user acts, and from which moment its latency counts. No clock, no sleep."""

from __future__ import annotations

from dataclasses import dataclass

from perf.load import LoadPlan


@dataclass
class Pace:
    """One user's due times, in seconds of any monotonic clock."""

    next_due: float
    interval: float | None

    @classmethod
    def of(cls, plan: LoadPlan, user: int, start: float) -> Pace:
        """The pace of user number ``user`` (from 0) in a load that starts at ``start``."""
        if plan.interval_s is None or plan.arrival == "burst":
            return cls(start, plan.interval_s)
        return cls(start + plan.interval_s * (user % plan.users) / plan.users, plan.interval_s)

    def take(self) -> float | None:
        """The time at which the next action is due; None in a closed loop: at once."""
        if self.interval is None:
            return None
        due = self.next_due
        self.next_due += self.interval
        return due


def counts_from(due: float | None, ready: float, began: float) -> float:
    """From when the latency of an action counts that was due, whose user was ready, that began.

    Was the user ready only after the due time, the system held it up with the answer before:
    the time since the due time counts. Otherwise a system that stalls would be asked less,
    and measured at its good moments only (coordinated omission). Was the user waiting, then
    only the generator can have begun late, which `GeneratorMonitor` reports: the time since
    the beginning counts.
    """
    return began if due is None or ready <= due else due
