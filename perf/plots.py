"""Plots of load windows, SVG for pages and PNG for Allure. Imports matplotlib: nothing hot may."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from perf.knee import Knee
from perf.load import LoadResult
from perf.study import figure as measured

Format = Literal["svg", "png"]

_SIZE_INCHES = (8.0, 3.6)
_DPI = 110
_GOOD, _BAD, _LINE = "#2f9e6e", "#c92a2a", "#1c5fb0"
#: Percentiles of the distribution's axis, which is linear in the number of nines.
_TICKS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)


def distribution(windows: Sequence[LoadResult], kind: Format = "svg") -> bytes:
    """Latency over percentile to p99.99, a line a window; none where nothing succeeded.

    Of a classroom it is the delay of packets, if that is known.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="percentile", ylabel="latency (µs)", yscale="log")
        nines = np.linspace(0, 4, 120)
        for number, window in enumerate(windows, 1):
            delays = None if window.media is None else window.media.delay
            shown = delays if delays is not None and delays.count else window.latencies
            if shown.count:
                latencies = [shown.percentile(100 * (1 - 10**-n)) for n in nines]
                axes.plot(nines, latencies, label=f"window {number}", linewidth=1.4)
        axes.xaxis.set_major_locator(FixedLocator([_nines(p) for p in _TICKS]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"p{100 * (1 - 10**-n):.6g}"))
        _plain_numbers(axes)
        if 1 < len(windows) <= 10:
            axes.legend(frameon=False, fontsize="small")

    return _drawn(draw, kind)


def curve(knee: Knee, kind: Format = "svg") -> bytes:
    """Latency over throughput (delay over students), a point a step.

    Steps that missed the SLO are red.
    """
    names = ("delay_p50", "delay_p95") if knee.unit == "students" else ("p50", "p99")

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel=f"load ({knee.unit})", ylabel="latency (µs)", yscale="log")
        for name, style in zip(names, (":", "-"), strict=True):
            found = ((step, measured(name, step.result)) for step in knee.curve)
            points = [(step, latency) for step, latency in found if latency is not None]
            rates = [step.answered for step, _ in points]
            latencies = [latency for _, latency in points]
            axes.plot(rates, latencies, style, color=_LINE, linewidth=1.2, label=name)
            colours = [_BAD if step.missed else _GOOD for step, _ in points]
            axes.scatter(rates, latencies, c=colours, s=18, zorder=3)
        if knee.best is not None:
            axes.axvline(knee.best.answered, color=_GOOD, linewidth=0.8, linestyle="--")
        _plain_numbers(axes)
        if points:
            axes.legend(frameon=False, fontsize="small")

    return _drawn(draw, kind)


def series(window: LoadResult, kind: Format = "svg") -> bytes:
    """What was answered in each second of a window, and how quickly at p50 and p99."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        seconds = range(1, len(window.series) + 1)
        above.step(seconds, [s.succeeded for s in window.series], where="mid", color=_LINE)
        above.set(ylabel="calls", ylim=(0, None))
        for name, style in (("p50_us", ":"), ("p99_us", "-")):
            below.plot(seconds, [getattr(s, name) for s in window.series], style, color=_LINE)
        below.set(xlabel="second", ylabel="latency (µs)", yscale="log")
        _plain_numbers(below)

    return _drawn(draw, kind)


def _nines(percent: float) -> float:
    return -float(np.log10(1 - percent / 100))


def _plain_numbers(axes: object) -> None:
    """Thousands of microseconds read as numbers, not as powers of ten."""
    axis = axes.yaxis  # type: ignore[attr-defined]
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_locator(NullLocator())


def _drawn(draw: Callable[[Figure], None], kind: Format) -> bytes:
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    for axes in figure.axes:
        axes.grid(visible=True, color="#ddd", linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    out = io.BytesIO()
    # Nothing of the moment of drawing: the same windows give the same bytes.
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(out, format=kind, metadata=metadata)
    return out.getvalue()
