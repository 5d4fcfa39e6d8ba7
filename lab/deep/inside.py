"""Running a script on a deep lab's machine as its root, from outside: no SSH is needed for it.

For faults, which may break SSH, and for looking at what a machine holds.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.deep import virtual_agent
from lab.errors import LabError, SystemDown, WaitTimeout
from lab.loopback.cleanup import HOST, TAG, environment
from lab.loopback.state import lab_id

#: The file in a host's state directory that names its machine's first process.
PID_FILE = "init.pid"
#: Where a machine's programs are looked for.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What a machine has of its own, as unshare and nsenter call it.
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
#: The socket of a virtual machine's guest agent, in the host's state directory.
AGENT = "agent.sock"
#: What its starter's death ends, at once and surely.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
_TIMEOUT_S = 30.0
#: On a processor that may be emulated.
_VIRTUAL_TIMEOUT_S = 120.0
_ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}


def first_process(state: Path, name: str) -> int:
    """The pid, on this machine, of a machine's first process. Raises `SystemDown`."""
    try:
        pid = int((state / "hosts" / name / PID_FILE).read_text())
    except (OSError, ValueError):
        pid = 0
    found = environment(pid)
    if (found.get(TAG), found.get(HOST)) != (lab_id(state), name):
        raise SystemDown(
            f"machine {name} of the lab at {state} does not run",
            advice="start the lab with ./iec4 lab up --lab deep",
        )
    return pid


def run_inside(state: Path, name: str, script: str, arguments: Sequence[str] = ()) -> str:
    """Run a shell script as a machine's root; returns what it printed. Raises `LabError`."""
    pid = first_process(state, name)
    command = ["/bin/sh", "-euc", script, "sh", *arguments]
    place = state / "hosts" / name
    try:
        if (place / AGENT).exists():
            status, printed, complained = virtual_agent.run(
                place, AGENT, command, env=_ENVIRONMENT, timeout_s=_VIRTUAL_TIMEOUT_S
            )
        else:
            status, printed, complained = _enter_and_run(pid, command)
    except (subprocess.TimeoutExpired, WaitTimeout):
        raise LabError(f"a script did not end in time on machine {name}", evidence=script) from None
    if status != 0:
        said = complained.strip().splitlines()
        raise LabError(
            f"a script failed on machine {name}",
            found=said[-1] if said else f"status {status}",
            evidence=f"{script}\n{complained}",
        )
    return printed


def _enter_and_run(pid: int, command: Sequence[str]) -> tuple[int, str, str]:
    enter = ["nsenter", "--target", str(pid), *NAMESPACES, "--cgroup", "--root", "--wd"]
    done = subprocess.run(
        [*enter, *command],
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
