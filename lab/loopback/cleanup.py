"""Finding and ending a lab's processes, and removing its files. Standard library only.

Every process of a lab has ``IEC4_LAB_ID=<id>`` in its environment. Processes are signalled
through pidfds, so that a pid that was given to somebody else is never hit.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lab.deep import cgroups

#: The environment variable by which a lab's processes are found.
TAG = "IEC4_LAB_ID"
#: The one that says on which host a process runs.
HOST = "IEC4_HOST"

#: Seconds that processes have after TERM, and after KILL.
_TERM_PATIENCE = 1.0
_KILL_PATIENCE = 5.0


class Process(NamedTuple):
    """A running process, as ``/proc/PID/stat`` has it; zombies do not run."""

    pid: int
    parent: int
    session: int


def running() -> Iterator[Process]:
    """All running processes of this machine."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                # The name stands in parentheses and may hold any character.
                stat = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                if stat[0] not in ("Z", "X"):
                    yield Process(int(entry.name), int(stat[1]), int(stat[3]))


def environment(pid: int) -> dict[str, str]:
    """The environment that a process started with; empty when it may not be read."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        return dict(pair.partition("=")[::2] for pair in text.split("\0") if "=" in pair)
    return {}


def tagged(lab_id: str) -> list[int]:
    """Pids of a lab's processes, this one excepted."""
    me = os.getpid()
    return [p.pid for p in running() if p.pid != me and environment(p.pid).get(TAG) == lab_id]


def in_session(session: int) -> list[int]:
    """Pids of the processes of a session."""
    return [process.pid for process in running() if process.session == session]


def descendants(root: int) -> list[int]:
    """Pids of all that a process started, directly or not."""
    children: dict[int, list[int]] = {}
    for process in running():
        children.setdefault(process.parent, []).append(process.pid)
    found = []
    todo = children.get(root, [])
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def end(find: Callable[[], Iterable[int]]) -> None:
    """End the processes that ``find()`` finds, and those that they start meanwhile.

    TERM, after a second KILL. Returns when ``find()`` finds none, or 5 s after KILL.
    """
    for number, patience in ((signal.SIGTERM, _TERM_PATIENCE), (signal.SIGKILL, _KILL_PATIENCE)):
        deadline = time.monotonic() + patience
        while pids := list(find()):
            _signal_and_wait(pids, number, deadline)
            if time.monotonic() >= deadline:
                break


def _signal_and_wait(pids: list[int], number: signal.Signals, deadline: float) -> None:
    ends = select.poll()
    handles = []
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            handles.append(os.pidfd_open(pid))
            ends.register(handles[-1], select.POLLIN)
            signal.pidfd_send_signal(handles[-1], number)
    try:
        waiting = len(handles)
        while waiting and (left := deadline - time.monotonic()) > 0:
            for handle, _ in ends.poll(left * 1000):
                ends.unregister(handle)
                waiting -= 1
    finally:
        for handle in handles:
            os.close(handle)


def remove_state(state: Path) -> None:
    """Remove a lab's state directory, and the control groups that it lists.

    What dies too slowly keeps its groups: their list stays, for whoever sweeps next.
    """
    if cgroups.remove(state):
        remove_tree(state)
        return
    for entry in os.scandir(state):
        if entry.is_dir(follow_symlinks=False):
            remove_tree(Path(entry.path))


def remove_tree(directory: Path) -> None:
    """Remove a directory and all in it, read-only directories too; gone already is fine."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        for place, _, _ in os.walk(directory):
            with suppress(OSError):
                Path(place).chmod(0o700)
        shutil.rmtree(directory, ignore_errors=True)
