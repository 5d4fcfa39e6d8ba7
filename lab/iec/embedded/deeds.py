"""How the embedded cluster acts out its faults: name → what is done to it, and undone.

A deed is done when the flag of its fault appears, and undone when that goes. `watch` says so by
a file of the fault's name beside the system's own files, so that whoever set the flag can wait for
the deed. A fault that the node agent looks at in the act itself needs none (`lab.iec.faults`
lists all). To add one: an entry in `DEEDS`, its words in `lab.iec.faults`, its blast radius in the
blueprint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lab.faultflags import DIRECTORY
from lab.iec.embedded import control_deeds, network_deeds
from lab.iec.embedded.api import TROUBLE, Api
from lab.iec.embedded.machine import Machine
from lab.iec.embedded.node import Node
from lab.iec.embedded.pki import Authority
from lab.iec.embedded.program import Program, ProgramFailed
from lab.iec.filters import ADDRESSES_KEPT, FILTERS, OPEN_AT_RESTARTS
from lab.iec.rewriting import REWRITINGS

_LOOKED_EVERY_S = 0.1
_PREFIX = "k8s."

_log = logging.getLogger("faults")


@dataclass
class Cluster:
    """What a deed has in its hands. ``api``: as administrator.

    ``programs``: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, felix-NODE.
    """

    api: Api
    authority: Authority
    programs: dict[str, Program]
    nodes: list[Node]
    machines: list[Machine]
    files: Path
    #: What deeds keep for their undoing, by fault.
    kept: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Deed:
    do: Callable[[Cluster], Awaitable[None]]
    undo: Callable[[Cluster], Awaitable[None]]


def _lasting(fault: str, act: Callable[[Cluster], Coroutine[None, None, None]]) -> Deed:
    """What is done again and again, until the fault's flag goes."""

    async def begin(cluster: Cluster) -> None:
        cluster.kept[fault] = asyncio.create_task(act(cluster))

    async def end(cluster: Cluster) -> None:
        task = cluster.kept.pop(fault)
        assert isinstance(task, asyncio.Task)
        task.cancel()

    return Deed(begin, end)


async def _stop_api(cluster: Cluster) -> None:
    await cluster.programs["kube-apiserver"].stop()


async def _start_api(cluster: Cluster) -> None:
    cluster.programs["kube-apiserver"].start()
    await _recovered(cluster)


async def _recovered(cluster: Cluster) -> None:
    """Those who were refused while the API server started ask again in half a minute only."""
    await cluster.api.ready()
    clients = ("kube-controller-manager", "kube-scheduler")
    await asyncio.gather(*(cluster.programs[name].restart() for name in clients))


async def _restart_api(cluster: Cluster) -> None:
    await cluster.programs["kube-apiserver"].restart()
    await _recovered(cluster)


async def _node_away(cluster: Cluster) -> None:
    """The last node's agent falls silent, and the node is told to be as it then would be."""
    node = cluster.nodes[-1]
    node.sleep()
    await node.register(ready=False)


async def _node_back(cluster: Cluster) -> None:
    node = cluster.nodes[-1]
    await node.register(ready=True)
    node.live()


DEEDS: dict[str, Deed] = {
    "k8s.api-down": Deed(_stop_api, _start_api),
    "k8s.node-away": Deed(_node_away, _node_back),
    "k8s.restart-breaks": _lasting("k8s.restart-breaks", control_deeds.break_at_restarts),
    "k8s.certificate-short": Deed(
        partial(control_deeds.shorten_certificate, _restart_api),
        partial(control_deeds.lengthen_certificate, _restart_api),
    ),
    **{
        fault: Deed(partial(control_deeds.stop, fault), partial(control_deeds.start, fault))
        for fault in control_deeds.STOPPED
    },
    **{
        fault: Deed(
            partial(control_deeds.tell_version, fault),
            partial(control_deeds.tell_own_version, fault),
        )
        for fault in control_deeds.VERSIONS
    },
    **{
        fault: Deed(partial(control_deeds.grant, fault), partial(control_deeds.withdraw, fault))
        for fault in control_deeds.GRANTS
    },
    **{
        fault: Deed(
            partial(control_deeds.change, fault, _restart_api),
            partial(control_deeds.change_back, fault, _restart_api),
        )
        for fault in control_deeds.SETTINGS
    },
    **{
        fault: Deed(
            partial(network_deeds.rewrite, fault), partial(network_deeds.rewrite_no_more, fault)
        )
        for fault in REWRITINGS
    },
    **{
        fault: Deed(partial(network_deeds.lose, fault), partial(network_deeds.keep, fault))
        for fault in FILTERS
    },
    OPEN_AT_RESTARTS: _lasting(OPEN_AT_RESTARTS, network_deeds.open_at_restarts),
    ADDRESSES_KEPT: Deed(network_deeds.keep_addresses, network_deeds.give_back_addresses),
}


async def watch(cluster: Cluster, home: Path, done: Path) -> None:
    """Do and undo what flags under ``home`` say; ``done``: where it is told that it is done."""
    done.mkdir(exist_ok=True)
    flags = home / DIRECTORY
    acted: set[str] = set()
    while True:
        with suppress(FileNotFoundError):
            there = {path.name for path in flags.iterdir() if path.name.startswith(_PREFIX)}
            for name in sorted(there ^ acted):
                await _act(cluster, name, undo=name in acted)
                acted ^= {name}
                if name in acted:
                    (done / name).touch()
                else:
                    (done / name).unlink()
        await asyncio.sleep(_LOOKED_EVERY_S)


async def _act(cluster: Cluster, name: str, *, undo: bool) -> None:
    deed = DEEDS.get(name)
    if deed is None:
        return
    try:
        await (deed.undo(cluster) if undo else deed.do(cluster))
    except (*TROUBLE, ProgramFailed) as error:
        _log.warning("%s could not be %s: %r", name, "undone" if undo else "done", error)
