"""Commands in pods, by the API server's exec: what ``kubectl exec`` does.

A WebSocket of subprotocol ``v4.channel.k8s.io``: each message begins with the byte of its
channel, 1 for stdout, 2 for stderr, 3 for the Status that ends it
(https://pkg.go.dev/k8s.io/kubelet/pkg/cri/streaming/remotecommand).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from lab.errors import CommandTimeout, LabError
from lab.iec.client import Cluster, Refused, unreachable

_PROTOCOL = Subprotocol("v4.channel.k8s.io")
_STDOUT, _STDERR, _STATUS = 1, 2, 3
#: What is kept of a command's output, bytes; more of it is an error.
LIMIT = 1 << 20

_LOG = logging.getLogger("lab.iec.websocket")  # websockets' own would write tokens at DEBUG
_LOG.setLevel(logging.INFO)


@dataclass(frozen=True)
class Executed:
    """What a command in a pod left: its exit status and its output."""

    pod: str
    command: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def check(self) -> Executed:
        """Return this; raises `LabError` when the status is not 0."""
        if self.status != 0:
            said = (self.stderr or self.stdout).strip().splitlines()
            raise LabError(
                f"{' '.join(self.command)} failed in pod {self.pod}",
                found=f"status {self.status}: {said[-1] if said else 'no output'}",
                expected="status 0",
                evidence=self.stdout + self.stderr,
            )
        return self


def execute(
    cluster: Cluster,
    pod: str,
    command: Sequence[str],
    *,
    namespace: str,
    container: str | None = None,
    timeout: float = 10.0,
) -> Executed:
    """Run a command in a pod's container to its end.

    Not to be called where an asyncio loop runs. Raises `CommandTimeout` after ``timeout``
    seconds, `Refused` when the server or the node's agent will not run it, `SystemDown`.
    """
    query = [("command", part) for part in command] + [("stdout", "true"), ("stderr", "true")]
    if container:
        query.append(("container", container))
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"

    async def run() -> Executed:
        async with asyncio.timeout(timeout):
            return await _execute(cluster, path, query, pod, tuple(command))

    try:
        return asyncio.run(run())
    except TimeoutError:
        raise CommandTimeout(
            f"{' '.join(command)} in pod {namespace}/{pod} did not end",
            found=f"no end within {timeout:g} s",
        ) from None


async def _execute(
    cluster: Cluster, path: str, query: list[tuple[str, str]], pod: str, command: tuple[str, ...]
) -> Executed:
    access = cluster.access
    url = f"{access.server.replace('http', 'ws', 1)}{path}?{urlencode(query)}"
    output = {_STDOUT: bytearray(), _STDERR: bytearray()}
    try:
        async with connect(
            url,
            ssl=cluster.tls,
            server_hostname=access.name,
            subprotocols=[_PROTOCOL],
            additional_headers=access.headers(),
            proxy=None,
            open_timeout=None,  # the whole has one
            close_timeout=1,
            max_size=LIMIT,
            logger=_LOG,
        ) as socket:
            async for message in socket:
                data = message if isinstance(message, bytes) else message.encode()
                channel, rest = data[:1], data[1:]
                if channel == bytes([_STATUS]):
                    return Executed(
                        pod,
                        command,
                        exit_status(path, rest),
                        output[_STDOUT].decode(errors="replace"),
                        output[_STDERR].decode(errors="replace"),
                    )
                if channel in (b"\x01", b"\x02"):
                    output[channel[0]] += rest
                if sum(map(len, output.values())) > LIMIT:
                    raise LabError(
                        f"{' '.join(command)} in pod {pod} says too much",
                        expected=f"at most {LIMIT} bytes",
                    )
    except InvalidStatus as refused:
        body = refused.response.body or b""
        raise Refused(f"exec at {path}", refused.response.status_code, bytes(body)) from None
    except ConnectionClosed as closed:
        raise unreachable(access.server, closed) from closed
    except (OSError, WebSocketException) as error:
        if isinstance(error, TimeoutError):
            raise
        raise unreachable(access.server, error) from error
    raise LabError(
        f"exec at {path} ended without a status",
        found="the connection was closed",
        expected="a Status on channel 3",
    )


def exit_status(path: str, body: bytes) -> int:
    """The exit status in the Status that ends an exec; raises `Refused` for any other failure."""
    try:
        status = json.loads(body)
        if status["status"] == "Success":
            return 0
        if status.get("reason") == "NonZeroExitCode":
            for cause in status["details"]["causes"]:
                if cause["reason"] == "ExitCode":
                    return int(cause["message"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise LabError(
            f"exec at {path} ended with what is no Status",
            evidence=body.decode(errors="replace"),
        ) from None
    code = status.get("code")
    raise Refused(f"exec at {path}", code if isinstance(code, int) else 500, body)
