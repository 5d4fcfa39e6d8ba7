"""Readiness probes of the embedded node agent: httpGet, tcpSocket and exec."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing, suppress

from lab.iec.embedded.api import Object
from lab.iec.embedded.container import Container


async def passes(
    probe: Object,
    container: Container,
    spec: Object,
    address: str,
    new: Callable[[], socket.socket],
) -> bool:
    """Whether a probe passes now. ``new``: makes a socket on the node, as a kubelet's are."""
    limit = float(probe.get("timeoutSeconds", 1))
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(limit):
            if command := probe.get("exec"):
                return await _command(container, command["command"])
            if action := probe.get("httpGet"):
                port = _port(action["port"], spec)
                status = await _http(new(), action.get("host") or address, port, action)
                return 200 <= status < 400
            if action := probe.get("tcpSocket"):
                host = action.get("host") or address
                with closing(new()) as connection:
                    loop = asyncio.get_running_loop()
                    await loop.sock_connect(connection, (host, _port(action["port"], spec)))
                return True
    return False


async def _command(container: Container, command: list[str]) -> bool:
    argv = container.within(command)
    if argv is None:
        return False
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(*argv, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        return await child.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            child.kill()


async def _http(connection: socket.socket, host: str, port: int, action: Object) -> int:
    loop = asyncio.get_running_loop()
    with closing(connection):
        await loop.sock_connect(connection, (host, port))
        path = action.get("path", "/")
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        answer = await loop.sock_recv(connection, 1024)
    return int(answer.split(b" ", 2)[1])


def _port(port: int | str, spec: Object) -> int:
    """A port, or the number of one by its name."""
    if isinstance(port, int):
        return port
    named = {p.get("name"): p["containerPort"] for p in spec.get("ports", ())}
    return int(named[port]) if port in named else int(port)
