"""``./iec4 bench parsers``: a million mutated inputs for every parser of foreign bytes.

A parser sits on each core. Goes on where the last call ended: counts lie in the cache, and are
forgotten where a parser's source has changed. A call ends within 10 minutes; ``--soak`` goes on
until all have had theirs.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.checkout import ROOT
from benchmarks.figures import BenchFailed, Figure, bench, say, with_table
from benchmarks.mutation.catalogue import TARGETS
from benchmarks.mutation.ledger import WANTED, Entry, Ledger
from benchmarks.mutation.target import Target
from benchmarks.mutation.watch import TrialBroken, sit
from lab.payload import cache_dir

FIGURES = (
    Figure("parsers", "parsers that are tried"),
    Figure("mutated_inputs", "inputs that they have had so far, together"),
    Figure("fewest_inputs", f"inputs of the one that had fewest, of {WANTED:,}"),
    Figure("parser_findings", "crashes, hangs, growth, undocumented errors", 0.0),
)
PAGE = ROOT / "docs" / "reliability.md"
#: Seconds that a call has for its work, without and with ``--soak``.
BUDGET_S = 540.0
SOAK_S = 6 * 3600.0
#: Seconds of one parser's turn at least: its process takes one to start.
_LEAST_S = 4.0
#: Beside others' work, not before it.
_NICE = 10


def main(json: bool, write: bool, soak: bool = False) -> int:
    """Take the figures; see `benchmarks.figures.bench`."""
    ledger = Ledger(_file())

    def take(_: Path) -> dict[str, float]:
        _work(ledger, SOAK_S if soak else BUDGET_S)
        return _figures(ledger)

    code = bench("parsers", FIGURES, take, json=json, write=False)
    for target in TARGETS:
        for one in ledger.entry(target).findings:
            print(f"iec4: {target.name}: {one['kind']} {one['site']}: {one['says']}; "
                  f"input (hex): {one['input'][:200]}", file=sys.stderr)  # fmt: skip
    if write:
        PAGE.write_text(with_table(PAGE.read_text(), "parsers", table(ledger)))
    return code


def _file() -> Path:
    directory = cache_dir() / "mutation"
    directory.mkdir(exist_ok=True)
    return directory / "counts.json"


def _work(ledger: Ledger, budget_s: float) -> None:
    """Each parser that is not done gets an equal share of what time is left, one on each core."""
    ends = time.monotonic() + budget_s
    os.nice(_NICE)
    todo = deque(
        sorted((t for t in TARGETS if ledger.entry(t).left), key=lambda t: _order(ledger, t))
    )
    cores, one_at_a_time = len(os.sched_getaffinity(0)), threading.Lock()

    def work() -> None:
        while True:
            with one_at_a_time:
                left = ends - time.monotonic()
                if not todo or left < _LEAST_S:
                    return
                share = max(_LEAST_S, left * cores / (len(todo) + cores - 1))
                target = todo.popleft()
                entry = ledger.entry(target)
                say(f"{target.name}: {entry.ran:,} of {WANTED:,} inputs so far")
            seconds = min(share, left)
            sitting = sit(target, first_batch=entry.next_batch, inputs=entry.left, seconds=seconds)
            with one_at_a_time:
                entry.add(sitting)
                ledger.save()

    with ThreadPoolExecutor(cores) as pool:
        try:
            for worker in [pool.submit(work) for _ in range(cores)]:
                worker.result()
        except TrialBroken as error:
            todo.clear()
            raise BenchFailed(str(error)) from None


def _order(ledger: Ledger, target: Target) -> tuple[bool, float]:
    """Those that were never tried first, then the quick ones: what they leave is the slow ones'."""
    entry = ledger.entry(target)
    return entry.ran > 0, -entry.inputs_per_s


def _figures(ledger: Ledger) -> dict[str, float]:
    entries = [ledger.entry(target) for target in TARGETS]
    return {
        "parsers": len(entries),
        "mutated_inputs": sum(entry.ran for entry in entries),
        "fewest_inputs": min(entry.ran for entry in entries),
        "parser_findings": sum(len(entry.findings) for entry in entries),
    }


def table(ledger: Ledger) -> str:
    """Every parser with its counts, as a Markdown table."""
    lines = [
        "| parser | reads | raises | inputs | accepted | per second | growth, KiB | findings |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(target, ledger.entry(target)) for target in TARGETS),
    ]
    return "\n".join(lines)


def _row(target: Target, entry: Entry) -> str:
    errors = ", ".join(f"`{error.__name__}`" for error in target.errors) or "nothing"
    accepted = f"{100 * entry.accepted / entry.ran:.0f} %" if entry.ran else "none"
    return (
        f"| {target.name} | {target.what} | {errors} | {entry.ran:,} | {accepted} | "
        f"{entry.inputs_per_s:,.0f} | {entry.growth_kib} | {len(entry.findings)} |"
    )
