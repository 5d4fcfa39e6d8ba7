"""The verdict table: what a person reads when a run has ended."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from blueprints.evidence import Verdict
from reports.exit_codes import ExitCode, exit_code
from reports.results import STATES, CriterionResult, RunResults, counts
from reports.text import lab_words, one_line

_STYLES = {
    "PASS": "green",
    "FAIL": "bold red",
    "ERROR": "bold magenta",
    "SKIP": "yellow",
    "NONE": "bold magenta",
}
_CONCLUSIONS = {
    ExitCode.OK: "Every mandatory criterion is met.",
    ExitCode.MANDATORY_FAILED: "A mandatory criterion is not met.",
    ExitCode.NOT_JUDGED: "Not everything could be judged.",
    ExitCode.NOTHING_RAN: "Nothing was judged.",
    ExitCode.INTERRUPTED: "The run was interrupted.",
}
_VERDICT_HEAD = ("criterion", "layer", "verdict", "time", "title and reason")
_COUNT_HEAD = ("layer", *STATES, "total")


def plain(results: RunResults) -> str:
    """The table as aligned text, for files, pipes and Jenkins; ends with a newline."""
    parts = [
        [_title(results), *_run_lines(results)],
        aligned([_VERDICT_HEAD, *map(_verdict_row, results.criteria)], right={3}),
        aligned([_COUNT_HEAD, *_count_rows(results)], right=set(range(1, len(_COUNT_HEAD)))),
        _remarks(results),
        [conclusion(results)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def print_table(results: RunResults, stream: TextIO | None = None) -> None:
    """Print the table, and where the reports lie, to ``stream`` (stdout unless given).

    It has colours and frames on a terminal, and is `plain` text elsewhere.
    """
    stream = stream or sys.stdout
    places = [f"{what}: {results.directory / name}" for what, name in _places(results)]
    if not stream.isatty():
        stream.write("\n".join([plain(results), *places, ""]))
        return
    console = Console(file=stream)  # all that it prints is Text, which has no markup
    verdicts = Table(title=Text(_title(results)), title_justify="left", expand=False)
    *narrow, wide = _VERDICT_HEAD
    for head in narrow:
        verdicts.add_column(head, justify="right" if head == "time" else "left", no_wrap=True)
    verdicts.add_column(wide, overflow="fold")
    for criterion in results.criteria:
        cells = [Text(cell) for cell in _verdict_row(criterion)]
        cells[2].stylize(_STYLES[criterion.state])
        verdicts.add_row(*cells)
    totals = Table()
    for head in _COUNT_HEAD:
        totals.add_column(head, justify="left" if head == "layer" else "right")
    for row in _count_rows(results):
        totals.add_row(*map(Text, row))
    console.print(verdicts)
    console.print(totals)
    for line in (*_run_lines(results), *_remarks(results), conclusion(results), *places):
        console.print(Text(line))


def conclusion(results: RunResults) -> str:
    """The run in one sentence."""
    code = exit_code(results)
    said = _CONCLUSIONS[code]
    skipped = sum(c.mandatory and c.verdict is Verdict.SKIP for c in results.criteria)
    if code is ExitCode.OK and skipped:
        said = f"Every mandatory criterion that this lab can show is met; {skipped} it cannot show."
    return f"{said} Exit code {code.value} (maturity: {results.maturity})."


def _title(results: RunResults) -> str:
    lab = lab_words(results.lab, results.profile)
    return one_line(f"{results.blueprint} on {lab}, run {results.id}")


def _run_lines(results: RunResults) -> list[str]:
    lines = []
    if results.started and results.ended:
        minutes, seconds = divmod((results.ended - results.started).total_seconds(), 60)
        began = f"{results.started:%Y-%m-%d %H:%M:%S} UTC"
        lines.append(f"began {began}, took {minutes:.0f} min {seconds:.1f} s")
    lines += [
        one_line(f"stage {stage.name}: {stage.state}. {stage.message or ''}")
        for stage in results.stages
        if stage.state in ("failed", "interrupted")
    ]
    return lines


def _verdict_row(criterion: CriterionResult) -> tuple[str, ...]:
    optional = "" if criterion.mandatory else " (optional)"
    reason = f": {criterion.reason}" if criterion.reason else ""
    return (
        one_line(criterion.id),
        one_line(criterion.layer),
        criterion.state,
        "-" if criterion.seconds is None else f"{criterion.seconds:.1f} s",
        one_line(f"{criterion.title}{optional}{reason}"),
    )


def _count_rows(results: RunResults) -> list[tuple[str, ...]]:
    rows = [(layer, results.of_layer(layer)) for layer in results.layers]
    return [
        (name, *(str(number) for number in counts(criteria).values()), str(len(criteria)))
        for name, criteria in (*rows, ("total", results.criteria))
    ]


def _remarks(results: RunResults) -> list[str]:
    remarks = [f"Lost evidence: {says}" for says in results.damage]
    remarks += [
        f"Not planned, not counted: {c.id} {c.state} {c.title}. {c.reason}"
        for c in results.unplanned
    ]
    remarks += [
        f"Deviates from the blueprint: {d.name} {d.pinned}: {d.instead}" for d in results.deviations
    ]
    remarks += [f"Note: {says}" for says in results.notes]
    return [one_line(remark) for remark in remarks]


def _places(results: RunResults) -> Iterable[tuple[str, str]]:
    for what, name in (
        ("report", "report.html"),
        ("JUnit", "junit.xml"),
        ("everything else", ""),
    ):
        if (results.directory / name).exists():
            yield what, name


def aligned(rows: Sequence[Sequence[str]], *, right: Container[int] = ()) -> list[str]:
    """Columns of equal width on a terminal, where some characters take two cells."""
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for i, cell in enumerate(row):
            padding = " " * (widths[i] - cell_len(cell))
            cells.append(padding + cell if i in right else cell + padding)
        lines.append("  ".join(cells).rstrip())
    return lines
