"""Ant patterns, by which jobs name files: ``out/**``, ``**/*.xml, *.log``."""

from __future__ import annotations

import re
from collections.abc import Iterable


def matching(names: Iterable[str], includes: str, excludes: str = "") -> list[str]:
    """The names that one of the includes fits and none of the excludes; commas separate."""
    wanted, unwanted = _expressions(includes), _expressions(excludes)
    return [
        name
        for name in names
        if any(e.fullmatch(name) for e in wanted) and not any(e.fullmatch(name) for e in unwanted)
    ]


def _expressions(patterns: str) -> list[re.Pattern[str]]:
    return [_expression(each.strip()) for each in patterns.split(",") if each.strip()]


def _expression(pattern: str) -> re.Pattern[str]:
    pattern = pattern.removeprefix("./")
    if pattern.endswith("/"):
        pattern += "**"
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    parts = [meanings.get(piece) or re.escape(piece) for piece in pieces]
    return re.compile("".join(parts), re.DOTALL)
