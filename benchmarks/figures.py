"""What every bench does around its measuring: conditions, table, limits, the page."""

from __future__ import annotations

import json as json_text
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.checkout import ROOT
from benchmarks.process_tree import Measured, adopt_orphans, measure

PAGE = ROOT / "docs" / "performance.md"


@dataclass(frozen=True)
class Figure:
    """A measured figure: its key ends in its unit, or says it.

    ``limit`` is the most that it may be, ``least`` the least; None where none is set.
    """

    key: str
    means: str
    limit: float | None = None
    least: float | None = None

    def missed_by(self, value: float) -> bool:
        """Whether a value is outside what the figure may be."""
        too_much = self.limit is not None and value > self.limit
        return too_much or (self.least is not None and value < self.least)

    @property
    def range(self) -> str:
        """What it may be, for people."""
        if self.least is None:
            return "none" if self.limit is None else f"{self.limit:g}"
        if self.limit is None:
            return f"at least {self.least:.10g}"
        return f"{self.least:g} to {self.limit:g}"


@dataclass(frozen=True)
class Taken:
    """Figures with what they depend on, and limits that depend on what was measured."""

    figures: dict[str, float]
    conditions: dict[str, str | float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)


class BenchFailed(Exception):
    """A measured command did not end as it must; the text says which and how."""


def bench(
    name: str,
    known: Sequence[Figure],
    take: Callable[[Path], dict[str, float] | Taken],
    *,
    json: bool,
    write: bool,
) -> int:
    """Measure in a directory of its own, print, and with ``write`` renew docs/performance.md.

    Returns 0, 1 when a figure is not within its limits, 3 when one could not be measured.
    """
    adopt_orphans()
    found = conditions()
    try:
        with tempfile.TemporaryDirectory(prefix="iec4-bench-") as place:
            taken = take(Path(place))
    except BenchFailed as error:
        print(f"iec4: {error}", file=sys.stderr)
        return 3
    if isinstance(taken, dict):
        taken = Taken(taken)
    figures = taken.figures
    found |= taken.conditions
    found["load_after"] = load()
    known = [replace(f, limit=taken.limits.get(f.key, f.limit)) for f in known]
    if json:
        print(json_text.dumps(figures | found, indent=2))
    else:
        print(table(known, figures, found))
    if write:
        PAGE.write_text(with_table(PAGE.read_text(), name, table(known, figures, found)))
        print(f"iec4: wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)
    missed = [figure for figure in known if figure.missed_by(figures[figure.key])]
    for figure in missed:
        value = f"{figures[figure.key]:.10g}"
        print(f"iec4: {figure.key} is {value}, its limit: {figure.range}", file=sys.stderr)
    return 1 if missed else 0


def succeed(
    what: str,
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    timeout: float,
    env: Mapping[str, str] | None = None,
) -> Measured:
    """Measure a command; raises `BenchFailed` unless it ends in time, and with 0."""
    try:
        done = measure(argv, cwd=cwd, env=env, timeout=max(1.0, timeout))
    except subprocess.TimeoutExpired:
        raise BenchFailed(f"{what}: no end in the {timeout:.0f} s that were left") from None
    if done.status:
        print(done.output, file=sys.stderr)
        raise BenchFailed(f"{what} ended with {done.status}, 0 expected; its output is above")
    return done


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


def table(known: Sequence[Figure], figures: dict[str, float], found: dict[str, str | float]) -> str:
    """The figures as a Markdown table, their conditions below."""
    lines = ["| figure | what | measured | limit |", "|---|---|---|---|"]
    for figure in known:
        value = f"{figures[figure.key]:.10g}"
        lines.append(f"| `{figure.key}` | {figure.means} | {value} | {figure.range} |")
    lines += ["", "Measured with " + ", ".join(f"{k} {v}" for k, v in found.items()) + "."]
    return "\n".join(lines)


def with_table(page: str, name: str, new: str) -> str:
    """The page with the text between a bench's two marks replaced."""
    begin, end = f"<!-- figures of {name} -->", f"<!-- end of {name} -->"
    before, began, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not (began and ended):
        raise ValueError(f"{PAGE.name} has no {begin} … {end}")
    return f"{before}{begin}\n\n{new}\n\n{end}{after}"


def say(text: str) -> None:
    """What is being measured, on stderr: a bench takes minutes."""
    print(f"iec4: measuring {text}", file=sys.stderr, flush=True)
