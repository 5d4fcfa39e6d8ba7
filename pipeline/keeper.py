"""Stands between a command and a child of its, so that the child never outlives it.

    python -S -m pipeline.keeper OWNER_PID DIRECTORY -- COMMAND...

It starts the command in the directory, and ends as that ends. When the process OWNER_PID ends
first - killed, it could end nothing itself - the command and all that it has started are killed:
nobody goes on to write into a run directory that somebody else resumes. A lab is no part of that:
it looks after its own end. Standard library only: it has to be small and quick.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lab.loopback.cleanup import descendants, in_session

#: The checkout, in which this module is found.
ROOT = Path(__file__).resolve().parent.parent
#: Rounds of killing: what was starting something in one is found in the next.
_ROUNDS = 10


def kept(argv: Sequence[str], *, cwd: Path) -> list[str]:
    """The command line, to be started in `ROOT`, that keeps ``argv`` for this process."""
    keeper = [sys.executable, "-S", "-m", "pipeline.keeper", str(os.getpid()), str(cwd), "--"]
    return [*keeper, *argv]


def main(argv: list[str]) -> int:
    owner, directory, _, *command = argv
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the command, in the same group
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen(command, cwd=directory)
    if not _outlived(int(owner), child.pid):
        _kill_all()
    return _end_as(child.wait())


def _outlived(owner: int, child: int) -> bool:
    """Wait for the end of either; whether the child's came first."""
    try:
        living = os.pidfd_open(owner)
    except ProcessLookupError:
        return False
    if os.getppid() != owner:  # its number has been given to another
        return False
    ends = select.poll()
    ending = os.pidfd_open(child)
    ends.register(living, select.POLLIN)
    ends.register(ending, select.POLLIN)
    return any(descriptor == ending for descriptor, _ in ends.poll())


def _kill_all() -> None:
    me = os.getpid()
    for _ in range(_ROUNDS):
        found = {*descendants(me), *in_session(me)} - {me}
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _end_as(status: int) -> int:
    """Return the command's status, or end by the signal that ended it."""
    if status < 0:
        with suppress(OSError):  # SIGKILL's way cannot be changed
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
