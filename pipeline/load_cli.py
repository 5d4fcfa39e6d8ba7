"""``./iec4 load``: put a load on a service, find its knee, compare with an earlier study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.options import Json, Lab, Quiet

Repeat = Annotated[int, typer.Option(min=1, max=50, help="Windows.")]
Baseline = Annotated[
    Path | None, typer.Option(help="An earlier study (its directory or study.json).")
]
Out = Annotated[Path | None, typer.Option(help="Where the study goes; else results/load-TIME.")]

app = typer.Typer(no_args_is_help=True, help="Load studies: repeated windows, knee, comparison.")


@app.callback()
def load() -> None:
    """Load studies: repeated windows, knee, comparison with an earlier one."""


@app.command("rpc")
def rpc(
    lab: Lab = None,
    registry: Annotated[
        str | None, typer.Option(help="A Tars registry instead of a lab's: HOST:PORT.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="users (Locust), windowed (saturation) or open (a fixed rate).")
    ] = "open",
    connections: Annotated[int, typer.Option(min=1, help="Connections, or Locust's users.")] = 4,
    processes: Annotated[
        int, typer.Option(min=1, max=16, help="Generators beside each other, as Locust's workers.")
    ] = 1,
    window: Annotated[int, typer.Option(min=1, help="windowed: requests in flight on each.")] = 64,
    rate: Annotated[float, typer.Option(min=0.1, help="open, users: calls/s in all.")] = 1000.0,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="The length of a window.")] = 5.0,
    repeat: Repeat = 3,
    slo: Annotated[
        list[str] | None, typer.Option(help="What must be kept, like 'p99 <= 5000 us'; again.")
    ] = None,
    knee: Annotated[
        str | None, typer.Option(help="Search the highest rate that keeps the SLO: LOW:HIGH.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="One window at each of these rates: 500,1000,2000.")
    ] = None,
    think: Annotated[
        float | None,
        typer.Option(min=0, help="users: seconds between an answer and the next call; no rate."),
    ] = None,
    no_delay: Annotated[
        bool, typer.Option("--no-delay/--delay", help="TCP_NODELAY on the generator's side.")
    ] = True,
    max_late: Annotated[
        float, typer.Option(help="How late the generator may wake, us (p99); else it spoils.")
    ] = 10_000.0,
    baseline: Baseline = None,
    out: Out = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Study remote calls of the echo servant, found by name.

    Exit code: 0 kept, 1 an objective was missed or a figure got worse than the baseline, 3 no
    window was valid. Example: ./iec4 load rpc --knee 1000:50000 --slo 'p99 <= 5000 us'
    """
    from pipeline import loading_rpc

    return loading_rpc.rpc(
        loading_rpc.Asked(
            lab=lab,
            registry=registry,
            engine=engine,
            connections=connections,
            processes=processes,
            window=window,
            rate=rate,
            seconds=seconds,
            repeat=repeat,
            slo=tuple(slo or ()),
            knee=knee,
            no_delay=no_delay,
            max_late_us=max_late,
            steps=steps,
            think=think,
        ),
        baseline=baseline,
        out=out,
        quiet=quiet,
        as_json=as_json,
    )


@app.command("classroom")
def classroom(
    lab: Lab = None,
    profile: Annotated[str, typer.Option(help="The use case: perf/profiles.yaml.")] = "lecture",
    students: Annotated[int, typer.Option(min=1, help="Students, Locust's users.")] = 20,
    ramp: Annotated[
        float, typer.Option(min=0, help="They come within so many seconds; 0: a storm of joins.")
    ] = 2.0,
    seconds: Annotated[
        float, typer.Option(min=0.5, max=3600, help="The length of a window.")
    ] = 10.0,
    repeat: Repeat = 3,
    processes: Annotated[
        int, typer.Option(min=1, max=16, help="Locust's workers, each with its own classrooms.")
    ] = 1,
    slo: Annotated[
        list[str] | None,
        typer.Option(help="What must be kept, like 'loss <= 1 %'; else the profile's."),
    ] = None,
    capacity: Annotated[
        str | None, typer.Option(help="Search the most students that keep the SLO: LOW:HIGH.")
    ] = None,
    browsers: Annotated[
        int, typer.Option(min=0, max=4, help="Observers in Chromium, beside the usual two.")
    ] = 0,
    max_late: Annotated[
        float, typer.Option(help="How late the generator may wake, us (p99); else it spoils.")
    ] = 20_000.0,
    timeout: Annotated[
        float, typer.Option(min=1, max=60, help="What one step of a student may take, s.")
    ] = 10.0,
    baseline: Baseline = None,
    out: Out = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Study a use case of the classroom: students come, stay for a window, and go.

    Exit code: as of load rpc. Example: ./iec4 load classroom --profile gaming --capacity 10:100
    """
    from pipeline import loading_classroom

    return loading_classroom.classroom(
        loading_classroom.Asked(
            lab=lab,
            profile=profile,
            students=students,
            ramp=ramp,
            seconds=seconds,
            repeat=repeat,
            processes=processes,
            slo=tuple(slo or ()),
            capacity=capacity,
            browsers=browsers,
            max_late_us=max_late,
            timeout_s=timeout,
        ),
        baseline=baseline,
        out=out,
        quiet=quiet,
        as_json=as_json,
    )
