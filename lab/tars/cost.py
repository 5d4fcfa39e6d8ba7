"""What the platform's own processes cost a host: CPU time and memory, from ``/proc``.

Nothing is installed: two looks at ``/proc/PID/stat`` over SSH, and the time between them. Real
processes are known by their names, embedded ones by the module that they run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.errors import SystemDown
from lab.host.base import Host

#: The platform's processes by the names that they have on a real host.
REGISTRY, ADMIN_REGISTRY, NODE = "tarsregistry", "tarsAdminRegistry", "tarsnode"
_NAMES = (
    REGISTRY,
    ADMIN_REGISTRY,
    NODE,
    "tarspatch",
    "tarsconfig",
    "tarsnotify",
    "tarsstat",
    "tarsproperty",
    "tarslog",
    "tarsquerystat",
    "tarsqueryproperty",
)

# Prints a line "NAME PID" for each process of the platform. Loopback hosts share one /proc, so
# an embedded process counts only when it runs below this host's home. Its name is its module's.
_FIND = """
home=$(pwd -P)
for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    name=$(cat "$process/comm" 2>/dev/null) || continue
    for known; do [ "$name" = "$known" ] && echo "$name $pid"; done
    case "$name" in python*)
        command=$(tr '\\0' ' ' <"$process/cmdline" 2>/dev/null) || continue
        case "$command" in *' -m lab.tars.embedded.'*)
            case "$(readlink "$process/cwd")/" in "$home"/*)
                module=${command#* -m lab.tars.embedded.}
                module=${module%% *}
                echo "${module#components.} $pid" ;;
            esac ;;
        esac ;;
    esac
done
"""
_EMBEDDED = {"master": REGISTRY, "node": NODE}

# The time first, then a line of /proc/PID/stat for each process that is there.
_LOOK = """
getconf CLK_TCK; getconf PAGESIZE; cut -d' ' -f1 /proc/uptime
for pid; do [ -r "/proc/$pid/stat" ] && tr '\n' ' ' <"/proc/$pid/stat" && echo; done
:
"""


@dataclass(frozen=True)
class Usage:
    """A process at one moment. Times in seconds, ``rss`` in bytes."""

    pid: int
    started_s: float
    cpu_s: float
    rss: int
    at_s: float


@dataclass(frozen=True)
class Cost:
    """A process over a window: its share of one core (1 is a whole one), memory at the end."""

    cpu_share: float
    rss: int
    window_s: float


def processes(host: Host) -> dict[str, int]:
    """The platform's processes on a host: name → process number."""
    found = {}
    for line in host.check(["sh", "-c", _FIND, "sh", *_NAMES]).splitlines():
        name, pid = line.split()
        found[_EMBEDDED.get(name, name)] = int(pid)
    return found


def look(host: Host, pids: Mapping[str, int]) -> dict[str, Usage]:
    """What these processes have used so far; those that are gone are left out."""
    argv = ["sh", "-c", _LOOK, "sh", *(str(pid) for pid in pids.values())]
    ticks, page, uptime, *lines = host.check(argv).splitlines()
    by_pid = {}
    for line in lines:
        # The name in brackets may hold anything; after it come fields 3 and on of proc(5).
        number, _, rest = line.partition(" ")
        fields = rest.rpartition(")")[2].split()
        if fields[0] == "Z":  # it has ended, and nobody has asked how
            continue
        by_pid[int(number)] = Usage(
            pid=int(number),
            started_s=int(fields[19]) / int(ticks),
            cpu_s=(int(fields[11]) + int(fields[12])) / int(ticks),
            rss=int(fields[21]) * int(page),
            at_s=float(uptime),
        )
    return {name: by_pid[pid] for name, pid in pids.items() if pid in by_pid}


def between(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, Cost]:
    """What each process of ``before`` cost until ``after``.

    Raises `SystemDown` for one that has ended or was started anew in between.
    """
    costs = {}
    for name, first in before.items():
        last = after.get(name)
        if last is None or last.started_s != first.started_s:
            raise SystemDown(
                f"{name}, process {first.pid}, ended while it was measured",
                found="no such process" if last is None else "another process of that number",
                expected="the same process before and after",
                advice="see its log, then measure again",
            )
        window_s = last.at_s - first.at_s
        costs[name] = Cost((last.cpu_s - first.cpu_s) / window_s, last.rss, window_s)
    return costs


def measure(host: Host, seconds: float) -> dict[str, Cost]:
    """What the platform's processes on a host cost over the next ``seconds``.

    Raises `SystemDown` as `between` does, and when there are none.
    """
    pids = processes(host)
    if not pids:
        raise SystemDown(
            f"no process of Tars runs on {host.name}",
            expected=f"one of {', '.join(_NAMES)}",
            advice="check that the platform is deployed there",
        )
    before = look(host, pids)
    host.run(["sleep", f"{seconds:g}"], timeout=seconds + 30).check()
    return between(before, look(host, pids))
