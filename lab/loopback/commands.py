"""A command on an embedded host: a process of its own session, joined to an SSH channel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import asyncssh

from lab.child import end_of, output_of
from lab.loopback.cleanup import end, in_session

_PIECE = 64 * 1024


async def serve(
    channel: asyncssh.SSHServerProcess[bytes],
    *,
    prefix: Sequence[str],
    home: Path,
    env: Mapping[str, str],
) -> None:
    """Run what the client asks for by ``/bin/sh -c`` in ``home``, or a shell; pass on its end.

    Ends the session that the command leads when the channel closes before it. A daemon in
    a session of its own stays.
    """
    shell = ["/bin/sh", "-c", channel.command] if channel.command else ["/bin/sh"]
    child = subprocess.Popen(
        [*prefix, *shell],
        cwd=home,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    ended = asyncio.create_task(end_of(child))
    async with _joined(channel, child, ended) as pumps:
        closed = asyncio.create_task(channel.channel.wait_closed())
        await asyncio.wait({ended, closed}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            await asyncio.to_thread(end, lambda: in_session(child.pid))
        status = await ended
        await asyncio.gather(*pumps)
        closed.cancel()
    if status >= 0:
        channel.exit(status)
    else:
        channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))


@contextlib.asynccontextmanager
async def _joined(
    channel: asyncssh.SSHServerProcess[bytes],
    child: subprocess.Popen[bytes],
    ended: asyncio.Future[int],
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Joins the child's pipes to the channel; yields the tasks that pump its outputs."""
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise RuntimeError("subprocess gave a process no pipes")
    with child.stdout, child.stderr:
        stdin = await _writer(child.stdin)
        pumps = [
            asyncio.create_task(_pump(child.stdout, channel.stdout, ended)),
            asyncio.create_task(_pump(child.stderr, channel.stderr, ended)),
        ]
        feeding = asyncio.create_task(_feed(channel, child.pid, stdin))
        try:
            yield pumps
        finally:
            stdin.close()
            for task in (feeding, *pumps):
                task.cancel()
            await asyncio.wait({feeding, *pumps})


async def _writer(pipe: IO[bytes]) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), pipe
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _pump(
    source: IO[bytes], sink: asyncssh.SSHWriter[bytes], ended: asyncio.Future[int]
) -> None:
    """Copy one output of a command to the client, at the client's pace."""
    with contextlib.suppress(OSError, asyncssh.Error):  # the client has gone
        async for piece in output_of(source, ended):
            sink.write(piece)
            await sink.drain()


async def _feed(
    channel: asyncssh.SSHServerProcess[bytes], group: int, sink: asyncio.StreamWriter
) -> None:
    """Copy the client's input to the command, and its signals to the command's group."""
    with contextlib.suppress(OSError, asyncssh.Error):  # either may have gone
        while True:
            try:
                data = await channel.stdin.read(_PIECE)
            except asyncssh.SignalReceived as received:
                os.killpg(group, getattr(signal, f"SIG{received.signal}", signal.SIGTERM))
                continue
            if not data:
                break
            sink.write(data)
            await sink.drain()
    sink.close()
