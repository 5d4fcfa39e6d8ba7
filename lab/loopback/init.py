"""The first process of a lab: starts the SSH server, and ends all of the lab when its time is up.

That is when the SSH server ends, the owner ends, SIGTERM or SIGINT comes, or the time to
live is over. As a child subreaper (prctl(2)) it inherits every process that a host's
daemon leaves behind, so none escapes. Standard library only: it has to be small and quick.

    python -m lab.loopback.init STATE OWNER_PID TTL READY_FD LOCK_FD -- COMMAND...

OWNER_PID and TTL (seconds) may be ``-``. COMMAND, the SSH server, gets READY_FD and, as
its last argument, this process's pid. The lab's id stands in the environment. The lock
of STATE is held through LOCK_FD for as long as this process lives.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from lab.loopback.cleanup import TAG, descendants, end, remove_state, tagged

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

#: The file in the state directory that names this process.
PID_FILE = "init.pid"


def main(argv: list[str]) -> int:
    state, owner, ttl, ready, lock = Path(argv[0]), *argv[1:5]
    if os.fork():
        os._exit(0)  # the starter waits for this process, so that init is nobody's zombie
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    os.set_inheritable(int(lock), False)
    wakeups = _wake_on_signals()
    try:
        (state / PID_FILE).write_text(str(os.getpid()))
        server = subprocess.Popen(
            [*argv[6:], str(os.getpid())], pass_fds=[int(ready)], start_new_session=True
        )
        os.close(int(ready))
        _wait_for_the_end(
            server,
            wakeups,
            owner=None if owner == "-" else int(owner),
            deadline=None if ttl == "-" else time.monotonic() + float(ttl),
        )
    finally:
        end(_living)
        remove_state(state)
    return 0


def serve_under(init: int, state: Path, work: Callable[[], None]) -> None:
    """What COMMAND does: ``work``, until TERM, which comes too when ``init`` dies.

    Whoever killed ``init`` left nobody to end the lab: then this process ends it.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        if os.getppid() == init:
            work()
    finally:
        if os.getppid() != init:
            end(partial(tagged, os.environ[TAG]))
            remove_state(state)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _living() -> list[int]:
    _reap()
    return descendants(os.getpid())


def _reap() -> set[int]:
    """Bury the dead; returns their pids."""
    dead = set()
    with suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            dead.add(pid)
    return dead


def _wake_on_signals() -> int:
    """Make signals readable; returns the descriptor from which their numbers are read."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reading


def _wait_for_the_end(
    server: subprocess.Popen[bytes], wakeups: int, *, owner: int | None, deadline: float | None
) -> None:
    events = select.poll()
    events.register(wakeups, select.POLLIN)
    owner_handle = None
    if owner is not None:
        try:
            owner_handle = os.pidfd_open(owner)
        except ProcessLookupError:
            return
        events.register(owner_handle, select.POLLIN)
    while deadline is None or time.monotonic() < deadline:
        left = None if deadline is None else (deadline - time.monotonic()) * 1000
        for descriptor, _ in events.poll(left):
            if descriptor == owner_handle:
                return
            numbers = set(os.read(wakeups, 4096))
            if server.pid in _reap() or numbers - {signal.SIGCHLD}:
                return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
