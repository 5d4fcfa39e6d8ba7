"""Running a script on a deep lab's machine as its root, from outside: no SSH is needed for it.

For faults, which may break SSH, and for looking at what a machine holds.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError, SystemDown
from lab.loopback.cleanup import HOST, TAG, environment
from lab.loopback.state import lab_id

#: The file in a host's state directory that names its machine's first process.
PID_FILE = "init.pid"
#: Where a machine's programs are looked for.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What a machine has of its own, as unshare and nsenter call it.
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
_TIMEOUT_S = 30.0


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
    enter = ["nsenter", "--target", str(pid), *NAMESPACES, "--cgroup", "--root", "--wd"]
    try:
        done = subprocess.run(
            [*enter, "/bin/sh", "-euc", script, "sh", *arguments],
            env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            f"a script did not end on machine {name}", found=f"none within {_TIMEOUT_S:g} s"
        ) from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise LabError(
            f"a script failed on machine {name}",
            found=said[-1] if said else f"status {done.returncode}",
            evidence=f"{script}\n{done.stderr}",
        )
    return done.stdout
