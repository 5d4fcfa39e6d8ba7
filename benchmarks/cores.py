"""Which cores what is measured runs on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """This thread, and what it starts meanwhile, has that core only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(core: int | None, argv: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
    """A process that has that core only; None: the cores that this thread has."""
    with nullcontext() if core is None else on_core(core):
        return subprocess.Popen(argv, **options)
