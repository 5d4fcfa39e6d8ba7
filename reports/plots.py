"""Plots as SVG: verdicts of many runs, and figures with their limits and bands.

Every plot is an element of a page, without script; what a mouse shows stands in titles, and
what a plot shows stands in the page's tables, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from reports import svg
from reports.bands import limit_of
from reports.page import COLOURS, Html
from reports.results import STATES
from reports.trend import History, Line

WIDTH = 1000
_LEFT, _RIGHT = 110, 12
_ROW = 16
#: Points that are drawn as dots: more would hide the line.
_DOTS = 120
_BLUE, _RED, _GREY, _SHADE = "#1c5fb0", "#c92a2a", "#868e96", "#dbe7f5"


def columns(counts: Sequence[dict[str, int]], names: Sequence[str]) -> Html:
    """A stacked column a run: how many criteria were in each state."""
    height = 160
    most = max((sum(found.values()) for found in counts), default=0) or 1
    parts = [svg.text(_LEFT - 6, 12, str(most), "end"), svg.text(_LEFT - 6, height, "0", "end")]
    for place, (found, name) in enumerate(zip(counts, names, strict=True)):
        left, right = _x(place, len(counts)), _x(place + 1, len(counts))
        told = ", ".join(f"{n} {state}" for state, n in found.items() if n)
        below = float(height)
        bars = []
        for state in STATES:
            tall = found[state] / most * (height - 10)
            below -= tall
            if tall:
                bars.append(svg.box(left, below, right - left, tall, COLOURS[state]))
        parts.append(svg.titled(f"{name}: {told or 'nothing planned'}", bars))
    return svg.drawing(WIDTH, height + 4, "How many criteria were in each state, run by run", parts)


def map_of(histories: Sequence[History], names: Sequence[str]) -> Html:
    """A row a criterion, a box for each stretch of runs in one state."""
    parts = []
    for row, history in enumerate(histories):
        top = row * _ROW
        parts.append(svg.text(_LEFT - 6, top + _ROW - 4, history.id, "end"))
        place = 0
        for state, stretch in groupby(history.states):
            many = len(list(stretch))
            if state is not None:
                left, right = _x(place, len(names)), _x(place + many, len(names))
                box = svg.box(left, top + 1, right - left, _ROW - 2, COLOURS[state])
                where = (
                    names[place] if many == 1 else f"{names[place]} to {names[place + many - 1]}"
                )
                parts.append(svg.titled(f"{history.id} {state}: {where}", [box]))
            place += many
    return svg.drawing(
        WIDTH, len(histories) * _ROW + 2, "The state of every criterion, run by run", parts
    )


def course_of(line: Line, names: Sequence[str]) -> Html:
    """A figure from run to run; shaded: its band; dashed: its limit; red: what missed it."""
    height = 150
    limit = limit_of(line.threshold)
    values = [point.value for point in line.points]
    low, high = _range(values, limit.value if limit else None)

    def y(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return 10 + (1 - share) * (height - 20)

    def x(run: int) -> float:
        return (_x(run, len(names)) + _x(run + 1, len(names))) / 2

    parts = [
        svg.text(_LEFT - 6, 14, f"{high:.4g}", "end"),
        svg.text(_LEFT - 6, height - 6, f"{low:.4g}", "end"),
    ]
    if line.band is not None:
        top, bottom = y(line.band.high), y(line.band.low)
        parts.append(svg.box(_LEFT, top, WIDTH - _LEFT - _RIGHT, max(bottom - top, 1), _SHADE))
    if limit is not None and low <= limit.value <= high:
        at = f"{y(limit.value):.1f}"
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}" stroke="{_RED}" '
            'stroke-dasharray="6 4"/>'
        )
    path = " ".join(f"{x(point.run):.1f},{y(point.value):.1f}" for point in line.points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{_BLUE}" stroke-width="1.5"/>')
    for point in line.points:
        missed = point.met is False
        if missed or not point.window_valid or len(line.points) <= _DOTS:
            colour = _RED if missed else _BLUE if point.window_valid else _GREY
            dot = (
                f'<circle cx="{x(point.run):.1f}" cy="{y(point.value):.1f}" r="3" fill="{colour}"/>'
            )
            told = f"{names[point.run]}: {point.value:.6g} {line.figure.unit}"
            parts.append(svg.titled(told, [dot]))
    return svg.drawing(
        WIDTH, height, f"{line.figure.criterion} {line.figure.label} run by run", parts
    )


def legend() -> Html:
    """What the colours of the states are."""
    boxes = "".join(
        f'<svg width="12" height="12" role="presentation"><rect width="12" height="12" '
        f'fill="{colour}"/></svg> {state} &#160; '
        for state, colour in COLOURS.items()
    )
    return Html(f"<p>{boxes}</p>")


def _range(values: Sequence[float], limit: float | None) -> tuple[float, float]:
    """From where to where a plot goes: all values, the limit if it is near, never nothing."""
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    if limit is not None and low - 2 * spread <= limit <= high + 2 * spread:
        low, high = min(low, limit), max(high, limit)
    margin = ((high - low) or spread) * 0.05
    return low - margin, high + margin


def _x(place: int, many: int) -> float:
    return _LEFT + place / max(many, 1) * (WIDTH - _LEFT - _RIGHT)
