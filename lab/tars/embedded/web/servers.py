"""Servers and their adapters over HTTP: deployment, lists, states, flow."""

from __future__ import annotations

import errno
import random
import re
import socket
from collections.abc import Iterable
from typing import Any

from lab.tars.embedded import rows
from lab.tars.embedded.answers import Parameters, Refused, Route, system_error
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.store import Row

_SERVER_TYPES = ("tars_cpp", "tars_java", "tars_php", "tars_nodejs", "tars_go", "not_tars")
#: Where `auto_port` looks for free ports, as recorded.
_PORTS = range(10000, 30000)
_TRIES = 1000
_KEY = ("application", "server_name", "node_name")
#: A tree id's levels.
_LEVELS = {
    "1": "application",
    "2": "set_name",
    "3": "set_area",
    "4": "set_group",
    "5": "server_name",
}
#: What a search shows of a server.
_SEARCHED = (
    *_KEY, "enable_set", "set_name", "set_area", "set_group", "setting_state", "present_state",
    "process_id", "patch_version", "patch_time",
)  # fmt: skip
_PORT = re.compile(r" -p (\d+)")


def routes(parts: Parts) -> Iterable[Route]:
    api = _Servers(parts)
    adapters = _Adapters(parts)
    return (
        Route("GET", "server_list", api.listed, ("tree_node_id",)),
        Route("GET", "server", api.server, ("id",)),
        Route("GET", "server_search", api.search, ("searchkey",)),
        Route("GET", "server_nodes", api.nodes, ("application", "server_name")),
        Route("GET", "inactive_server_list", api.inactive),
        Route("POST", "server_exist", api.exist),
        Route("POST", "deploy_server", api.deploy),
        Route("POST", "update_server", api.change, ("id",)),
        Route("GET", "get_realtime_state", api.realtime_state, ("id",)),
        Route("POST", "server_state", api.states),
        Route("POST", "update_flowstatus", api.flow, ("server_id", "node_list")),
        Route("GET", "auto_port", adapters.auto_port),
        Route("GET", "adapter_conf_list", adapters.listed, ("id",)),
        Route("GET", "adapter_conf", adapters.adapter, ("id",)),
        Route("GET", "all_adapter_conf_list", adapters.servants, ("application", "server_name")),
        Route("POST", "add_adapter_conf", adapters.add, (*_KEY, "servant")),
        Route("POST", "update_adapter_conf", adapters.change, ("id", "servant")),
        Route("GET", "delete_adapter_conf", adapters.delete, ("id",)),
    )


class _Servers:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database

    def _known(self, server_id: object) -> Row:
        server = self._database.server(str(server_id))
        if server is None:
            raise system_error()
        return server

    async def listed(self, parameters: Parameters) -> Any:
        """``tree_node_id``: ``1App``, then of a set ``.2name.3area.4group``, then ``.5Server``.

        ``1App.5Server`` means the server where it is in no set, ``1App`` all there is.
        """
        wanted = {
            _LEVELS[part[:1]]: part[1:]
            for part in str(parameters["tree_node_id"]).split(".")
            if part[:1] in _LEVELS
        }
        in_set = any(name in wanted for name in ("set_name", "set_area", "set_group"))
        found = [
            row
            for row in self._database.servers(wanted.get("application"), wanted.get("server_name"))
            if all(row[name] == value for name, value in wanted.items())
            and (in_set or "server_name" not in wanted or not row["enable_set"])
        ]
        servers = [rows.server(row) for row in found]
        if self._parts.flags.active("tars.optional-misplaced"):
            servers = [{**server, "node_name": self._elsewhere(server)} for server in servers]
        if parameters.get("is_page") == "true":
            return rows.page(servers, parameters.get("cur_page"), parameters.get("page_size"))
        return servers

    def _elsewhere(self, server: Row) -> str:
        """Another node than the one that a server of the framework is on."""
        name: str = server["node_name"]
        others = [node for node in self._database.nodes() if node != name]
        return others[0] if others and server["application"] == "tars" else name

    async def server(self, parameters: Parameters) -> Row:
        return rows.server(self._known(parameters["id"]))

    async def search(self, parameters: Parameters) -> Row:
        """Servers whose name or node has the word in it; ``id`` is their place in the tree."""
        word = str(parameters["searchkey"]).strip().lower()
        application, dot, server_name = word.partition(".")
        found = [
            {**{name: row[name] for name in _SEARCHED}, "id": rows.tree_id(row)}
            for row in map(rows.server, self._database.servers())
            if word in row["node_name"].lower()
            or (
                row["application"].lower() == application
                and server_name in row["server_name"].lower()
                if dot
                else word in row["application"].lower() or word in row["server_name"].lower()
            )
        ]
        if self._parts.flags.active("tars.search-empty"):
            found = []
        return {"count": len(found), "rows": found}

    async def nodes(self, parameters: Parameters) -> list[Row]:
        servers = self._database.servers(parameters["application"], parameters["server_name"])
        return [rows.server(server) for server in servers]

    async def inactive(self, parameters: Parameters) -> list[Row]:
        """Servers that shall not be active."""
        if self._parts.flags.active("tars.inactive-unlisted"):
            return []
        return [
            rows.server(row)
            for row in self._database.servers(
                parameters.get("application") or None,
                parameters.get("server_name") or None,
                parameters.get("node_name") or None,
            )
            if row["setting_state"] == "inactive"
        ]

    async def exist(self, parameters: Parameters) -> bool:
        there = any(
            self._database.servers(parameters["application"], parameters["server_name"], node)
            for node in parameters["node_names"]
        )
        return there and not self._parts.flags.active("tars.exist-denied")

    async def deploy(self, parameters: Parameters) -> Row:
        """Deploys nearly anything, and the same again; shows what it finds under that name."""
        key = rows.key(parameters)
        adapters = [rows.adapter(key, asked) for asked in parameters["adapters"]]
        server_type = parameters["server_type"]
        server = {
            **dict(zip(_KEY, key, strict=True)),
            "server_type": server_type if server_type in _SERVER_TYPES else "",
            "template_name": parameters.get("template_name", ""),
            **rows.asked_set(parameters),
        }
        lost = self._parts.flags.active("tars.deploy-lost") and not self._database.servers(*key)
        if adapters:
            self._database.add_server(server, adapters)
        deployed = [rows.deployed(row) for row in self._database.servers(*key)]
        if lost:
            self._database.delete_server(key)
        return {"server_conf": deployed, "tars_node_rst": []}

    async def change(self, parameters: Parameters) -> Row:
        """What is not said of group and set counts as true, a trap of the real one's.

        Source: ServerController.js of TarsWeb, and a server recorded after such a change.
        """
        server = self._known(parameters["id"])
        asked = {**server, **{name: parameters[name] for name in server if name in parameters}}
        asked |= {name: parameters.get(name, True) for name in ("enable_set", "enable_group")}
        asked["bak_flag"] = bool(parameters.get("isBak"))
        if asked["enable_set"] and not str(asked["set_group"]).isdigit():
            raise Refused("#serverList.dlg.errMsg.setGroup#")
        self._database.change_server(server["id"], {**asked, **rows.asked_set(asked)})
        return rows.server(self._known(server["id"]))

    async def realtime_state(self, parameters: Parameters) -> Row:
        state = self._known(parameters["id"])["present_state"]
        wrong = self._parts.flags.active("tars.state-wrong")
        return {"realtime_state": "active" if wrong else state}

    async def states(self, parameters: Parameters) -> list[Row]:
        if "queryState" not in parameters:
            raise system_error()
        return [await self._state(query) for query in parameters["queryState"]]

    async def _state(self, query: Row) -> Row:
        key = rows.key(query)
        named = dict(zip(_KEY, key, strict=True))
        answered = await self._parts.tasks.state(key)
        if answered is None:
            return {**named, "is_node_ok": False, "query_ret_code": -1}
        ret, state = answered
        [row] = self._database.servers(*key) or [{}]
        return {
            **named,
            "is_node_ok": True,
            "setting_state_in_reg": row.get("setting_state", "").capitalize(),
            "present_state_in_node": state.shown,
            "present_state_in_reg": row.get("present_state", "").capitalize(),
            "query_ret_code": ret,
        }

    async def flow(self, parameters: Parameters) -> Row:
        """``status`` true: look-ups count the server on the nodes of ``node_list`` again."""
        server = self._known(parameters["server_id"])
        if not self._parts.flags.active("tars.flow-ignored"):
            state = "active" if parameters.get("status") else "inactive"
            for node in parameters["node_list"]:
                self._database.set_flow(server["application"], server["server_name"], node, state)
        return {"__return": 0}


class _Adapters:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database

    async def auto_port(self, parameters: Parameters) -> list[Row]:
        """A free port on each of the nodes in ``node_name``, which ``;`` separates."""
        nodes = [name for name in str(parameters.get("node_name", "")).split(";") if name]
        return [{"node_name": node, "port": self._free_port(node)} for node in nodes]

    def _free_port(self, node: str) -> int:
        taken = " ".join(self._database.ports(node))
        if self._parts.flags.active("tars.port-taken") and (found := _PORT.search(taken)):
            return int(found[1])
        for port in random.sample(_PORTS, _TRIES):
            if f"-p {port} " not in taken and _bindable(node, port):
                return port
        raise system_error()

    async def listed(self, parameters: Parameters) -> list[Row]:
        server = self._database.server(str(parameters["id"]))
        if server is None:
            return []
        return self._database.adapters(*rows.key(server))

    async def servants(self, parameters: Parameters) -> list[Row]:
        """The objects of a server, on whatever nodes."""
        servers = self._database.servers(parameters["application"], parameters["server_name"])
        names = {
            adapter["servant"]: None
            for server in servers
            for adapter in self._database.adapters(*rows.key(server))
        }
        return [{"servant": name} for name in names]

    def _known(self, adapter_id: object) -> Row:
        adapter = self._database.adapter(str(adapter_id))
        if adapter is None:
            raise system_error()
        return adapter

    async def adapter(self, parameters: Parameters) -> Row:
        return self._known(parameters["id"])

    async def add(self, parameters: Parameters) -> Row:
        """An adapter for a server, deployed or not; one that is there is shown."""
        added = self._database.add_adapter(rows.named_adapter(parameters))
        if self._parts.flags.active("tars.adapter-lost"):
            self._database.delete_adapter(str(added["id"]))
        return added

    async def change(self, parameters: Parameters) -> Row:
        adapter = self._known(parameters["id"])
        if not self._parts.flags.active("tars.adapter-lost"):
            self._database.change_adapter(adapter["id"], parameters)
        return self._known(adapter["id"])

    async def delete(self, parameters: Parameters) -> str:
        adapter = self._known(parameters["id"])
        if not self._parts.flags.active("tars.adapter-kept"):
            self._database.delete_adapter(adapter["id"])
        return str(adapter["id"])


def _bindable(address: str, port: int) -> bool:
    """Whether a port is free on a node, as far as that can be told from here."""
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True
