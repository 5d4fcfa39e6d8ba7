"""The Locust engine: one headless Locust process per load, bounded, and its own figures unused.

Locust's monkey patches stay in that process. Its percentiles are whole milliseconds, so what
counts comes from `perf.observer` by way of a file.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from perf import handover
from perf.load import LoadPlan, LoadResult, plan_to_json

PERF = Path(__file__).parent

#: Seconds that Locust gets to start, and its users to leave politely when told to stop.
START_S = 20
STOP_S = 3
#: Seconds that a Locust gets which is told to end at once.
GRACE_S = 1.0
_TAIL_BYTES = 64 * 1024


class LocustEngine:
    """Puts on the load of one Locust file.

    ``environment`` is added to the process's variables (a task's, which names the lab);
    ``host`` is Locust's ``--host``. With more ``processes`` than one, Locust's master and so
    many workers put the load on together. ``keep_log`` is given what each process wrote, its last
    64 KiB.
    """

    def __init__(
        self,
        locustfile: Path,
        *,
        environment: Mapping[str, str] | None = None,
        host: str | None = None,
        processes: int = 1,
        keep_log: Callable[[str], None] | None = None,
    ) -> None:
        self._locustfile = locustfile
        self._environment = environment or {}
        self._host = host
        self._processes = processes
        self._keep_log = keep_log

    def run(self, plan: LoadPlan) -> LoadResult:
        """Put the load on, once; ends within the plan's times, `START_S` and `STOP_S`.

        Raises `LabError` when there was no load: nothing to be judged.
        """
        # Who plays a part has to come, to be served and to go again, each within its time-out.
        patience = (3 if plan.profile else 1) * plan.timeout_s
        seconds = plan.ramp_s + plan.warm_up_s + plan.window_s + patience
        run_time = math.ceil(seconds) + STOP_S
        bound = START_S + run_time + STOP_S + plan.timeout_s
        with tempfile.TemporaryDirectory(prefix="iec4-load-") as place:
            result, log = Path(place) / "result.json", Path(place) / "log"
            try:
                status = self._locust(plan, run_time, bound, result, log)
            finally:
                told = _tail(log)
                if self._keep_log is not None:
                    self._keep_log(told)
            try:
                return handover.read(result)
            except handover.LoadBroken as broken:
                found = str(broken)
                if status is None:
                    found += f"; it was ended after {bound:.0f} s"
                raise LabError(
                    f"no load could be put on with {self._locustfile.name}",
                    found=found,
                    expected="a result",
                    evidence=told,
                ) from broken

    def _locust(
        self, plan: LoadPlan, run_time: int, bound: float, result: Path, log: Path
    ) -> int | None:
        """Run Locust to its end; return its exit status, None if it had to be ended."""
        users = str(plan.users)
        a_second = str(plan.users / plan.ramp_s) if plan.ramp_s else users
        argv = [sys.executable, "-m", "locust", "-f", str(self._locustfile), "--headless"]
        argv += ["-u", users, "-r", a_second, "-t", f"{run_time}s", "--stop-timeout", str(STOP_S)]
        argv += ["--only-summary"]
        if self._processes > 1:
            port = str(_free_port())
            argv += ["--processes", str(self._processes), "--master-bind-port", port]
            argv += ["--master-port", port]
        if self._host is not None:
            argv += ["--host", self._host]
        # What a person has set up for Locust elsewhere is not to steer this one.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LOCUST_")}
        handed = {handover.PLAN: plan_to_json(plan), handover.RESULT: str(result)}
        with (
            log.open("wb") as out,
            subprocess.Popen(
                argv,
                cwd=result.parent,
                env={**inherited, **self._environment, **handed},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                return process.wait(bound)
            except subprocess.TimeoutExpired:
                return None
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, by an interruption mostly: SIGTERM, then SIGKILL."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    process.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as text:
        text.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return text.read().decode(errors="replace")
