"""The first process of the embedded cluster's namespaces: brings it up, and holds all of it.

    python3 -m lab.iec.embedded.inside HOME LOGS ADDRESS SOCKET PID NODE...

HOME: the system's directory. ADDRESS: where clients reach it, through SOCKET, a descriptor. PID:
by which it is known outside, where it has another.
When it ends, by TERM or any other way, the kernel ends all processes of its namespace, and with
them go networks, mounts and what lay in memory.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

from lab.iec.embedded import calico, control_plane, kubelet, machine, mounts
from lab.iec.embedded.api import TROUBLE, Api
from lab.iec.embedded.control_plane import API_URL
from lab.iec.embedded.deeds import Cluster, watch
from lab.iec.embedded.machine import Machine
from lab.iec.embedded.node import Node
from lab.iec.embedded.pki import Authority
from lab.iec.embedded.plan import API_PORT, RUN, Plan, plan
from lab.iec.embedded.program import ProgramFailed
from lab.iec.embedded.relay import relay
from lab.iec.rootless import PATH

_log = logging.getLogger("embedded cluster")


def main(argv: list[str]) -> None:
    home, logs = Path(argv[0]).absolute(), Path(argv[1]).absolute()
    address, descriptor, pid, names = argv[2], int(argv[3]), argv[4], argv[5:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    os.environ |= {"PATH": PATH, "HOME": str(RUN)}
    laid_out = plan(home, logs, address, names)
    for name in ("etcd", "faults-done"):
        shutil.rmtree(home / name, ignore_errors=True)
    mounts.prepare(laid_out)
    machines = machine.make(laid_out)
    with socket.socket(fileno=descriptor) as listening:
        listening.setblocking(False)
        try:
            asyncio.run(_hold(laid_out, machines, listening, pid))
        except (*TROUBLE, ProgramFailed) as error:
            sys.exit(f"the embedded cluster did not come up: {error or type(error).__name__}")


async def _hold(
    laid_out: Plan, machines: list[Machine], listening: socket.socket, pid: str
) -> None:
    # The first process of a namespace hears only signals that it handles.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    began = time.monotonic()

    def say(what: str) -> None:
        _log.info("%s after %.1f s", what, time.monotonic() - began)

    authority = Authority(laid_out.pki)
    programs = control_plane.control_plane(laid_out, authority, RUN / "etc")
    for name in ("etcd", "kube-apiserver"):
        programs[name].start()
    _offer_plugins(laid_out)
    owner = authority.client("calico", "calico", "system:masters")
    authority.kubeconfig("calico", owner, f"https://{laid_out.gateway}:{API_PORT}")
    api = Api(API_URL, authority.pair, owner)
    door = await relay(listening)
    await api.ready()
    say("API ready")
    for name in ("kube-controller-manager", "kube-scheduler"):
        programs[name].start()
    version = str((await api.get("/version"))["gitVersion"])
    nodes, _ = await asyncio.gather(
        asyncio.gather(*(_node(laid_out, m, authority, version) for m in machines)),
        _install_calico(laid_out, api),
    )
    started = await asyncio.gather(*(calico.start(laid_out, m) for m in machines))
    programs |= {felix.name: felix for felix in started}
    say("Calico started")
    for node in nodes:
        node.live()
    _hand_over(laid_out, authority)
    laid_out.up.write_text(pid)
    say("nodes live")
    cluster = Cluster(api, authority, programs, nodes, machines, RUN / "etc")
    async with door:
        await watch(cluster, Path.cwd(), laid_out.home / "faults-done")


async def _node(laid_out: Plan, of: Machine, authority: Authority, version: str) -> Node:
    """A node that is registered, and answers the API server; it is not ready yet."""
    user = authority.client(f"node-{of.name}", f"system:node:{of.name}", "system:nodes")
    api = Api(API_URL, authority.pair, user)
    node = Node(api, of, calico.Network(laid_out, of), version)
    await node.register(ready=False)
    await kubelet.serve(node, of, authority)
    return node


def _offer_plugins(laid_out: Plan) -> None:
    """One program is both plugins of Calico's, by the name under which it is called."""
    laid_out.cni.mkdir()
    for name in ("calico", "calico-ipam"):
        (laid_out.cni / name).symlink_to(laid_out.binary("calico-cni"))


async def _install_calico(laid_out: Plan, api: Api) -> None:
    collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await asyncio.gather(*(api.create(collection, one) for one in calico.definitions()))
    await calico.served(api)
    await calico.configure(api, await calico.version(laid_out))


def _hand_over(laid_out: Plan, authority: Authority) -> None:
    admin = authority.client("admin-outside", "kubernetes-admin", "system:masters")
    server = f"https://{laid_out.outside}:{API_PORT}"
    text = authority.kubeconfig_text("kubernetes-admin", admin, server)
    unfinished = laid_out.kubeconfig.with_suffix(".new")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(text)
    unfinished.rename(laid_out.kubeconfig)


if __name__ == "__main__":
    main(sys.argv[1:])
