"""A trend as text for a terminal, as JSON for programs, as one HTML page with plots."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from reports import plots
from reports.page import cell, listing, number, page, table, tag
from reports.results import STATES
from reports.runs import Brief
from reports.table import aligned
from reports.text import lab_words, one_line
from reports.trend import Course, History, Line, Trend

SCHEMA = 1
#: Runs that plots show, the newest ones: a column more would be thinner than a pixel.
SHOWN = 1000
#: Runs that a line of text shows.
_GLANCE = 30
_LETTER = {"PASS": ".", "FAIL": "F", "ERROR": "E", "SKIP": "s", "NONE": "?", None: " "}
_TALL = "▁▂▃▄▅▆▇█"
_STATE_HEAD = ("criterion", *STATES, "changes", "now", "since", f"last {_GLANCE}")
_LINE_HEAD = (
    "criterion", "figure", "runs", "median", "latest", "band", "limit", "", f"last {_GLANCE}",
)  # fmt: skip


def as_text(trend: Trend) -> str:
    """For each lane the criteria and figures, a line each, with the latest runs at a glance."""
    parts: list[list[str]] = []
    for course in trend.courses:
        lines = [_line_row(course, line) for line in course.lines]
        parts += [
            [_title(course)],
            aligned([_STATE_HEAD, *_state_rows(course)], right=range(1, len(STATES) + 2)),
            aligned([_LINE_HEAD, *lines], right={2, 3, 4}) if lines else [],
            [_conclusion(course)],
        ]
    parts.append([f"Not read: {one_line(says)}" for says in trend.unread])
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def document(trend: Trend) -> dict[str, Any]:
    """The trend as JSON values; ``run`` of a point is the place of its run in ``runs``."""
    return {
        "schema": SCHEMA,
        "lanes": [
            {
                **course.lane._asdict(),
                "embedded": course.lane.profile == "embedded",
                "runs": [_run(run) for run in course.runs],
                "criteria": [
                    {**asdict(history), "now": history.now, "counts": history.counts}
                    for history in course.histories
                ],
                "figures": [
                    {
                        **line.figure._asdict(),
                        "threshold": line.threshold,
                        "median": line.median,
                        "band": None if line.band is None else asdict(line.band),
                        "move": line.move.value,
                        "points": [asdict(point) for point in line.points],
                    }
                    for line in course.lines
                ],
                "conclusion": _conclusion(course),
            }
            for course in trend.courses
        ],
        "unread": list(trend.unread),
    }


def as_json(trend: Trend) -> str:
    return json.dumps(document(trend), indent=1)


def as_html(trend: Trend) -> bytes:
    """One page that loads nothing: for each lane its plots, and tables of what they show."""
    parts: list[str] = [plots.legend()]
    for course in trend.courses:
        parts += _section(course)
    if trend.unread:
        parts += [tag("h2", "Not read"), listing(trend.unread)]
    return page("Trend", parts)


def _section(course: Course) -> Iterable[str]:
    shown = _newest(course, SHOWN)
    names = [_name(run) for run in shown.runs]
    yield tag("h2", _title(course))
    yield tag("p", _conclusion(course), class_="bad" if course.worse else "good")
    if len(shown.runs) < len(course.runs):
        yield tag("p", f"Plots show the newest {SHOWN} runs; tables count all.")
    yield plots.columns([_counts(run) for run in shown.runs], names)
    yield plots.map_of(shown.histories, names)
    rows = ((*row[:-3], cell(row[-3], row[-3]), row[-2]) for row in _state_rows(course))
    yield table(_STATE_HEAD[:-1], rows)
    lines = {line.figure: line for line in shown.lines}
    for line in course.lines:
        yield tag("h3", f"{line.figure.criterion} {line.figure.label}, {line.figure.unit}")
        if line.figure in lines:
            yield plots.course_of(lines[line.figure], names)
        *row, move, _ = _line_row(course, line)
        cells = [*row[:2], *map(number, row[2:5]), *row[5:], cell(move, move.replace(" ", "-"))]
        yield table(_LINE_HEAD[:-1], [cells])


def _newest(course: Course, many: int) -> Course:
    """The course with its newest runs only, places counted from the first of them."""
    gone = max(len(course.runs) - many, 0)
    lines = []
    for line in course.lines:
        points = tuple(replace(p, run=p.run - gone) for p in line.points if p.run >= gone)
        if points:
            lines.append(replace(line, points=points))
    histories = (replace(h, states=h.states[gone:]) for h in course.histories)
    kept = tuple(h for h in histories if any(h.states))
    return replace(course, runs=course.runs[gone:], histories=kept, lines=tuple(lines))


def _title(course: Course) -> str:
    lane = course.lane
    lab = lab_words(lane.lab, lane.profile)
    days = [f"{run.started:%Y-%m-%d}" for run in course.runs if run.started]
    when = f", {days[0]} to {days[-1]}" if days else ""
    return one_line(f"{lane.blueprint} on {lab}: {len(course.runs)} runs{when}")


def _conclusion(course: Course) -> str:
    last = course.runs[-1]
    not_met = [h.id for h in course.histories if h.now not in ("PASS", "SKIP")]
    worse = [f"{line.figure.criterion} {line.figure.label}" for line in course.worse]
    verdicts = f"not met when last judged: {', '.join(not_met)}" if not_met else "all is met"
    figures = f"figures worse than before: {', '.join(worse)}" if worse else "no figure got worse"
    return one_line(f"Latest run {last.id}, exit code {last.exit_code}: {verdicts}; {figures}.")


def _state_rows(course: Course) -> Iterable[tuple[str, ...]]:
    for history in course.histories:
        yield (
            one_line(history.id),
            *(str(n) for n in history.counts.values()),
            str(history.changes),
            history.now,
            _name(course.runs[history.since]),
            _letters(history),
        )


def _letters(history: History) -> str:
    return "".join(_LETTER[state] for state in history.states[-_GLANCE:])


def _line_row(course: Course, line: Line) -> tuple[str, ...]:
    unit = line.figure.unit
    latest = line.points[-1]
    stale = "" if latest.run == len(course.runs) - 1 else f", in {_name(course.runs[latest.run])}"
    band = f"{line.band.low:.6g} to {line.band.high:.6g}" if line.band else "-"
    return (
        one_line(line.figure.criterion),
        one_line(line.figure.label),
        str(len(line.points)),
        one_line(f"{line.median:.6g} {unit}"),
        one_line(f"{latest.value:.6g} {unit}"),
        band,
        one_line(line.threshold or "-"),
        one_line(f"{line.move.value}{stale}"),
        _blocks([point.value for point in line.points[-_GLANCE:]]),
    )


def _blocks(values: Sequence[float]) -> str:
    """The values as characters of eight heights."""
    low, high = min(values), max(values)
    if low == high:
        return _TALL[3] * len(values)
    return "".join(_TALL[round((value - low) / (high - low) * 7)] for value in values)


def _name(run: Brief) -> str:
    return one_line(run.id)


def _counts(run: Brief) -> dict[str, int]:
    found = Counter(criterion.state for criterion in run.criteria)
    return {state: found[state] for state in STATES}


def _run(run: Brief) -> dict[str, Any]:
    return {
        "id": run.id,
        "path": str(run.path),
        "started": run.started.isoformat() if run.started else None,
        "seconds": run.seconds,
        "exit_code": run.exit_code,
        "counts": _counts(run),
    }
