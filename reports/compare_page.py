"""A comparison as text for a terminal, as JSON for programs, as HTML for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from reports.bands import Move
from reports.compare import Change, Comparison, FigureChange, VerdictChange
from reports.page import cell, listing, number, page, table, tag
from reports.results import RunResults, counts
from reports.table import aligned
from reports.text import one_line

SCHEMA = 1
_VERDICT_HEAD = ("criterion", "layer", "before", "after", "", "title and reason")
_FIGURE_HEAD = ("criterion", "figure", "before", "after", "change", "band", "limit", "")
_CIRCUMSTANCE_HEAD = ("circumstance", "before", "after")


def conclusion(comparison: Comparison) -> str:
    """One sentence: did it get worse?"""
    verdicts = Counter(verdict.change for verdict in comparison.verdicts)
    moves = Counter(figure.move for figure in comparison.figures)
    if not comparison.worse:
        return (
            f"Nothing got worse: {verdicts[Change.SAME]} verdicts stayed, "
            f"{verdicts[Change.BETTER]} got better; {moves[Move.WITHIN]} figures stayed within "
            f"their bands, {moves[Move.BETTER]} got better."
        )
    return (
        f"Got worse: {verdicts[Change.WORSE]} of {len(comparison.verdicts)} verdicts, "
        f"{moves[Move.WORSE]} of {len(comparison.figures)} figures."
    )


def as_text(comparison: Comparison) -> str:
    """What changed, in aligned tables; what stayed is only counted."""
    verdicts = [v for v in comparison.verdicts if v.change is not Change.SAME]
    figures = [f for f in comparison.figures if f.move is not Move.WITHIN]
    parts = [
        [f"before: {_about(comparison.before)}", f"after:  {_about(comparison.after)}"],
        [f"Note: {note}" for note in comparison.notes],
        aligned([_VERDICT_HEAD, *map(_verdict_row, verdicts)]) if verdicts else [],
        aligned([_FIGURE_HEAD, *map(_figure_row, figures)], right={2, 3, 4}) if figures else [],
        aligned([_CIRCUMSTANCE_HEAD, *_circumstances(comparison)])
        if comparison.circumstances
        else [],
        [conclusion(comparison)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values, what stayed included."""
    return {
        "schema": SCHEMA,
        "before": _run(comparison.before),
        "after": _run(comparison.after),
        "worse": comparison.worse,
        "conclusion": conclusion(comparison),
        "verdicts": [asdict(verdict) for verdict in comparison.verdicts],
        "figures": [asdict(figure) for figure in comparison.figures],
        "circumstances": [asdict(one) for one in comparison.circumstances],
        "notes": list(comparison.notes),
    }


def as_json(comparison: Comparison) -> str:
    return json.dumps(document(comparison), indent=2)


def as_html(comparison: Comparison) -> bytes:
    """One page with every verdict that changed and every figure."""
    changed = [v for v in comparison.verdicts if v.change is not Change.SAME]
    return page(
        f"{comparison.after.id} against {comparison.before.id}",
        [
            tag("p", conclusion(comparison), class_="bad" if comparison.worse else "good"),
            listing(
                [
                    f"before: {_about(comparison.before)}",
                    f"after: {_about(comparison.after)}",
                    *comparison.notes,
                ]
            ),
            tag("h2", "Verdicts that changed"),
            table(_VERDICT_HEAD, map(_verdict_cells, changed)) if changed else "None did.",
            tag("h2", "Figures"),
            table(_FIGURE_HEAD, map(_figure_cells, comparison.figures)),
            tag("h2", "Circumstances that differ"),
            table(_CIRCUMSTANCE_HEAD, _circumstances(comparison)),
        ],
    )


def _about(run: RunResults) -> str:
    found = ", ".join(f"{n} {state}" for state, n in counts(run.criteria).items() if n)
    began = f"{run.started:%Y-%m-%d %H:%M} UTC" if run.started else "no time told"
    return one_line(f"{run.id}, {run.blueprint} on {run.lab}, {began}: {found or 'nothing'}")


def _run(run: RunResults) -> dict[str, Any]:
    return {
        "id": run.id,
        "blueprint": run.blueprint,
        "lab": run.lab,
        "profile": run.profile,
        "embedded": run.embedded,
        "started": run.started.isoformat() if run.started else None,
        "counts": counts(run.criteria),
    }


def _verdict_row(verdict: VerdictChange) -> tuple[str, ...]:
    optional = "" if verdict.mandatory else " (optional)"
    reason = f": {verdict.reason}" if verdict.reason else ""
    return (
        one_line(verdict.id),
        one_line(verdict.layer),
        verdict.before or "-",
        verdict.after or "-",
        verdict.change.value,
        one_line(f"{verdict.title}{optional}{reason}"),
    )


def _verdict_cells(verdict: VerdictChange) -> tuple[str, ...]:
    identifier, layer, before, after, change, says = _verdict_row(verdict)
    return (identifier, layer, cell(before, before), cell(after, after), cell(change, change), says)


def _figure_row(figure: FigureChange) -> tuple[str, ...]:
    band = figure.band
    return (
        one_line(figure.criterion),
        one_line(figure.name),
        _value(figure.before, figure.unit),
        _value(figure.after, figure.unit),
        "-" if figure.percent is None else f"{figure.percent:+.1f} %",
        f"{band.low:.6g} to {band.high:.6g} ({band.basis})" if band else "-",
        one_line(figure.threshold or "-"),
        one_line(f"{figure.move.value}{': ' if figure.says else ''}{figure.says}"),
    )


def _figure_cells(figure: FigureChange) -> tuple[str, ...]:
    criterion, name, before, after, change, band, limit, says = _figure_row(figure)
    return (
        criterion, name, number(before), number(after), number(change), band, limit,
        cell(says, figure.move.value.replace(" ", "-")),
    )  # fmt: skip


def _value(value: float | None, unit: str) -> str:
    return "-" if value is None else one_line(f"{value:.6g} {unit}")


def _circumstances(comparison: Comparison) -> Iterable[tuple[str, ...]]:
    for one in comparison.circumstances:
        yield one_line(one.name), one_line(one.before or "-"), one_line(one.after or "-")
