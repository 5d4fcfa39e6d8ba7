"""``./iec4 bench report``: how long reports take, of one large run and of a thousand runs.

Measured on one core, each in a process of its own that reads everything from disk.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.checkout import ROOT
from benchmarks.cores import on_core
from benchmarks.figures import BenchFailed, Figure, bench, say, succeed
from benchmarks.made_runs import Planned, make_run
from blueprints import model

FIGURES = (
    Figure("report_10k_s", "10 000 results in every format but Allure's", 10.0),
    Figure("report_10k_mib", "most memory of that (PSS)", 500.0),
    Figure("trend_1k_s", "`./iec4 report trend` over 1 000 runs, with its page", 30.0),
)
RESULTS, RUNS = 10_000, 1_000
#: Seconds after which a measured command is given up.
TIMEOUT_S = 240


def main(json: bool, write: bool) -> int:
    """Take the figures; see `benchmarks.figures.bench`."""
    return bench("report", FIGURES, _figures, json=json, write=write)


def _figures(place: Path) -> dict[str, float]:
    core = max(os.sched_getaffinity(0))
    say(f"the reports of {RESULTS} results")
    large = place / "large"
    layers = model.load().layers
    planned = [
        Planned(f"X-{n:05}", layers[n % len(layers)], f"Criterion {n} holds", f"Number {n} is so.")
        for n in range(RESULTS)
    ]
    make_run(large, planned, night=0, figures_in=4, seed=0)
    argv: list[str | Path]
    argv = [sys.executable, "-m", "benchmarks.report_formats", large, place / "out"]
    with on_core(core):
        done = succeed("the reports", argv, cwd=ROOT, timeout=TIMEOUT_S)
    say(f"the trend of {RUNS} runs")
    known = [Planned(c.id, c.layer, c.title, c.requirement) for c in model.load().criteria]
    for night in range(RUNS):
        make_run(place / "many" / f"{night:04}", known, night=night, figures_in=4, seed=night)
    page = place / "trend.html"
    argv = [ROOT / "iec4", "report", "trend", place / "many", "--html", page]
    with on_core(core):
        trend = succeed("the trend", argv, cwd=place, timeout=TIMEOUT_S)
    if f"{RUNS} runs" not in trend.output or not page.exists():
        raise BenchFailed(f"the trend does not tell of {RUNS} runs:\n{trend.output[:2000]}")
    return {
        "report_10k_s": round(done.seconds, 2),
        "report_10k_mib": round(done.peak_mib),
        "trend_1k_s": round(trend.seconds, 2),
    }
