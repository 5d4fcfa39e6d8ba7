"""When Python looks for garbage in cycles: seldom, as everybody hears the pause.

A classroom of 300 is a million objects; looking through all of them takes 0.2 s, and Python
would do it again and again while people come. What they leave behind is looked for instead.
"""

from __future__ import annotations

import gc

#: Endpoints that have ended since the last look, of which each leaves some 0.5 MB.
LOOK_AFTER = 100
#: Objects between two looks at the youngest: some ms. Python looks at no others by itself.
_YOUNGEST = 10_000
_NEVER = 1_000_000_000

_ended = 0


def arrange() -> None:
    """From now on; what is there already stays to the end, and is never looked at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNGEST, _NEVER, _NEVER)


def ended() -> None:
    """An endpoint has ended; of many, what is left is cleared away."""
    global _ended  # noqa: PLW0603 - there is one collector a process
    _ended += 1
    if _ended >= LOOK_AFTER:
        _ended = 0
        gc.collect()
