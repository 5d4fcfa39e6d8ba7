"""A load study as one HTML page that stands alone: no script, nothing loaded, all escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from perf import plots
from perf.knee import Knee
from perf.load import LoadResult
from perf.study import UNITS, Study, figure

_STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: .6em 0; }
th, td { border: 1px solid #ccc; padding: .25em .6em; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.good { color: #2f9e6e; } .bad { color: #c92a2a; } svg { max-width: 100%; height: auto; }
"""
_KNEES = {
    "slo": "the next rate misses the SLO",
    "generator": "the generator can press no harder: the knee lies higher",
    "highest": "the highest rate that was asked for is kept",
}


def as_html(study: Study, compared: Sequence[tuple[str, ...]] = ()) -> bytes:
    """The page; ``compared`` are rows of a comparison: figure, before, now, verdict."""
    best = study.best
    parts = [
        f"<p>{_text(study.started)} UTC. {len(study.valid)} of {len(study.windows)} windows are "
        "valid: in the others the generator was the limit, and they count for nothing.</p>",
        *_objectives(study),
        *(_knee(study.knee) if study.knee else ()),
        "<h2>Windows</h2>",
        _table(("window", *(f"{n} ({u})" for n, u in UNITS.items())), _windows(study)),
        "<ul>",
        *(f"<li>{_text(remark)}</li>" for remark in _remarks(study)),
        "</ul>",
    ]
    if compared:
        parts += ["<h2>Against the baseline</h2>"]
        parts += [_table(("figure", "before", "now", "band", "verdict"), compared)]
    if study.valid:
        parts += ["<h2>Distribution</h2>", _svg(plots.distribution(study.valid))]
    if best is not None:
        if len(best.series) > 1:
            parts += ["<h2>Second by second</h2>", _svg(plots.series(best))]
        parts += ["<h2>Conditions</h2>", _table(("what", "value"), _conditions(study, best))]
    title = _text(f"Load study: {study.load}")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    ).encode()


def _objectives(study: Study) -> Iterable[str]:
    rows = [
        (str(objective), why or "kept", "bad" if why else "good")
        for objective, why in study.verdicts()
    ]
    if rows:
        yield "<h2>Objectives</h2>"
        yield _table(("objective", "verdict"), [row[:2] for row in rows], [row[2] for row in rows])


def _knee(knee: Knee) -> Iterable[str]:
    yield "<h2>Knee</h2>"
    if knee.best is None:
        yield "<p>Not even the lowest rate kept the SLO.</p>"
    else:
        told = _KNEES[knee.stopped_by]
        yield f"<p>{knee.best.result.rate:,.0f} calls/s keep the SLO; {_text(told)}.</p>"
    yield _svg(plots.curve(knee))
    rows = [
        (f"{step.rate:,.0f}", f"{step.result.rate:,.0f}", step.missed or "kept")
        for step in knee.curve
    ]
    yield _table(("asked (calls/s)", "answered (calls/s)", "SLO"), rows)


def _windows(study: Study) -> Iterable[tuple[str, ...]]:
    for number, window in enumerate(study.windows, 1):
        found = (figure(name, window) for name in UNITS)
        told = ["-" if value is None else f"{value:,.6g}" for value in found]
        yield (str(number), *told)


def _remarks(study: Study) -> Iterable[str]:
    """What a window's figures do not say: why it counts for nothing, and why calls failed."""
    for number, window in enumerate(study.windows, 1):
        failures = (f"{count} times: {why}" for why, count in window.failures.items())
        if found := "; ".join((*window.spoilt_by, *failures)):
            yield f"window {number}: {found}"


def _conditions(study: Study, window: LoadResult) -> Iterable[tuple[str, str]]:
    found = window.conditions
    yield "cores that the generator may use", str(found.cores)
    yield "machine", found.machine
    yield "body of a request", f"{found.body_bytes} bytes"
    yield "connections", str(found.connections)
    yield "window", f"{window.window_s:.1f} s after {window.plan.warm_up_s:g} s of warming up"
    yield (
        "generator",
        (
            f"{window.generator.cpu_percent:.0f} % of a core, woke up to "
            f"{window.generator.oversleep_p99_us:.0f} µs late (p99)"
        ),
    )
    yield from study.notes.items()
    yield from found.versions.items()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str] = ()) -> str:
    lines = ["<table>", "<tr>" + "".join(f"<th>{_text(cell)}</th>" for cell in head) + "</tr>"]
    for place, row in enumerate(rows):
        marked = f' class="{classes[place]}"' if classes else ""
        lines.append(f"<tr{marked}>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>")
    return "\n".join([*lines, "</table>"])


def _svg(drawn: bytes) -> str:
    """The plot as an element of the page, without its own document's head."""
    return drawn[drawn.index(b"<svg") :].decode()


def _text(text: str) -> str:
    return escape(" ".join(text.split()))
