"""Ending on request: SIGTERM (Jenkins' abort, a time-out) interrupts like Ctrl-C.

What holds something (a lab's lease, a lab, children) gives it back on the way out.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM raises `KeyboardInterrupt` in the main thread for the duration of the context."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
