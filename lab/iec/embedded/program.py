"""A long-running program of the cluster: started, started again when it ends, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.child import end_of

#: A program that ended is started again after this time, seconds.
_RESPITE_S = 0.5
#: A start of it is noticed within this time, seconds.
_LOOKED_EVERY_S = 0.05
#: A program has this time to end after TERM, seconds.
_PATIENCE_S = 3.0


@dataclass
class Program:
    """``argv`` with ``environment`` beside the cluster's own; ``log`` gets what it writes.

    Felix, for one, ends whenever its configuration has changed, and means to be started again.
    """

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _child: subprocess.Popen[bytes] | None = None
    _supervision: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Have it run from now on; one that runs is left alone."""
        if self._supervision is None:
            self._supervision = asyncio.create_task(self._keep_running(), name=self.name)

    async def stop(self) -> None:
        """TERM, KILL when that is not enough; it is not started again."""
        supervision, self._supervision = self._supervision, None
        if supervision is None:
            return
        child = self._child
        supervision.cancel()
        await asyncio.wait({supervision})
        if child is None or child.poll() is not None:
            return
        child.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(end_of(child), _PATIENCE_S)
        child.kill()
        await end_of(child)

    async def restart(self) -> None:
        """Stop it, and start it with ``argv`` and ``environment`` as they are now."""
        await self.stop()
        self.start()

    async def new_starts(self) -> AsyncIterator[None]:
        """Once for each time that it has been started again from now on, however it ended."""
        known = self.pid
        while True:
            await asyncio.sleep(_LOOKED_EVERY_S)
            if self.pid != known:
                known = self.pid
                yield

    async def _keep_running(self) -> None:
        while True:
            with self.log.open("ab") as log:
                self._child = subprocess.Popen(
                    self.argv,
                    env={**os.environ, **self.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            status = await end_of(self._child)
            with self.log.open("ab") as log:
                log.write(f"\n{self.name} ended with status {status}; starting it again\n".encode())
            await asyncio.sleep(_RESPITE_S)


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 30.0,
) -> bytes:
    """A program's output, once it has ended well; raises `ProgramFailed`. Seconds."""
    child = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(stdin), timeout)
    except TimeoutError:
        child.kill()
        raise ProgramFailed(f"{argv[0]} did not end within {timeout:g} s") from None
    if child.returncode != 0:
        words = (err or out).decode(errors="replace").strip()
        raise ProgramFailed(f"{argv[0]} ended with {child.returncode}: {words[-1000:]}")
    return out


class ProgramFailed(Exception):
    """A program ended with another status than 0, or not in time."""
