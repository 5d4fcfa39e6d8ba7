"""How a load's users speak to a crowd: one worker process, a line of JSON each way.

Made of plain threads and sockets, so that gevent's patches make it cooperative.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from lab.closing import Closing
from lab.errors import LabError, WaitTimeout

#: Seconds that a worker gets to end when its socket has.
END_S = 5.0


class CrowdFailed(LabError):
    """What the classroom did wrong, as a student met it; or the crowd's own end."""


class Messenger(Closing):
    """A crowd's process. Use as a context manager: it ends with everybody in it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "perf.crowd.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        self._socket = ours
        self._writing = threading.Lock()
        self._ids = 0
        self._waiting: dict[int, _Answer] = {}
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="crowd", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, do: str, patience: float, /, **told: Any) -> dict[str, Any]:
        """Give an order and return what was done.

        Raises `CrowdFailed` when the classroom would not, `WaitTimeout` when there is no answer
        within ``patience`` seconds.
        """
        answer = _Answer()
        with self._writing:
            if self._ended:
                raise CrowdFailed("the crowd's process has ended", found=self._status())
            self._ids += 1
            number = self._ids
            self._waiting[number] = answer
            self._socket.sendall(json.dumps({"id": number, "do": do, **told}).encode() + b"\n")
        if not answer.there.wait(patience):
            self._waiting.pop(number, None)
            raise WaitTimeout(f"the crowd did not {do} within {patience:g} s")
        if answer.done is None:
            raise CrowdFailed(answer.failed)
        return answer.done

    def _read(self) -> None:
        with suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                told = json.loads(line)
                answer = self._waiting.pop(told["id"], None)
                if answer is not None:
                    answer.done, answer.failed = told.get("done"), told.get("failed", "")
                    answer.there.set()
        with self._writing:
            self._ended = True
        for answer in [*self._waiting.values()]:
            answer.failed = "the crowd's process has ended"
            answer.there.set()

    def _status(self) -> str:
        return f"status {self._process.poll()}"

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(END_S)
        self._socket.close()


class _Answer:
    def __init__(self) -> None:
        self.there = threading.Event()
        self.done: dict[str, Any] | None = None
        self.failed = ""
