"""``./iec4 bench run``: how long the main job takes, from setup to verdicts, and what it holds.

Every figure is taken by ``./iec4`` as a person would type it, in a directory of its own.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.checkout import ROOT, copy_checkout
from benchmarks.figures import Figure, bench, say, succeed
from benchmarks.process_tree import Measured

IEC4 = ROOT / "iec4"
#: Seconds in which a bench ends, and after which no further repetition begins.
TOTAL_S = 590
BUDGET_S = 360


FIGURES = (
    Figure("help_s", "`./iec4 --help`", 0.3),
    Figure("lab_up_s", "`./iec4 lab up`, warm", 5.0),
    Figure("run_warm_s", "`./iec4 run`, warm", 90.0),
    Figure("run_peak_mib", "most memory of that run and all that it starts (PSS)", 1536.0),
    Figure("setup_cold_s", "first start of a fresh clone, caches empty"),
    Figure("setup_cached_s", "first start of a fresh clone, packages in the cache"),
)


def main(json: bool, write: bool) -> int:
    """Take the figures; see `benchmarks.figures.bench`."""
    return bench("run", FIGURES, lambda place: _Bench(place).figures(), json=json, write=write)


class _Bench:
    """One measuring: a directory to run in, and the time that is left for it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._begun = time.monotonic()

    def figures(self) -> dict[str, float]:
        say("--help, lab up")
        self._iec4("--help")
        helps = self._repeat(11, "--help")
        labs = self._repeat(3, "lab", "up", then=("lab", "down"))
        say("run, the first of which warms the caches")
        self._iec4("run", "--quiet")
        runs = self._repeat(3, "run", "--quiet")
        say("setup of fresh clones")
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
        return succeed(what, argv, cwd=self._place, env=env, timeout=self._left())

    def _left(self) -> float:
        return self._begun + TOTAL_S - time.monotonic()


def _median(done: list[Measured], of: Callable[[Measured], float], *, digits: int = 2) -> float:
    return round(statistics.median(of(one) for one in done), digits)
