"""Long-running programs on hosts without an init system: start, stop, look.

A service lives in ``<home>/.iec4/services/NAME``: ``pid`` (its process group), ``log``, and
``runs``: what it was started with, and from which content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.errors import LabError, SystemDown
from lab.recipe import Await, Command
from lab.session import Lab
from lab.wait import wait_for

#: Sets ``runs`` from a digest of the arguments and the content of what `Install` unpacked.
_RUNS = """
runs=$(echo "$2"; for place in $3; do cat "$place/.sha256"; done)
"""
_START = """
dir=.iec4/services/$1; shift 3
mkdir -p "$dir"
rm -f "$dir/pid"
echo "$runs" >"$dir/runs"
setsid sh -c 'echo $$ >"$1/pid.new" && mv "$1/pid.new" "$1/pid" && shift && exec "$@"' \
    sh "$dir" "$@" >>"$dir/log" 2>&1 </dev/null &
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -e "$dir/pid" ] && exit 0
    sleep 0.1
done
exit 1
"""
_ALIVE = 'pid=$(cat ".iec4/services/$1/pid" 2>/dev/null) && kill -0 "-$pid" 2>/dev/null'
_CURRENT = f'{_ALIVE} && [ "$(cat ".iec4/services/$1/runs" 2>/dev/null)" = "$runs" ]'
_STOP = """
pid=$(cat ".iec4/services/$1/pid" 2>/dev/null) || exit 0
kill -TERM "-$pid" 2>/dev/null || exit 0
left=$2
while [ "$left" -gt 0 ]; do
    kill -0 "-$pid" 2>/dev/null || { rm -f ".iec4/services/$1/pid"; exit 0; }
    sleep 0.1
    left=$((left - 1))
done
kill -KILL "-$pid" 2>/dev/null
rm -f ".iec4/services/$1/pid"
"""
#: The stop of what runs from something else, 2 s after which it is killed.
_END = f'set -- "$1" 20\n{_STOP}'


def start(
    host: str,
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    runs_from: Sequence[str] = (),
) -> Command:
    """Start service ``name`` on ``host`` unless it runs; relative paths start at home.

    ``runs_from``: directories of `Install` steps (no blanks in their names). With these, one
    that runs from other content, or with other arguments, is stopped and started anew.
    It has its pid when this is done, so that `Answers` never takes it for dead too early.
    """
    digest = hashlib.sha256(repr((list(argv), sorted((env or {}).items()))).encode()).hexdigest()
    what = [name, digest, " ".join(runs_from)]
    end_other = f"({_END})\n" if runs_from else ""
    return Command(
        title=f"start {name}",
        host=host,
        argv=["sh", "-c", _RUNS + end_other + _START, "sh", *what, *argv],
        unless=["sh", "-c", _RUNS + (_CURRENT if runs_from else _ALIVE), "sh", *what],
        env=env or {},
    )


def stop(host: str, name: str, *, grace: float = 2.0) -> Command:
    """Stop service ``name`` and its whole process group: TERM, then KILL after ``grace`` s."""
    argv = ["sh", "-c", _STOP, "sh", name, str(round(grace * 10))]
    return Command(title=f"stop {name}", host=host, argv=argv, timeout=2 * grace + 30)


@dataclass(frozen=True)
class Answers(Await):
    """Wait until a service answers ``probe``; when it has died instead, say so at once.

    Raises `SystemDown` with the end of the service's log as evidence, or `WaitTimeout`.
    """

    service: str = ""

    def execute(self, lab: Lab) -> str:
        host = lab.host(self.host)
        log: list[str] = []

        def answers_or_died() -> object:
            try:
                return self.probe(lab)
            except (LabError, OSError):
                if host.run(["sh", "-c", _ALIVE, "sh", self.service]).ok:
                    raise
                log.append(
                    host.run(["tail", "-n", "20", f".iec4/services/{self.service}/log"]).text
                )
                return True

        wait_for(self.title, answers_or_died, timeout=self.timeout)
        if log:
            lines = log[0].strip().splitlines()
            raise SystemDown(
                f"{self.service} ended instead of answering",
                found=lines[-1] if lines else "an empty log",
                advice=f"see .iec4/services/{self.service}/log on {self.host}",
                evidence=log[0],
            )
        return "done"
