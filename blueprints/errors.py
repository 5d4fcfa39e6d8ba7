"""Wrong usage or configuration, and the names that may have been meant. Light to import."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigError(Exception):
    """Wrong usage or configuration (exit code 2). Its text is one line for a person."""


class Unshown(ValueError):
    """Refuses a value of a configuration that is not repeated: a secret may be in it."""


class Unacceptable(Exception):
    """Something from outside is not fit to be read; the text says what and why."""


def nearest(word: str, known: Iterable[str]) -> str:
    """ ", did you mean …?" with the nearest names, or the known ones when none is near."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return f"known: {shown}" if known else "none is known"
