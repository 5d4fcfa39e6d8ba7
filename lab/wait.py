"""The one wait helper: poll to a deadline and report the last thing seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lab.errors import LabError, WaitTimeout

T = TypeVar("T")


def wait_for(
    what: str,
    probe: Callable[[], T | None],
    *,
    timeout: float,
    interval: float = 0.05,
    slowest: float = 0.5,
    not_yet: tuple[type[Exception], ...] = (LabError, OSError),
    advice: str | None = None,
) -> T:
    """Call ``probe`` until it returns something true, and return that.

    A probe says "not yet" by returning a false value or by raising one of ``not_yet``;
    any other exception passes through. ``timeout`` and
    ``interval`` are seconds; the interval doubles up to ``slowest``.
    Raises `WaitTimeout` with the last thing seen.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            value = probe()
            if value:
                return value
            seen = repr(value)
        except not_yet as error:
            seen = str(error) or type(error).__name__
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise WaitTimeout(
                f"{what} did not happen within {timeout:g} s", found=seen, advice=advice
            )
        time.sleep(min(interval, remaining))
        interval = min(interval * 2, max(slowest, interval))
