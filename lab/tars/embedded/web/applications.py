"""Applications and nodes over HTTP, and the tree of what is deployed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from lab.tars.embedded import rows
from lab.tars.embedded.answers import Parameters, Route, system_error
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.store import Row

#: `cascade_select_server`'s levels: application, server, set, node, object.
_APPLICATION, _SERVER, _SET, _NODE, _OBJECT = map(str, range(1, 6))


def routes(parts: Parts) -> Iterable[Route]:
    api = _Applications(parts)
    return (
        Route("GET", "tree", api.tree),
        Route("GET", "application_list", api.names),
        Route("POST", "add_application", api.add, ("f_name",)),
        Route("GET", "query_application", api.query),
        Route("GET", "delete_application", api.delete, ("f_id",)),
        Route("GET", "node_list", api.nodes),
        Route("GET", "list_tars_node", api.described_nodes),
        Route("GET", "cascade_select_server", api.cascade, ("level",)),
    )


class _Applications:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database

    async def tree(self, _: Parameters) -> list[Row]:
        """Applications that have servers; below them sets, areas and groups, then servers."""
        top: list[Row] = []
        hidden = self._parts.flags.active("tars.tree-empty")
        for server in self._database.servers() if not hidden else ():
            children, parent = top, "root"
            for level, name in rows.tree_path(server):
                own = f"{level}{name}" if parent == "root" else f"{parent}.{level}{name}"
                node = next((one for one in children if one["id"] == own), None)
                if node is None:
                    is_parent = level != "5"
                    node = {"id": own, "name": name, "pid": parent, "is_parent": is_parent}
                    node |= {"open": False, "children": []}
                    node |= {"order": 0} if parent == "root" else {}
                    children.append(node)
                children, parent = node["children"], own
        return top

    async def names(self, _: Parameters) -> list[str]:
        known = self._database.applications()
        return [row["f_name"] for row in sorted(known, key=lambda row: row["f_id"])]

    async def add(self, parameters: Parameters) -> Row:
        name = str(parameters["f_name"])
        try:
            added = rows.application(self._database.add_application(name))
        except sqlite3.IntegrityError:
            raise system_error() from None
        if self._parts.flags.active("tars.application-lost"):
            self._database.delete_application(added["f_id"])
        return added

    async def query(self, parameters: Parameters) -> list[Row]:
        found = self._database.applications(parameters.get("f_name", ""))
        return [rows.application(row) for row in found]

    async def delete(self, parameters: Parameters) -> list[str]:
        f_id = str(parameters["f_id"])
        if not self._parts.flags.active("tars.application-kept"):
            self._database.delete_application(f_id)
        return [f_id]

    async def nodes(self, _: Parameters) -> list[str]:
        return self._database.nodes()

    async def described_nodes(self, parameters: Parameters) -> Row:
        """Nodes with their versions, absent ones too; ``node_name``: a part of the name."""
        part = str(parameters.get("node_name", ""))
        found = [
            rows.node(row) for row in self._database.described_nodes() if part in row["node_name"]
        ]
        return rows.page(found, parameters.get("curr_page"), parameters.get("page_size"))

    async def cascade(self, parameters: Parameters) -> list[str]:
        """What can be chosen at a level, after the choices before it."""
        level = str(parameters["level"])
        known = self._database.servers(
            parameters.get("application") if level != _APPLICATION else None,
            parameters.get("server_name") if level > _SERVER else None,
        )
        if level > _SET:
            known = [row for row in known if rows.set_division(row) == parameters.get("set", "")]
        names = {
            _APPLICATION: [row["application"] for row in known],
            _SERVER: [row["server_name"] for row in known],
            _SET: [rows.set_division(row) for row in known],
            _NODE: [row["node_name"] for row in known],
            _OBJECT: [
                adapter["servant"]
                for row in known
                for adapter in self._database.adapters(*rows.key(row))
            ],
        }
        return list(dict.fromkeys(names[level]))
