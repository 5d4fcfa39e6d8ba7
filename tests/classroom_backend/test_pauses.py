"""What endings leave behind in cycles is cleared away after many of them, and by nothing else."""

from __future__ import annotations

import gc
import weakref

from lab.classroom.embedded import pauses


class Ring:
    """Something that holds itself, as peer connections do."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_looked_for_when_many_have_left() -> None:
    before = gc.get_threshold()
    try:
        pauses.arrange()
        old = Ring()
        gc.collect(0)  # it is not among the youngest any more
        left = weakref.ref(old)
        del old
        gc.collect(0)
        assert left() is not None
        for _ in range(pauses.LOOK_AFTER):
            pauses.ended()
        assert left() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
