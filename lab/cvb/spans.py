"""Sets of moments: disjoint spans in order, each from a moment to before another, in seconds."""

from __future__ import annotations

from collections.abc import Iterable

#: ``(from, until)`` in order, each until before the next one's from.
Spans = tuple[tuple[float, float], ...]

NEVER: Spans = ()


def union(spans: Iterable[tuple[float, float]], *, gap: float = 0.0) -> Spans:
    """All of them as one set; gaps of at most ``gap`` are filled. Empty spans count for nothing."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and begin <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return tuple(joined)


def common(left: Spans, right: Spans) -> Spans:
    """When both hold."""
    found: list[tuple[float, float]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        begin = max(left[i][0], right[j][0])
        end = min(left[i][1], right[j][1])
        if begin < end:
            found.append((begin, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(spans: Spans, taken: Spans) -> Spans:
    """When the first holds and the second does not."""
    left: list[tuple[float, float]] = []
    for begin, end in spans:
        at = begin
        for off, on in taken:
            if on <= at or off >= end:
                continue
            if at < off:
                left.append((at, off))
            at = on
        if at < end:
            left.append((at, end))
    return tuple(left)


def widened(spans: Spans, by: float) -> Spans:
    """Each begins so much earlier and ends so much later."""
    return union((begin - by, end + by) for begin, end in spans)


def holds(spans: Spans, moment: float) -> bool:
    """Whether a moment is among them."""
    return any(begin <= moment < end for begin, end in spans)
