"""A TCP connection that a client tunnels through a host (``ssh -W`` and ``-L``)."""

from __future__ import annotations

import asyncio
from typing import cast

import asyncssh


class Tunnel(asyncssh.SSHForwarder):
    """The channel's end of a tunnel; closes the channel once both directions have ended.

    As sshd(8) does, and as OpenSSH's client needs it: when the two ends cross on the wire
    it waits for a CLOSE, which asyncssh's own forwarder leaves to the client then.
    """

    def eof_received(self) -> bool:
        goes_on = super().eof_received()
        if not goes_on:
            self.close()
        return goes_on


async def to(host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
    """A tunnel to a TCP server. Raises `asyncssh.ChannelOpenError` when it cannot be reached."""
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(asyncssh.SSHForwarder, host, port)
    except OSError as error:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error)) from None
    # asyncssh takes its forwarder for a session, though it is none by its base class.
    return cast("asyncssh.SSHTCPSession[bytes]", Tunnel(connection))
