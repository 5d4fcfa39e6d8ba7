"""A load study as one HTML page that stands alone: no script, nothing loaded, all escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from perf import plots
from perf.knee import Knee
from perf.load import LoadResult
from perf.study import Study, figure
from reports.page import Html, cell, listing, page, table, tag

_KNEES = {
    "slo": "the next rate misses the SLO",
    "generator": "the generator can press no harder: the knee lies higher",
    "highest": "the highest rate that was asked for is kept",
}


def as_html(study: Study, compared: Sequence[tuple[str, ...]] = ()) -> bytes:
    """The page; ``compared`` are rows of a comparison: figure, before, now, band, verdict."""
    best = study.best
    windows = ("window", *(f"{name} ({unit})" for name, unit in study.units.items()))
    parts = [
        tag(
            "p",
            f"{study.started} UTC. {len(study.valid)} of {len(study.windows)} windows are valid: "
            "in the others the generator was the limit, and they count for nothing.",
        ),
        *_objectives(study),
        *(_knee(study.knee) if study.knee else ()),
        tag("h2", "Windows"),
        table(windows, _windows(study)),
        listing(_remarks(study)),
    ]
    if compared:
        parts += [tag("h2", "Against the baseline")]
        parts += [table(("figure", "before", "now", "band", "verdict"), compared)]
    if study.valid:
        parts += [tag("h2", "Distribution"), _svg(plots.distribution(study.valid))]
    if best is not None:
        if len(best.series) > 1:
            parts += [tag("h2", "Second by second"), _svg(plots.series(best))]
        parts += [tag("h2", "Conditions"), table(("what", "value"), _conditions(study, best))]
    return page(f"Load study: {study.load}", parts)


def _objectives(study: Study) -> Iterable[Html]:
    rows = [
        (str(objective), cell(why or "kept", "FAIL" if why else "PASS"))
        for objective, why in study.verdicts()
    ]
    if rows:
        yield tag("h2", "Objectives")
        yield table(("objective", "verdict"), rows)


def _knee(knee: Knee) -> Iterable[Html]:
    yield tag("h2", "Knee")
    if knee.best is None:
        yield tag("p", "Not even the lowest rate kept the SLO.")
    else:
        told = _KNEES[knee.stopped_by]
        yield tag("p", f"{knee.best.answered:,.0f} {knee.unit} keep the SLO; {told}.")
    yield _svg(plots.curve(knee))
    rows = [
        (f"{step.rate:,.0f}", f"{step.answered:,.0f}", step.missed or "kept") for step in knee.curve
    ]
    yield table((f"asked ({knee.unit})", "answered", "SLO"), rows)


def _windows(study: Study) -> Iterable[tuple[str, ...]]:
    for number, window in enumerate(study.windows, 1):
        found = (figure(name, window) for name in study.units)
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
    if window.media is None:
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


def _svg(drawn: bytes) -> Html:
    """The plot as an element of the page, without its own document's head."""
    return Html(drawn[drawn.index(b"<svg") :].decode())
