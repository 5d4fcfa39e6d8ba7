"""Scaling out: a server of one node onto others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from lab.tars.web.answers import Preview, Server, read_rows, set_parts
from lab.tars.web.servers import Servers


class Scaling:
    """The calls about scaling out."""

    def __init__(self, web: Servers) -> None:
        self._web = web

    def preview(self, source: Server, nodes: Sequence[str], *, division: str = "") -> list[Preview]:
        """What there would be: a row for each object on each node, with port 0."""
        body = {
            "application": source.application,
            "server_name": source.server_name,
            "node_name": source.node_name,
            "expand_nodes": list(nodes),
            **set_parts(division),
            "copy_node_config": True,
        }
        rows = self._web.post("expand_server_preview", body)
        return read_rows("expand_server_preview", Preview, rows)

    def expand(
        self, source: Server, wanted: Sequence[Preview], *, copy_config: bool = True
    ) -> None:
        """Deploy previewed rows, each with a port; what is there already stays as it is.

        Accepted without a word in any case: look whether the servers are listed.
        """
        self._web.post(
            "expand_server",
            {
                "application": source.application,
                "server_name": source.server_name,
                "node_name": source.node_name,
                "set": "",
                "copy_node_config": copy_config,
                "expand_preview_servers": [asdict(row) for row in wanted],
            },
        )

    def scale_out(self, source: Server, nodes: Sequence[str]) -> list[Server]:
        """Have a server on further nodes, at ports that are free there; deployed, not started.

        Returns what is listed of it on these nodes afterwards.
        """
        taken: dict[str, set[int]] = {}
        wanted = []
        for row in self.preview(source, nodes):
            ports = taken.setdefault(row.node_name, set())
            while (port := self._web.auto_port(row.node_name)) in ports:
                pass
            ports.add(port)
            wanted.append(replace(row, port=port))
        self.expand(source, wanted)
        listed = self._web.servers(source.application, source.server_name)
        return [server for server in listed if server.node_name in nodes]
