"""The cluster's one door: connections to its outside address are carried to the API server.

The listening socket was made outside, where clients are, and handed in.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from lab.iec.embedded.plan import API_PORT, LOOPBACK

_PIECE = 64 * 1024


async def relay(listening: socket.socket) -> asyncio.Server:
    """Carry connections from now on."""
    return await asyncio.start_server(_carry, sock=listening, limit=_PIECE)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # either side may be gone: its client sees that
        there_reader, there_writer = await asyncio.open_connection(LOOPBACK, API_PORT, limit=_PIECE)
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        finally:
            there_writer.close()
    writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(_PIECE):
            sink.write(piece)
            await sink.drain()
    with suppress(OSError):
        sink.write_eof()
