"""Applications, servers and their adapters: what is deployed where, and in what state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lab.tars.web.answers import (
    Adapter,
    AdapterConf,
    Application,
    CommandAnswer,
    Server,
    ServerSpec,
    StateReport,
    WebRefused,
    read,
    read_rows,
    rows_of,
    set_parts,
)
from lab.tars.web.calls import Calls

#: What update_server takes.
_CHANGEABLE = (
    "template_name", "server_type", "enable_set", "set_name", "set_area", "set_group",
    "async_thread_num", "base_path", "exe_path", "start_script_path", "stop_script_path",
    "monitor_script_path", "profile", "enable_group", "ip_group_name",
)  # fmt: skip


class Servers(Calls):
    """The calls about what is deployed."""

    # Applications

    def add_application(self, name: str) -> Application:
        """Add an application; one of that name that is there is refused ("system error")."""
        answer = self.post("add_application", {"f_name": name})
        return read("add_application", Application, answer)

    def applications(self) -> list[Application]:
        """Every application, with servers or without."""
        rows = self.get("query_application")
        return read_rows("query_application", Application, rows)

    def delete_application(self, f_id: int) -> None:
        """Forget an application; servers of it run on."""
        self.get("delete_application", f_id=f_id)

    def tree(self) -> dict[str, list[str]]:
        """Applications with servers, each with its servers' names, in sets or not."""
        return {tree["name"]: _leaves(tree) for tree in self.get("tree")}

    def nodes(self) -> list[str]:
        """Names of the nodes that can be deployed to."""
        names: list[str] = self.get("node_list")
        return names

    def node_versions(self) -> dict[str, str]:
        """Nodes that are there → the version of TarsFramework that each says it is."""
        found = self.get("list_tars_node", node_name="")["rows"]
        return {
            node["node_name"]: node["tars_version"]
            for node in found
            if node["present_state"] == "active"
        }

    # Servers

    def deploy(self, spec: ServerSpec) -> Server:
        """Deploy a server, and return it as it is listed; twice does no harm.

        Raises `WebRefused` when it is not listed afterwards: TarsWeb accepts nearly
        anything, and shows in no other way what it did not take.
        """
        place = {"node_name": spec.node_name, "allow_ip": "", "handlegroup": ""}
        self.post(
            "deploy_server",
            {
                "application": spec.application,
                "server_name": spec.server_name,
                "node_name": spec.node_name,
                "server_type": spec.server_type,
                "template_name": spec.template_name,
                **set_parts(spec.set_division),
                "operator": "",
                "developer": "",
                "adapters": [{**asdict(adapter), **place} for adapter in spec.adapters],
            },
        )
        for server in self.servers(spec.application, spec.server_name):
            if server.node_name == spec.node_name:
                return server
        raise WebRefused(
            "deploy_server",
            200,
            200,
            f"{spec.application}.{spec.server_name} is not listed on {spec.node_name}",
        )

    def servers(self, application: str, server_name: str | None = None) -> list[Server]:
        """An application's servers, or one of them on every node; empty when unknown."""
        # Asked for one server, TarsWeb leaves those out that are in a set.
        rows = self.get("server_list", tree_node_id=f"1{application}")
        servers = read_rows("server_list", Server, rows)
        return [one for one in servers if server_name in (None, one.server_name)]

    def server(self, server_id: int) -> Server:
        """A server by number; an unknown one is refused ("system error")."""
        return read("server", Server, self.get("server", id=server_id))

    def state(self, server_id: int) -> str:
        """A server's present state; it follows the node within 2 s."""
        state: str = self.get("get_realtime_state", id=server_id)["realtime_state"]
        return state

    def states(self, servers: Sequence[Server]) -> list[StateReport]:
        """What nodes and registry have of servers, in their order; nodes are asked for it."""
        names = ("application", "server_name", "node_name")
        asked = [{name: getattr(server, name) for name in names} for server in servers]
        rows = self.post("server_state", {"queryState": asked})
        return [StateReport.read(row) for row in rows_of("server_state", rows)]

    def exists(self, application: str, server_name: str, nodes: Sequence[str]) -> bool:
        """Whether a server is deployed on any of these nodes."""
        body = {"application": application, "server_name": server_name, "node_names": list(nodes)}
        there: bool = self.post("server_exist", body)
        return there

    def change_server(self, server_id: int, **changes: object) -> Server:
        """Change template_name, profile, async_thread_num …; it holds from the next start on.

        All that can be changed is sent: what TarsWeb is not told of set and group, it takes
        for true.
        """
        row = self.get("server", id=server_id)
        body = {name: row.get(name) for name in _CHANGEABLE}
        body |= {"id": server_id, "isBak": row.get("bak_flag", False), **changes}
        return read("update_server", Server, self.post("update_server", body))

    def put_in_set(self, server_id: int, division: str) -> Server:
        """Have a server in a set, ``name.area.group``; "" takes it out.

        The group must be a number; the wildcard ``*`` can only be deployed (`ServerSpec`).
        """
        return self.change_server(server_id, **set_parts(division))

    def set_flow(self, server_id: int, nodes: Sequence[str], *, active: bool) -> None:
        """Have look-ups count a server's endpoints on these nodes as active, or not.

        The server runs on. The real one's look-ups follow after 1.5 to 13 s; unknown nodes are
        taken without a word.
        """
        body = {"server_id": str(server_id), "status": active, "node_list": list(nodes)}
        self.post("update_flowstatus", body)

    def search(self, word: str) -> list[Server]:
        """Servers with ``word`` in their name or node; ``App.Serv`` looks in one application."""
        rows = self.get("server_search", searchkey=word)["rows"]
        found = {(row["application"], row["server_name"], row["node_name"]) for row in rows}
        # The rows have a place in the tree where a number was due.
        return [
            server
            for application in sorted({key[0] for key in found})
            for server in self.servers(application)
            if (server.application, server.server_name, server.node_name) in found
        ]

    def server_nodes(self, application: str, server_name: str) -> list[str]:
        """The nodes that a server is deployed on."""
        rows = self.get("server_nodes", application=application, server_name=server_name)
        return [row["node_name"] for row in rows]

    def inactive_servers(self, application: str | None = None) -> list[Server]:
        """Servers that shall not be active."""
        query = {} if application is None else {"application": application}
        rows = self.get("inactive_server_list", **query)
        return read_rows("inactive_server_list", Server, rows)

    def choices(self, level: int, application: str = "", server_name: str = "") -> list[str]:
        """What TarsWeb's pages offer: 1 applications, 2 servers, 3 sets, 4 nodes, 5 objects."""
        names: list[str] = self.get(
            "cascade_select_server",
            level=level,
            application=application,
            server_name=server_name,
            set="",
        )
        return names

    def send_command(self, server_ids: Sequence[int], command: str) -> list[CommandAnswer]:
        """Tell running servers a command (``tars.viewversion``); an answer for each.

        A server that could not be told is in its answer, not an error.
        """
        ids = ";".join(map(str, server_ids))
        rows = self.get("send_command", server_ids=ids, command=command)
        return [CommandAnswer.read("send_command", row) for row in rows_of("send_command", rows)]

    # Adapters

    def adapters(self, server_id: int) -> list[AdapterConf]:
        rows = self.get("adapter_conf_list", id=server_id)
        return read_rows("adapter_conf_list", AdapterConf, rows)

    def auto_port(self, node_name: str) -> int:
        """A port that no server on the node has."""
        port: int = self.get("auto_port", node_name=node_name)[0]["port"]
        return port

    def adapter(self, adapter_id: int) -> AdapterConf:
        """An adapter by number; an unknown one is refused."""
        return read("adapter_conf", AdapterConf, self.get("adapter_conf", id=adapter_id))

    def add_adapter(self, server: Server, adapter: Adapter) -> AdapterConf:
        """Give a server another object; it is served after the next restart.

        One of that name that is there stays as it is, and is returned.
        """
        row = {
            "application": server.application,
            "server_name": server.server_name,
            "node_name": server.node_name,
            "servant": f"{server.name}.{adapter.obj_name}",
            "endpoint": f"{adapter.port_type} -h {adapter.bind_ip} -t 60000 -p {adapter.port} -e 0",
            "protocol": adapter.protocol,
            "thread_num": adapter.thread_num,
            "max_connections": adapter.max_connections,
            "queuecap": adapter.queuecap,
            "queuetimeout": adapter.queuetimeout,
            "allow_ip": "",
            "handlegroup": "",
        }
        return read("add_adapter_conf", AdapterConf, self.post("add_adapter_conf", row))

    def update_adapter(self, adapter: AdapterConf) -> AdapterConf:
        """Have an adapter be as ``adapter`` says (see `dataclasses.replace`), by its number."""
        answer = self.post("update_adapter_conf", asdict(adapter))
        return read("update_adapter_conf", AdapterConf, answer)

    def delete_adapter(self, adapter_id: int) -> None:
        """Take an object from a server; an unknown adapter is refused."""
        self.get("delete_adapter_conf", id=adapter_id)

    def objects(self, application: str, server_name: str) -> list[str]:
        """The objects that a server has, on whatever nodes."""
        rows = self.get("all_adapter_conf_list", application=application, server_name=server_name)
        return [row["servant"] for row in rows]


def _leaves(tree: Mapping[str, Any]) -> list[str]:
    """Names of the servers below a node of the tree; a server of several sets counts once."""
    if not tree["children"]:
        return [tree["name"]]
    names = [name for child in tree["children"] for name in _leaves(child)]
    return list(dict.fromkeys(names))
