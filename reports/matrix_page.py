"""The matrix as text for a terminal, as JSON for programs, as HTML with links to evidence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from reports.matrix import NOT_PLANNED, Matrix, Row
from reports.page import Html, cell, html, link, listing, page, table, tag
from reports.results import STATES
from reports.table import aligned
from reports.text import lab_words, one_line

SCHEMA = 1
_TEXT_HEAD = ("criterion", "verdict", "evidence", "test", "requirement")
_API_HEAD = ("API", "criterion", "verdict", "evidence")
_PAGE_HEAD = ("requirement", "criterion", "test", "verdict", "evidence", "proven by")


def as_text(matrix: Matrix) -> str:
    """A row a criterion; its evidence is counted."""
    rows = [
        (
            one_line(row.criterion),
            row.state,
            str(len(row.evidence)) if row.evidence else "-",
            one_line(", ".join(row.tests)) or "-",
            one_line(row.requirement),
        )
        for row in matrix.rows
    ]
    apis = [
        (one_line(api), one_line(row.criterion), row.state, str(len(row.evidence) or "-"))
        for api, judging in matrix.api_map.items()
        for row in judging
    ]
    parts = [
        [_title(matrix)],
        aligned([_TEXT_HEAD, *rows], right={2}),
        aligned([_API_HEAD, *apis], right={3}) if apis else [],
        [one_line(f"Gap: {gap}") for gap in matrix.gaps],
        [conclusion(matrix)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def conclusion(matrix: Matrix) -> str:
    """How many requirements have a verdict, in one sentence."""
    found = Counter(row.state for row in matrix.rows)
    told = ", ".join(f"{found[s]} {s}" for s in (*STATES, NOT_PLANNED) if found[s])
    return f"{len({row.requirement for row in matrix.rows})} requirements: {told}."


def document(matrix: Matrix) -> dict[str, Any]:
    """The matrix as JSON values."""
    return {
        "schema": SCHEMA,
        "run": matrix.run.id,
        "blueprint": matrix.run.blueprint,
        "lab": matrix.run.lab,
        "embedded": matrix.run.embedded,
        "conclusion": conclusion(matrix),
        "rows": [
            {**vars(row), "evidence": [{"name": n, "path": p} for n, p in row.evidence]}
            for row in matrix.rows
        ],
        "api_map": {api: [row.criterion for row in rows] for api, rows in matrix.api_map.items()},
        "gaps": list(matrix.gaps),
    }


def as_json(matrix: Matrix) -> str:
    return json.dumps(document(matrix), indent=2)


def as_html(matrix: Matrix, directory: Path) -> bytes:
    """One page; evidence in a run directory is linked from ``directory``, where it will lie."""
    return page(
        _title(matrix),
        [
            tag("p", conclusion(matrix)),
            listing(matrix.gaps) if matrix.gaps else Html(""),
            table(_PAGE_HEAD, (_cells(row, matrix, directory) for row in matrix.rows)),
            *_api_map(matrix, directory),
        ],
    )


def _api_map(matrix: Matrix, directory: Path) -> list[Html]:
    """What Akraino's API map asks: which API was judged by what, with what evidence."""
    rows = [
        (cell(api), cell(f"{row.criterion} {row.title}"), *_judged(row, matrix, directory))
        for api, judging in matrix.api_map.items()
        for row in judging
    ]
    return [tag("h2", "API map"), table(_API_HEAD, rows)] if rows else []


def _title(matrix: Matrix) -> str:
    run = matrix.run
    lab = lab_words(run.lab, run.profile)
    return one_line(f"Traceability of {run.blueprint} on {lab}, run {run.id}")


def _cells(row: Row, matrix: Matrix, directory: Path) -> tuple[Html, ...]:
    optional = "" if row.mandatory else " (optional)"
    return (
        cell(row.requirement),
        cell(f"{row.criterion} {row.title}{optional}"),
        tag("td", Html("<br/>".join(map(html, row.tests)))),
        *_judged(row, matrix, directory),
        cell(row.fault or ""),
    )


def _judged(row: Row, matrix: Matrix, directory: Path) -> tuple[Html, Html]:
    """A row's verdict and its evidence."""
    run = matrix.run.directory
    evidence = [
        link(name, run / path, directory) if run.is_dir() else html(f"{name}: {path}")
        for name, path in row.evidence
    ]
    said = f": {row.reason}" if row.reason else ""
    return (
        cell(f"{row.state}{said}", row.state.replace(" ", "-")),
        tag("td", Html("<br/>".join(evidence))),
    )
