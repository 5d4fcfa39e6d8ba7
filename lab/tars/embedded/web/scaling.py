"""Scaling out over HTTP: a server of one node onto others, after a preview."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lab.tars.embedded import rows
from lab.tars.embedded.answers import Parameters, Route, system_error
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.store import NEVER, Row

#: A preview's ``status`` of a node without the server, and of one that has it.
NOT_YET, THERE = "未扩容", "已存在"


def routes(parts: Parts) -> Iterable[Route]:
    api = _Scaling(parts)
    named = ("application", "server_name", "node_name")
    return (
        Route("POST", "expand_server_preview", api.preview, (*named, "expand_nodes")),
        Route("POST", "expand_server", api.expand),
    )


class _Scaling:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database

    def _source(self, parameters: Parameters) -> tuple[Row, list[Row]]:
        """The server that is copied, and its adapters."""
        try:
            key = rows.key(parameters)
        except KeyError:
            raise system_error() from None
        servers = self._database.servers(*key)
        if not servers:
            raise system_error()
        return servers[0], self._database.adapters(*key)

    async def preview(self, parameters: Parameters) -> list[Row]:
        """A row for each object on each node; whoever expands chooses the ports in them."""
        source, adapters = self._source(parameters)
        asked = rows.asked_set(parameters)
        if self._parts.flags.active("tars.preview-empty"):
            return []
        return [
            {
                "application": source["application"],
                "server_name": source["server_name"],
                "set": rows.set_division(asked),
                "obj_name": adapter["servant"].rpartition(".")[2],
                "node_name": node,
                "bind_ip": node,
                "port": 0,
                "template_name": source["template_name"],
                "status": THERE if node == source["node_name"] else NOT_YET,
                "auth": 0,
            }
            for node in parameters["expand_nodes"]
            for adapter in adapters
        ]

    async def expand(self, parameters: Parameters) -> Row:
        """Whole or not at all; what is on its node already stays as it is."""
        source, adapters = self._source(parameters)
        by_name = {adapter["servant"].rpartition(".")[2]: adapter for adapter in adapters}
        if not self._parts.flags.active("tars.expand-lost"):
            with self._database.transaction():
                for wanted in parameters["expand_preview_servers"]:
                    adapter = by_name.get(wanted["obj_name"])
                    if adapter is not None:
                        self._place(source, adapter, wanted, bool(parameters["copy_node_config"]))
        return {"tars_node_rst": []}

    def _place(self, source: Row, adapter: Row, wanted: Row, copy_config: bool) -> None:
        node = str(wanted["node_name"])
        key = source["application"], source["server_name"], node
        if not self._database.servers(*key) and copy_config:
            server = f"{source['application']}.{source['server_name']}"
            self._parts.configs.copy_to_node(server, source["node_name"], node)
        names = [row["adapter_name"] for row in self._database.adapters(*key)]
        kind = re.match("tcp|udp", adapter["endpoint"])
        # As recorded: the time-out of the endpoint is the source's queue time-out.
        endpoint = (
            f"{kind[0] if kind else 'tcp'} -h {wanted['bind_ip']} -t {adapter['queuetimeout']} "
            f"-p {wanted['port']} -e {wanted.get('auth') or 0}"
        )
        placed = {**adapter, "endpoint": endpoint, "posttime": NEVER}
        for column in ("id", "application", "server_name", "node_name"):
            del placed[column]
        self._database.add_server(
            {
                **source,
                "node_name": node,
                **rows.set_of(str(wanted.get("set") or "")),
                "posttime": NEVER,
            },
            [] if adapter["adapter_name"] in names else [placed],
        )
