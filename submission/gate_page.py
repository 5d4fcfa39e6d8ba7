"""The gate's page: as text for a terminal, as JSON for programs, as HTML for the release."""

from __future__ import annotations

import json
import os
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reports.files import write_whole
from reports.text import one_line
from submission.gate import Gate, Line, State

SCHEMA = 1
#: Lines in the order in which a person wants them: what stands in the way first.
_ORDER = (State.UNJUDGED, State.BLOCKS, State.EXCEPTED, State.NOTED, State.MET)


def conclusion(gate: Gate) -> str:
    """One sentence: may it be released?"""
    in_the_way = sum(line.blocks for line in gate.lines)
    if gate.open:
        return f"Nothing blocks the release of {gate.blueprint} ({gate.maturity})."
    noun = "line blocks" if in_the_way == 1 else "lines block"
    return f"{in_the_way} {noun} the release of {gate.blueprint} ({gate.maturity})."


def as_text(gate: Gate) -> str:
    """What blocks, what is excepted and what is noted, with the evidence; then the counts."""
    rows = []
    for line in _sorted(gate):
        if line.state is State.MET:
            continue
        where = f" [{line.lab}]" if line.lab else ""
        says = one_line(f"{line.subject}{where}: {line.says}")
        rows.append(f"{line.state.upper():<10} {says}")
        rows += [f"{'':<10} {path}" for path in line.evidence if line.blocks]
    counted = Counter(line.state for line in gate.lines)
    rows.append(", ".join(f"{counted[state]} {state}" for state in _ORDER if counted[state]))
    rows.append(conclusion(gate))
    return "\n".join(rows) + "\n"


def document(gate: Gate) -> dict[str, Any]:
    """The page as JSON values."""
    return {
        "schema": SCHEMA,
        "blueprint": gate.blueprint,
        "maturity": gate.maturity,
        "release": gate.release.isoformat(),
        "open": gate.open,
        "exit_code": gate.exit_code.value,
        "conclusion": conclusion(gate),
        "runs": [
            {"id": run.id, "lab": run.lab, "profile": run.profile, "embedded": run.embedded}
            for run in gate.runs
        ],
        "deviations": [
            {"lab": run.lab, "pin": d.name, "pinned": d.pinned, "instead": d.instead}
            for run in gate.runs
            for d in run.deviations
        ],
        "blocking": [_line(line) for line in _sorted(gate) if line.blocks],
        "lines": [_line(line) for line in _sorted(gate)],
    }


def as_json(gate: Gate) -> str:
    return json.dumps(document(gate), indent=2)


def write(gate: Gate, directory: Path) -> tuple[Path, Path]:
    """Write ``gate.json`` and ``gate.html``; return them. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    pages = directory / "gate.json", directory / "gate.html"
    write_whole(pages[0], f"{as_json(gate)}\n".encode())
    write_whole(pages[1], as_html(gate, directory).encode())
    return pages


def as_html(gate: Gate, directory: Path) -> str:
    """One page without scripts; evidence is linked relative to ``directory``."""
    rows = "\n".join(_row(line, directory) for line in _sorted(gate))
    runs = ", ".join(escape(f"{run.id} ({run.lab}, profile {run.profile})") for run in gate.runs)
    return _PAGE.format(
        title=escape(f"Release gate: {gate.blueprint}, {gate.maturity}"),
        state="open" if gate.open else "blocked",
        conclusion=escape(conclusion(gate)),
        release=gate.release.isoformat(),
        runs=runs,
        rows=rows,
    )


def _sorted(gate: Gate) -> list[Line]:
    return sorted(gate.lines, key=lambda line: _ORDER.index(line.state))


def _line(line: Line) -> dict[str, Any]:
    return {
        "state": line.state.value,
        "blocks": line.blocks,
        "subject": line.subject,
        "lab": line.lab,
        "requirement": line.requirement,
        "says": one_line(line.says),
        "evidence": [str(path) for path in line.evidence],
    }


def _row(line: Line, directory: Path) -> str:
    links = "<br>".join(
        f'<a href="{escape(quote(os.path.relpath(path, directory)))}">{escape(path.name)}</a>'
        for path in line.evidence
    )
    cells = (line.subject, line.lab, line.requirement, one_line(line.says))
    return (
        f'<tr class="{line.state.replace(" ", "-")}"><td>{escape(line.state)}</td>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + f"<td>{links}</td></tr>"
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.4 sans-serif; margin: 2em; color: #222; }}
h1 {{ font-size: 1.4em; }}
p.blocked {{ color: #a00; font-weight: bold; }}
p.open {{ color: #060; font-weight: bold; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid #ccc; padding: .3em .6em; text-align: left; vertical-align: top; }}
tr.blocks td:first-child, tr.not-judged td:first-child {{ background: #fdd; }}
tr.excepted td:first-child, tr.noted td:first-child {{ background: #ffd; }}
tr.met td:first-child {{ background: #dfd; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="{state}">{conclusion}</p>
<p>Release on {release}. Runs: {runs}.</p>
<table>
<tr><th>state</th><th>what</th><th>lab</th><th>required</th><th>found</th><th>evidence</th></tr>
{rows}
</table>
</body>
</html>
"""
