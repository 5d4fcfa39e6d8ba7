"""What the API server asks a node for, as a kubelet answers it: commands in pods, and their logs.

Commands travel over websockets: ``v4.channel.k8s.io``, each message led by a byte that says the
channel (0 stdin, 1 stdout, 2 stderr, 3 the end's status, 4 resize), and ``v5``, where 255 closes
a channel: https://pkg.go.dev/k8s.io/apimachinery/pkg/util/remotecommand
"""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from lab.faultflags import FaultFlags
from lab.iec.embedded.machine import Machine
from lab.iec.embedded.node import Node
from lab.iec.embedded.pki import Authority
from lab.iec.embedded.plan import KUBELET_PORT
from lab.iec.embedded.pod import Pod

_V4, _V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _STATUS, _CLOSE = 0, 1, 2, 3, 255
_PIECE = 32 * 1024
_FOLLOWED_EVERY_S = 0.2


async def serve(node: Node, machine: Machine, authority: Authority) -> web.AppRunner:
    """Answer on the node's address from now on, to the API server alone."""
    app = web.Application()
    kubelet = _Kubelet(node)
    place = "{namespace}/{pod}/{container}"
    app.router.add_route("*", f"/exec/{place}", kubelet.execute)
    app.router.add_get(f"/containerLogs/{place}", kubelet.logs)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    listening = machine.sockets.new()
    listening.bind((str(machine.address), KUBELET_PORT))
    names = [machine.name, str(machine.address)]
    pair = authority.server(f"kubelet-{machine.name}", f"system:node:{machine.name}", names)
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(authority.pair.certificate)
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pair.certificate, pair.key)
    await web.SockSite(runner, listening, ssl_context=context).start()
    return runner


class _Kubelet:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._faults = FaultFlags(Path.cwd())

    def _pod(self, request: web.Request) -> Pod:
        if (peer := request.transport) is None or not _is_api_server(
            peer.get_extra_info("peercert")
        ):
            raise web.HTTPForbidden(text="only the API server may ask")
        names = request.match_info
        pod = self._node.pod(names["namespace"], names["pod"])
        if pod is None:
            raise web.HTTPNotFound(text=f"pod {names['namespace']}/{names['pod']} is not here")
        return pod

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """A container's output; of the parameters, ``follow`` and ``tailLines`` count."""
        pod = self._pod(request)
        name = request.match_info["container"]
        log = pod.log(name)
        if not log.exists():
            raise web.HTTPNotFound(text=f"container {name} has not started")
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        with log.open("rb") as output:
            text = b"" if self._faults.active("k8s.logs-empty") else output.read()
            if (lines := request.query.get("tailLines")) is not None:
                text = (
                    b"".join(text.splitlines(keepends=True)[-int(lines) :]) if int(lines) else b""
                )
            await answer.write(text)
            while request.query.get("follow") == "true":
                container = pod.container(name)
                over = container is None or not container.running
                if piece := output.read(_PIECE):
                    await answer.write(piece)
                elif over:
                    break
                else:
                    await asyncio.sleep(_FOLLOWED_EVERY_S)
        return answer

    async def execute(self, request: web.Request) -> web.StreamResponse:
        pod = self._pod(request)
        name = request.match_info["container"]
        container = pod.container(name)
        argv = container.within(request.query.getall("command", [])) if container else None
        if container is None or argv is None:
            raise web.HTTPInternalServerError(text=f"container {name} does not run")
        channel = web.WebSocketResponse(protocols=(_V5, _V4))
        await channel.prepare(request)
        child = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(container.given),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            await _join(channel, child, wants_input=request.query.get("input") in ("1", "true"))
        finally:
            with suppress(ProcessLookupError):
                child.kill()
        return channel


async def _join(
    channel: web.WebSocketResponse, child: asyncio.subprocess.Process, *, wants_input: bool
) -> None:
    """Carry a command's input and output, and then its end."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    feeding = asyncio.create_task(_feed(channel, child.stdin))
    if not wants_input:
        child.stdin.close()
    sending = asyncio.gather(
        _send(channel, _STDOUT, child.stdout), _send(channel, _STDERR, child.stderr)
    )
    ended = asyncio.gather(sending, child.wait())
    try:
        tasks: set[asyncio.Future[Any]] = {feeding, ended}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await ended
            status = json.dumps(_status(child.returncode or 0)).encode()
            await channel.send_bytes(bytes([_STATUS]) + status)
    finally:
        feeding.cancel()
        ended.cancel()
        await channel.close()


async def _feed(channel: web.WebSocketResponse, stdin: asyncio.StreamWriter) -> None:
    """Give a command what the client sends, until that has gone."""
    async for message in channel:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        number, data = message.data[0], message.data[1:]
        if number == _STDIN and not stdin.is_closing():
            with suppress(ConnectionError):
                stdin.write(data)
                await stdin.drain()
        elif number == _CLOSE and data[:1] == bytes([_STDIN]):
            stdin.close()


async def _send(channel: web.WebSocketResponse, number: int, output: asyncio.StreamReader) -> None:
    while piece := await output.read(_PIECE):
        await channel.send_bytes(bytes([number]) + piece)


def _status(status: int) -> dict[str, Any]:
    """How a command ended, as ``metav1.Status``."""
    if status == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {status}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(status)}]},
    }


def _is_api_server(certificate: dict[str, Any] | None) -> bool:
    subject = dict(pair for (pair,) in (certificate or {}).get("subject", ()))
    return subject.get("commonName") == "kube-apiserver-kubelet-client"
