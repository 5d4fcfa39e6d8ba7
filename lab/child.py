"""A child process in an event loop: its end, and its output. Standard library only.

asyncio's own ``Process.wait`` waits for the end of the pipes, too, which a daemon may hold open.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from typing import IO, Any

#: Once a child has ended and its pipe is silent for so long, what it left behind holds the
#: pipe open, and is not waited for. Seconds.
_SILENCE_S = 0.3
_PIECE = 64 * 1024


async def end_of(child: subprocess.Popen[bytes]) -> int:
    """The child's status, as soon as it has ended."""
    await gone(child.pid)
    return child.wait()


async def gone(pid: int) -> None:
    """Wait until a process, a child or not, has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def output_of(pipe: IO[bytes], ended: asyncio.Future[int]) -> AsyncIterator[bytes]:
    """What a child writes to a pipe, piece by piece, to its end.

    ``ended``: done when the child has ended. Nothing is left in the pipe when this is over,
    however slowly the pieces were taken.
    """
    descriptor = pipe.fileno()
    os.set_blocking(descriptor, False)
    while True:
        silent = not await _readable(descriptor, ended)
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            if silent:
                return
            continue
        if not piece:
            return
        yield piece


async def _readable(descriptor: int, ended: asyncio.Future[int]) -> bool:
    """Wait until there is something to read; False after silence when the child has ended."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: None if ready.done() else ready.set_result(None))
    either: list[asyncio.Future[Any]] = [ready, ended]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await asyncio.wait({ready}, timeout=_SILENCE_S)
        return ready.done()
    finally:
        loop.remove_reader(descriptor)
