"""One process of a server: started in a group of its own, watched, ended with its group.

It outlives the node that started it; a node that comes back finds it again by its number
and start time.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: How large a server's output may be when it is started, bytes; it is cut otherwise.
_OUTPUT_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Record:
    """What is written down of a process, to find it again."""

    pid: int
    started: int  # clock ticks after the machine's start
    admin_port: int


def _start_time(pid: int) -> int | None:
    """When a process was started, None when there is none (or only its corpse)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(rest[18])  # field 22 of proc(5)


class Process:
    """A running process; ``ended`` is set, and ``told`` called, when it is there no more."""

    def __init__(
        self,
        record: Record,
        child: subprocess.Popen[bytes] | None,
        told: Callable[[], None],
    ) -> None:
        self.record = record
        self.ended = asyncio.Event()
        self._child = child
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._watched = os.pidfd_open(record.pid)
        self._loop.add_reader(self._watched, self._end)

    @property
    def pid(self) -> int:
        return self.record.pid

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        directory: Path,
        output: Path,
        admin_port: int,
        told: Callable[[], None],
    ) -> Process:
        """Start ``argv`` in ``directory``; raises `OSError`."""
        with output.open("ab") as log:
            if log.tell() > _OUTPUT_LIMIT:
                log.truncate(0)
            child = subprocess.Popen(
                argv,
                cwd=directory,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        record = Record(child.pid, _start_time(child.pid) or 0, admin_port)
        return cls(record, child, told)

    @classmethod
    def found(cls, record: Record, told: Callable[[], None]) -> Process | None:
        """The process that ``record`` speaks of, None when it is there no more."""
        if _start_time(record.pid) != record.started:
            return None
        try:
            return cls(record, None, told)
        except ProcessLookupError:
            return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def forget(self) -> None:
        """Watch it no more."""
        self._loop.remove_reader(self._watched)
        os.close(self._watched)

    def _end(self) -> None:
        self.forget()
        if self._child is not None:
            self._child.wait()
        self.signal(signal.SIGKILL)  # what it started goes with it
        self.ended.set()
        self._told()


def write_record(file: Path, record: Record) -> None:
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(json.dumps(vars(record)))
    fresh.replace(file)


def read_record(file: Path) -> Record | None:
    try:
        return Record(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
