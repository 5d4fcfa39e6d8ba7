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

from lab.loopback.cleanup import end, in_session

_PIECE = 64 * 1024
#: Once a command has ended and its pipes are empty for so long, what it left behind
#: keeps them open, and is not waited for. Seconds.
_SILENCE = 0.3


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
    async with _pumping(channel, child) as pumps:
        closed = asyncio.create_task(channel.channel.wait_closed())
        ended = asyncio.create_task(_wait(child))
        await asyncio.wait({ended, closed}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            await asyncio.to_thread(end, lambda: in_session(child.pid))
        status = await ended
        for pump in pumps:
            await pump.finish()
        closed.cancel()
    if status >= 0:
        channel.exit(status)
    else:
        channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))


async def _wait(child: subprocess.Popen[bytes]) -> int:
    """The child's status as soon as it has ended.

    asyncio's own ``Process.wait`` also waits for the end of its pipes, which a daemon may
    hold open.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handle = os.pidfd_open(child.pid)
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return child.wait()


@contextlib.asynccontextmanager
async def _pumping(
    channel: asyncssh.SSHServerProcess[bytes], child: subprocess.Popen[bytes]
) -> AsyncIterator[list[_Pump]]:
    """Joins the child's pipes to the channel; yields the pumps of its outputs."""
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise RuntimeError("subprocess gave a process no pipes")
    stdin = await _writer(child.stdin)
    async with _reader(child.stdout) as stdout, _reader(child.stderr) as stderr:
        pumps = [_Pump(stdout, channel.stdout), _Pump(stderr, channel.stderr)]
        feeding = asyncio.create_task(_feed(channel, child.pid, stdin))
        try:
            yield pumps
        finally:
            feeding.cancel()
            stdin.close()
            for pump in pumps:
                pump.stop()


@contextlib.asynccontextmanager
async def _reader(pipe: IO[bytes]) -> AsyncIterator[asyncio.StreamReader]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        yield reader
    finally:
        transport.close()


async def _writer(pipe: IO[bytes]) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), pipe
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


class _Pump:
    """Copies one output of a command to the client, at the client's pace."""

    def __init__(self, source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
        self._source = source
        self._sink = sink
        self._waiting_for_data = False
        self._task = asyncio.create_task(self._copy())

    async def _copy(self) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):  # the client has gone
            while True:
                self._waiting_for_data = True
                data = await self._source.read(_PIECE)
                self._waiting_for_data = False
                if not data:
                    return
                self._sink.write(data)
                await self._sink.drain()

    async def finish(self) -> None:
        """Copy what is left; called when the command has ended."""
        while not self._task.done():
            await asyncio.wait({self._task}, timeout=_SILENCE)
            if self._waiting_for_data:
                return

    def stop(self) -> None:
        self._task.cancel()


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
