"""What faults do to the embedded cluster's network: packets lost, addresses never given back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lab.iec import filters
from lab.iec.embedded import webhooks
from lab.iec.embedded.plan import PODS, RUN
from lab.iec.embedded.program import run

if TYPE_CHECKING:
    from lab.iec.embedded.deeds import Cluster
    from lab.iec.embedded.machine import Machine

_LOOKED_EVERY_S = 0.05
#: How often a node is opened after its Felix was started anew: some two seconds long.
_TIMES_OPENED = 40
#: Calico's CNI plugin, as the node agent calls it.
_PLUGIN = RUN / "cni" / "calico"
#: Where that is while another is called in its place; its name tells it what it is.
_REAL = RUN / "cni-real" / "calico"


async def rewrite(fault: str, cluster: Cluster) -> None:
    """The API server keeps something else than what it is sent."""
    cluster.kept[fault] = await webhooks.begin(cluster.api, fault, cluster.files)


async def rewrite_no_more(fault: str, cluster: Cluster) -> None:
    running = cluster.kept.pop(fault)
    assert isinstance(running, webhooks.Running)
    await webhooks.end(cluster.api, running)


async def lose(fault: str, cluster: Cluster) -> None:
    """Every node drops some packets."""
    await _filter(cluster, filters.lose(fault, str(PODS)))


async def keep(fault: str, cluster: Cluster) -> None:
    await _filter(cluster, filters.keep(fault))


async def _filter(cluster: Cluster, script: str) -> None:
    for machine in cluster.machines:
        await run(machine.within(["nft", "-f", "-"]), stdin=script.encode())


async def keep_addresses(_: Cluster) -> None:
    """The CNI plugin says that it has taken back an address, and has not."""
    _REAL.parent.mkdir()
    _REAL.symlink_to(_PLUGIN.readlink())
    _replace_by(filters.never_deleting(str(_REAL)))


async def give_back_addresses(_: Cluster) -> None:
    _REAL.replace(_PLUGIN)
    _REAL.parent.rmdir()


def _replace_by(script: str) -> None:
    """Have a script for the plugin, at once: pods come and go meanwhile."""
    other = _PLUGIN.with_suffix(".other")
    other.write_text(script)
    other.chmod(0o755)
    other.replace(_PLUGIN)


async def open_at_restarts(cluster: Cluster) -> None:
    """Whenever a Felix has been started anew, its node lets everything through meanwhile."""
    await asyncio.gather(*(_open_at_restarts_of(cluster, one) for one in cluster.machines))


async def _open_at_restarts_of(cluster: Cluster, machine: Machine) -> None:
    async for _ in cluster.programs[f"felix-{machine.name}"].new_starts():
        # Felix puts its rules back as soon as it can.
        for _ in range(_TIMES_OPENED):
            await run(machine.within(filters.LET_ALL_THROUGH))
            await asyncio.sleep(_LOOKED_EVERY_S)
