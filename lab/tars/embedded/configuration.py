"""The configuration file that a node writes for a server, as tarsnode writes it.

Source: the template tars.cpp.default and a file written by tarsnode 3.0.17. Names of
framework servers that this platform does not have are left empty, as in a service that
runs without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.tars.embedded.interfaces import NODE, AdapterDescriptor, ServerDescriptor
from lab.tars.queryf import QUERY_OBJECT

_ADAPTER = """\
      <{adapter_name}>
        allow
        endpoint={endpoint}
        handlegroup={adapter_name}
        maxconns={max_connections}
        protocol={protocol}
        queuecap={queuecap}
        queuetimeout={queuetimeout}
        servant={servant}
        threads={thread_num}
      </{adapter_name}>
"""

_FILE = """\
<tars>
  <application>
    enableset=n
    setdivision=NULL
    <client>
      locator={query}@tcp -h {registry[0]} -p {registry[1]}
      sync-invoke-timeout=3000
      async-invoke-timeout=5000
      refresh-endpoint-interval=60000
      stat=
      property=
      report-interval=60000
      asyncthread=3
      modulename={application}.{server_name}
    </client>
    <server>
      app={application}
      server={server_name}
      nodename={node_name}
      localip={node_address[0]}
      node={node}@tcp -h {node_address[0]} -p {node_address[1]} -t 60000
      local=tcp -h {node_address[0]} -p {admin_port} -t 3000
      basepath={directory}/bin/
      datapath={directory}/data/
      logpath={directory}/log/
      logsize=10M
      lognum=10
      config=
      notify=
      log=
      logLevel=DEBUG
      deactivating-timeout=3000
      activating-timeout=60000
{adapters}    </server>
  </application>
</tars>
"""


@dataclass(frozen=True)
class Surroundings:
    """Where a node's servers find the registry and the node: (host, port) each."""

    registry: tuple[str, int]
    node: tuple[str, int]


def server_configuration(
    server: ServerDescriptor, directory: Path, around: Surroundings, admin_port: int
) -> str:
    """The file for a server that lies in ``directory``; AdminObj shall be at ``admin_port``."""
    return _FILE.format(
        query=QUERY_OBJECT,
        registry=around.registry,
        node=NODE,
        node_address=around.node,
        application=server.application,
        server_name=server.server_name,
        node_name=server.node_name,
        directory=directory,
        admin_port=admin_port,
        adapters="".join(_adapter(adapter) for adapter in server.adapters.values()),
    )


def _adapter(adapter: AdapterDescriptor) -> str:
    return _ADAPTER.format(
        adapter_name=adapter.adapter_name,
        endpoint=adapter.endpoint,
        max_connections=adapter.max_connections,
        protocol=adapter.protocol,
        queuecap=adapter.queuecap,
        queuetimeout=adapter.queuetimeout,
        servant=adapter.servant,
        thread_num=adapter.thread_num,
    )
