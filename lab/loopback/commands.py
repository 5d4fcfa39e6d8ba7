"""A command on an embedded host: a process of its own session, joined to an SSH channel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from lab.loopback.cleanup import end, in_session

_PIECE = 64 * 1024
#: Once a command has ended and its pipes are empty for so long, what it left behind
#: keeps them open, and is not waited for. Seconds.
_SILENCE = 0.3


class _Pump:
    """Copies one output of a command to the client, at the client's pace."""

    def __init__(self, source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
        self._source = source
        self._sink = sink
        self._waiting_for_data = False
        self.task = asyncio.create_task(self._copy())

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
        while not self.task.done():
            await asyncio.wait({self.task}, timeout=_SILENCE)
            if self._waiting_for_data:
                self.task.cancel()
                return


async def serve(
    channel: asyncssh.SSHServerProcess[bytes],
    *,
    prefix: list[str],
    home: Path,
    env: Mapping[str, str],
) -> None:
    """Run what the client asks for by ``/bin/sh -c`` in ``home``, or a shell; pass on its end.

    Ends the session that the command leads when the channel closes before it. A daemon in
    a session of its own stays.
    """
    shell = ["/bin/sh", "-c", channel.command] if channel.command else ["/bin/sh"]
    child = await asyncio.create_subprocess_exec(
        *prefix,
        *shell,
        cwd=home,
        env=dict(env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise RuntimeError("asyncio gave a process no pipes")
    pumps = _Pump(child.stdout, channel.stdout), _Pump(child.stderr, channel.stderr)
    feeding = asyncio.create_task(_feed(channel, child, child.stdin))
    ended = asyncio.create_task(child.wait())
    closed = asyncio.create_task(channel.channel.wait_closed())
    try:
        await asyncio.wait({ended, closed}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            await asyncio.to_thread(end, lambda: in_session(child.pid))
        status = await ended
        for pump in pumps:
            await pump.finish()
    finally:
        for task in (feeding, closed, *(pump.task for pump in pumps)):
            task.cancel()
    if status >= 0:
        channel.exit(status)
    else:
        channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))


async def _feed(
    channel: asyncssh.SSHServerProcess[bytes],
    child: asyncio.subprocess.Process,
    sink: asyncio.StreamWriter,
) -> None:
    """Copy the client's input to the command, and its signals to the command's group."""
    with contextlib.suppress(OSError, asyncssh.Error):  # either may have gone
        while True:
            try:
                data = await channel.stdin.read(_PIECE)
            except asyncssh.SignalReceived as received:
                number = getattr(signal, f"SIG{received.signal}", signal.SIGTERM)
                os.killpg(child.pid, number)
                continue
            if not data:
                break
            sink.write(data)
            await sink.drain()
    sink.close()
