"""What every scan's judgement consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that a scan had to show.

    ``failure`` says why it does not hold, and is empty when it does. ``excepted`` says by
    what Akraino itself excepts it.
    """

    name: str
    failure: str = ""
    excepted: str = ""
