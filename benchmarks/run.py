"""``./iec4 bench run``: how long the main job takes, from setup to verdicts, and what it holds.

Every figure is taken by ``./iec4`` as a person would type it, in a directory of its own.
"""

from __future__ import annotations

import json as json_text
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.checkout import ROOT, copy_checkout
from benchmarks.process_tree import Measured, adopt_orphans, measure

IEC4 = ROOT / "iec4"
PAGE = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
#: Seconds in which a bench ends, and after which no further repetition begins.
TOTAL_S = 590
BUDGET_S = 360


@dataclass(frozen=True)
class Figure:
    """A measured figure: its key ends in its unit; ``limit`` is None where none is set."""

    key: str
    means: str
    limit: float | None = None


FIGURES = (
    Figure("help_s", "`./iec4 --help`", 0.3),
    Figure("lab_up_s", "`./iec4 lab up`, warm", 5.0),
    Figure("run_warm_s", "`./iec4 run`, warm", 90.0),
    Figure("run_peak_mib", "most memory of that run and all that it starts (PSS)", 1536.0),
    Figure("setup_cold_s", "first start of a fresh clone, caches empty"),
    Figure("setup_cached_s", "first start of a fresh clone, packages in the cache"),
)


class BenchFailed(Exception):
    """A measured command did not end as it must; the text says which and how."""


def main(json: bool, write: bool) -> int:
    """Measure, print, and with ``write`` renew docs/performance.md.

    Returns 0, 1 when a figure is over its limit, 3 when one could not be measured.
    """
    adopt_orphans()
    found = conditions()
    try:
        with tempfile.TemporaryDirectory(prefix="iec4-bench-") as place:
            figures = _Bench(Path(place)).figures()
    except BenchFailed as error:
        print(f"iec4: {error}", file=sys.stderr)
        return 3
    found["load_after"] = load()
    if json:
        print(json_text.dumps(figures | found, indent=2))
    else:
        print(table(figures, found))
    if write:
        PAGE.write_text(with_table(PAGE.read_text(), table(figures, found)))
        print(f"iec4: wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)
    over = [f for f in FIGURES if f.limit is not None and figures[f.key] > f.limit]
    for figure in over:
        print(f"iec4: {figure.key} is over its limit of {figure.limit:g}", file=sys.stderr)
    return 1 if over else 0


def conditions() -> dict[str, str | float]:
    """What the figures depend on: machine, Python, day, and the load before the first one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "arch": platform.machine(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load_before": load(),
    }


def load() -> float:
    """The load average of the last minute; the measured commands are part of it."""
    return round(os.getloadavg()[0], 2)


class _Bench:
    """One measuring: a directory to run in, and the time that is left for it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._begun = time.monotonic()

    def figures(self) -> dict[str, float]:
        _say("--help, lab up")
        self._iec4("--help")
        helps = self._repeat(11, "--help")
        labs = self._repeat(3, "lab", "up", then=("lab", "down"))
        _say("run, the first of which warms the caches")
        self._iec4("run", "--quiet")
        runs = self._repeat(3, "run", "--quiet")
        _say("setup of fresh clones")
        cold, *cached = self._setups()
        return {
            "help_s": _median(helps, lambda one: one.seconds, digits=3),
            "lab_up_s": _median(labs, lambda one: one.seconds),
            "run_warm_s": _median(runs, lambda one: one.seconds),
            "run_peak_mib": _median(runs, lambda one: one.peak_mib, digits=0),
            "setup_cold_s": _median([cold], lambda one: one.seconds),
            "setup_cached_s": _median(cached, lambda one: one.seconds),
        }

    def _repeat(self, times: int, *arguments: str, then: tuple[str, ...] = ()) -> list[Measured]:
        """Measure a command ``times`` times, once at least; ``then`` undoes it."""
        done: list[Measured] = []
        while len(done) < times and (not done or self._left() > TOTAL_S - BUDGET_S):
            done.append(self._iec4(*arguments))
            if then:
                self._iec4(*then)
        return done

    def _setups(self) -> list[Measured]:
        """First starts in fresh clones: one with an empty home, two with what it left there."""
        home = self._place / "home"
        home.mkdir()
        kept = {name for name in os.environ if name.startswith(("PIP_", "SSL_"))} | {"PATH"}
        env = {name: os.environ[name] for name in kept} | {"HOME": str(home)}
        done = []
        for number in range(3):
            clone = copy_checkout(self._place / f"clone-{number}")
            done.append(self._measure("first start", [clone / "iec4", "--help"], env=env))
            shutil.rmtree(clone)
        return done

    def _iec4(self, *arguments: str) -> Measured:
        return self._measure(f"./iec4 {' '.join(arguments)}", [IEC4, *arguments])

    def _measure(
        self, what: str, argv: list[str | Path], env: dict[str, str] | None = None
    ) -> Measured:
        try:
            done = measure(argv, cwd=self._place, env=env, timeout=max(1.0, self._left()))
        except subprocess.TimeoutExpired:
            raise BenchFailed(f"{what}: no end before the bench's own, {TOTAL_S} s") from None
        if done.status:
            raise BenchFailed(f"{what} ended with {done.status}, 0 expected:\n{done.output}")
        return done

    def _left(self) -> float:
        return self._begun + TOTAL_S - time.monotonic()


def _median(done: list[Measured], of: Callable[[Measured], float], *, digits: int = 2) -> float:
    return round(statistics.median(of(one) for one in done), digits)


def table(figures: dict[str, float], found: dict[str, str | float]) -> str:
    """The figures as a Markdown table, their conditions below."""
    lines = ["| figure | what | measured | limit |", "|---|---|---|---|"]
    for figure in FIGURES:
        limit = "none" if figure.limit is None else f"{figure.limit:g}"
        lines.append(f"| `{figure.key}` | {figure.means} | {figures[figure.key]:g} | {limit} |")
    lines += ["", "Measured with " + ", ".join(f"{k} {v}" for k, v in found.items()) + "."]
    return "\n".join(lines)


def with_table(page: str, new: str) -> str:
    """The page with the text between its two marks replaced."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{new}\n\n{_END}{after}"


def _say(text: str) -> None:
    print(f"iec4: measuring {text}", file=sys.stderr, flush=True)
