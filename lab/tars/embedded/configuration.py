"""The configuration file that a node writes for a server, as tarsnode writes it.

The server's profile with what only the node knows in place of its macros, and the adapters.
Source: profiles recorded from tarsAdminRegistry, and a file written by tarsnode 3.0.17.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.tars.embedded.interfaces import NODE, AdapterDescriptor, ServerDescriptor
from lab.tars.profile import Domain, fill, join, parse, render
from lab.tars.queryf import QUERY_OBJECT


@dataclass(frozen=True)
class Surroundings:
    """Where a node's servers find the registry and the node: (host, port) each."""

    registry: tuple[str, int]
    node: tuple[str, int]


def server_configuration(
    server: ServerDescriptor, directory: Path, around: Surroundings, admin_port: int
) -> str:
    """The file for a server that lies in ``directory``; AdminObj shall be at ``admin_port``.

    Raises `BrokenProfile`.
    """
    host, port = around.node
    macros = {
        "locator": f"{QUERY_OBJECT}@tcp -h {around.registry[0]} -p {around.registry[1]}",
        "asyncthread": server.async_thread_num,
        "modulename": f"{server.application}.{server.server_name}",
        "app": server.application,
        "server": server.server_name,
        "nodename": server.node_name,
        "localip": host,
        "local": f"tcp -h {host} -p {admin_port} -t 3000",
        "basepath": f"{directory}/bin/",
        "datapath": f"{directory}/data/",
        "logpath": f"{directory}/log/",
    }
    adapters: Domain = {name: _adapter(one) for name, one in server.adapters.items()}
    own: Domain = {"node": f"{NODE}@tcp -h {host} -p {port} -t 60000", **adapters}
    within: Domain = {"tars": {"application": {"server": own}}}
    return render(join(parse(fill(server.profile, macros)), within))


def _adapter(adapter: AdapterDescriptor) -> Domain:
    return {
        "allow": None,
        "endpoint": adapter.endpoint,
        "handlegroup": adapter.adapter_name,
        "maxconns": str(adapter.max_connections),
        "protocol": adapter.protocol,
        "queuecap": str(adapter.queuecap),
        "queuetimeout": str(adapter.queuetimeout),
        "servant": adapter.servant,
        "threads": adapter.thread_num,
    }
