"""``./iec4 bench rpc``: what the load engines can do, and how far their figures can be trusted.

The client has one core, the server another. A figure is the median of `TIMES` windows.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.cores import on_core
from benchmarks.echo_process import echo_process
from benchmarks.echo_server import DELAY_BODY, DELAY_BYTES
from benchmarks.figures import BenchFailed, Figure, Taken, bench, say
from benchmarks.npm_echo import npm_echo
from benchmarks.unchecked import unchecked_rate
from lab.tars.client import Address, TarsClient
from lab.tars.echo_client import ECHO_STRING, Echo
from perf.engines.call import TEXT, Call, echo_call
from perf.engines.openloop import OpenLoopEngine
from perf.engines.tally import Recorder
from perf.engines.windowed import WindowedEngine
from perf.engines.wire import Bytes
from perf.histogram import Histogram
from perf.load import LoadPlan, LoadResult

TIMES = 5
#: A window that a noisy machine spoilt is measured again, so many times in all.
WINDOWS = 6
#: Percentiles of the open loop that are compared, and the largest error of each.
PERCENTS = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
ERROR_US, ERROR_SHARE = 20.0, 0.05
#: Of the stalling server's calls, those that took longer than this are counted.
LONG_US = 500_000.0
#: Seconds: memory is compared between these two; the longer one is a soak's.
GROWTH_S, SOAK_S = (30.0, 240.0), (30.0, 600.0)

SATURATION = LoadPlan(users=2, window_s=2.0, warm_up_s=0.5, window=1024)
NPM = LoadPlan(users=2, window_s=1.5, warm_up_s=0.5, window=256)
OPEN = LoadPlan(users=1, window_s=2.0, warm_up_s=0.5, interval_s=1 / 20_000, max_oversleep_us=200.0)
STALL = LoadPlan(users=1, window_s=3.0, warm_up_s=0.5, interval_s=1 / 10_000)
NPM_FEW = replace(NPM, users=1, window=64)
SYNC_S = 2.0
#: What the figures depend on beside the machine; both ends have TCP_NODELAY on.
CONDITIONS: dict[str, str | float] = {
    "body_bytes": len(echo_call().body),
    "no_delay": "on",
    "windowed": f"{SATURATION.users} x {SATURATION.window} in flight",
    "npm": f"{NPM.users} x {NPM.window} in flight",
}

FIGURES = (
    Figure(
        "windowed_rps",
        "requests per second of the windowed engine, against the repository's echo",
        least=1_000_000,
    ),
    Figure("windowed_client_us", "the engine's processor time for each of these", 1.0),
    Figure(
        "npm_server_share",
        "percent of the npm server's best rate that the windowed engine has",
        least=95.0,
    ),
    Figure("openloop_p50_error_us", "error of the median at 20 000 requests per second"),
    Figure("openloop_p99_error_us", "error of the 99th percentile there"),
    Figure("openloop_p999_error_us", "error of the 99.9th percentile there"),
    Figure(
        "stall_calls_over_500ms",
        "calls above 0.5 s that one stall of 1 s makes at 10 000 requests per second",
        5_900,
        least=4_900,
    ),
    Figure(
        "sync_npm_rps",
        "calls per second of the synchronous client, one after the other, npm server",
        least=5_000,
    ),
    Figure("growth_percent", "more memory after {:.0f} s at full rate than after {:.0f} s", 2.0),
)


def main(json: bool, write: bool, soak: bool = False) -> int:
    """Take the figures; see `benchmarks.figures.bench`."""
    first, last = SOAK_S if soak else GROWTH_S
    known = [replace(figure, means=figure.means.format(last, first)) for figure in FIGURES]
    return bench("rpc", known, lambda place: take(place, soak=soak), json=json, write=write)


def take(place: Path, *, soak: bool) -> Taken:
    """All figures; raises `BenchFailed`."""
    cores = two_cores()
    say("the windowed engine")
    saturated = saturation(cores)
    say("the npm server")
    npm = npm_figures(cores, place)
    say("the open loop")
    opened = open_loop(cores)
    say("a server that stalls")
    stalled = stall(cores)
    seconds = SOAK_S if soak else GROWTH_S
    say(f"memory, for {seconds[1]:.0f} s")
    grown = growth(cores, seconds)
    figures = saturated | npm | opened.figures | stalled | grown
    return Taken(figures, CONDITIONS | opened.conditions, opened.limits)


@dataclass(frozen=True)
class Cores:
    server: int
    client: int


def two_cores() -> Cores:
    """Two cores, of their own if possible; raises `BenchFailed` where there is one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchFailed("the server and the client need a core each; there is one core")
    server, *others = cores
    siblings = Path(f"/sys/devices/system/cpu/cpu{server}/topology/core_cpus_list").read_text()
    own = [core for core in others if core not in numbers_in(siblings)]
    return Cores(server, (own or others)[0])


def numbers_in(ranges: str) -> set[int]:
    """What the kernel writes as ``0,4-6``."""
    ends = [part.split("-") for part in ranges.strip().split(",")]
    return {number for end in ends for number in range(int(end[0]), int(end[-1]) + 1)}


def saturation(
    cores: Cores,
    *,
    kind: str = "echo",
    call: Call | None = None,
    times: int = TIMES,
    plan: LoadPlan = SATURATION,
) -> dict[str, float]:
    """Rate and processor time of the windowed engine; raises `BenchFailed` for any failure."""
    engine_call = call or echo_call()
    with echo_process(kind, cores.server) as echo, on_core(cores.client):
        engine = WindowedEngine([echo.address], engine_call)
        results = [flawless("the windowed engine", engine.run(plan)) for _ in range(times)]
    return {
        "windowed_rps": round(statistics.median(result.rate for result in results)),
        "windowed_client_us": round(statistics.median(map(_client_us, results)), 3),
    }


def npm_figures(cores: Cores, place: Path, *, times: int = TIMES) -> dict[str, float]:
    """What share of the npm server's best rate the engine has, and the synchronous client's.

    The others in the comparison are the engine with few requests in flight, and a loop that
    looks at no reply. They take turns, so that what changes meanwhile changes for all.
    """
    call = echo_call()
    rates: dict[str, list[float]] = {"engine": [], "few": [], "unchecked": []}
    sync = []
    with npm_echo(place, cores.server) as address, on_core(cores.client):
        engine = WindowedEngine([address], call)
        engine.run(NPM)  # until the server's code is compiled
        for _ in range(times):
            rates["engine"].append(flawless("the npm server", engine.run(NPM)).rate)
            rates["few"].append(flawless("the npm server", engine.run(NPM_FEW)).rate)
            rates["unchecked"].append(
                unchecked_rate(
                    address, call, users=NPM.users, window=NPM.window, seconds=NPM.window_s
                )
            )
            sync.append(_sync_rate(address, SYNC_S))
    best = max(map(statistics.median, rates.values()))
    return {
        "npm_server_share": round(100 * statistics.median(rates["engine"]) / best, 1),
        "sync_npm_rps": round(statistics.median(sync)),
    }


def open_loop(
    cores: Cores, *, times: int = TIMES, tries: int = WINDOWS, plan: LoadPlan = OPEN
) -> Taken:
    """Errors of the open loop's percentiles: what it found less what the server measured.

    Only windows count in which neither side was kept from running; ``tries`` as many are
    measured as are needed, at most. Where the machine spoils nearly all of them, those that it
    disturbed least stand in, and the conditions say so: ``openloop_windows_valid`` counts the
    valid ones among the ``times`` that the figures come from.
    """
    windows: list[_Window] = []
    while sum(w.valid for w in windows) < times and len(windows) < tries * times:
        windows.append(_open_window(cores, plan))
    used = sorted(windows, key=lambda w: (not w.valid, w.late_us))[:times]
    figures, limits = {}, {}
    for name, percent in PERCENTS.items():
        key = f"openloop_{name}_error_us"
        errors = [abs(w.found.percentile(percent) - w.truth.percentile(percent)) for w in used]
        true = statistics.median(w.truth.percentile(percent) for w in used)
        figures[key] = round(statistics.median(errors), 1)
        limits[key] = round(max(ERROR_US, ERROR_SHARE * true), 1)
    return Taken(
        figures,
        {
            "openloop_windows": len(windows),
            "openloop_windows_valid": sum(w.valid for w in used),
            "openloop_late_p999_us": round(max(w.late_us for w in used)),
        },
        limits,
    )


class _Window(NamedTuple):
    """What the engine found, what the server measured, and how late either woke (p99.9)."""

    found: Histogram
    truth: Histogram
    late_us: float
    valid: bool


def _open_window(cores: Cores, plan: LoadPlan) -> _Window:
    truth = Recorder()

    def read(bodies: Bytes) -> None:
        delays = np.ascontiguousarray(bodies).view(">i8")[:, 0]
        truth.add(delays.astype(np.int64), len(delays))

    call = replace(echo_call(), answer=DELAY_BODY, varying=DELAY_BYTES)
    with echo_process("delays", cores.server) as echo, on_core(cores.client):
        result = OpenLoopEngine([echo.address], call, reader=read).run(plan)
    flawless("the open loop", result)
    late = max(result.generator.oversleep_p999_us or 0.0, echo.figures["unseen_p99.9_us"])
    valid = not result.spoilt_by and late <= plan.max_oversleep_us
    return _Window(result.latencies, truth.histogram, late, valid)


def stall(cores: Cores, *, times: int = TIMES, plan: LoadPlan = STALL) -> dict[str, float]:
    """How many calls one stall of a second makes long."""
    counts = []
    for _ in range(times):
        with echo_process("stalls", cores.server) as echo, on_core(cores.client):
            result = OpenLoopEngine([echo.address], echo_call()).run(plan)
        counts.append(flawless("a server that stalls", result).latencies.count_above(LONG_US))
    return {"stall_calls_over_500ms": round(statistics.median(counts))}


def growth(cores: Cores, seconds: tuple[float, float]) -> dict[str, float]:
    """How much more memory of its own this process has at the second moment of a long load."""
    held: list[int] = []
    over = threading.Event()
    began = time.monotonic()

    def look() -> None:
        for moment in seconds:
            if over.wait(began + moment - time.monotonic()):
                return
            held.append(psutil.Process().memory_full_info().uss)

    with echo_process("echo", cores.server) as echo, on_core(cores.client):
        looking = threading.Thread(target=look)
        looking.start()
        try:
            plan = replace(SATURATION, window_s=seconds[-1] + 2)
            flawless("a long load", WindowedEngine([echo.address], echo_call()).run(plan))
        finally:
            over.set()
            looking.join()
    first, last = held
    return {"growth_percent": round(100 * (last - first) / first, 2)}


def flawless(what: str, result: LoadResult) -> LoadResult:
    """The result; raises `BenchFailed` when there were failures in it, or nothing at all."""
    if result.failures:
        reasons = ", ".join(f"{why} ({count} times)" for why, count in result.failures.items())
        raise BenchFailed(f"{what}: {result.failed} of {result.began} calls failed: {reasons}")
    if not result.succeeded:
        raise BenchFailed(f"{what}: nothing was answered")
    return result


def _client_us(result: LoadResult) -> float:
    """Microseconds of the generator's processor time for each request."""
    return result.generator.cpu_percent / 100 * result.window_s * 1e6 / result.succeeded_in_window


def _sync_rate(address: Address, seconds: float) -> float:
    """Calls per second, typed and checked."""
    with TarsClient(address) as client:
        echo = Echo(client)
        count = 0
        began = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            if echo.echo(ECHO_STRING, TEXT).ret != TEXT:
                raise BenchFailed("the npm server did not echo what was sent")
            count += 1
    return count / (now - began)
