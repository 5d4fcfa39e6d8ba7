"""TarsWeb's HTTP API over the master's database: what criteria and clients call of it.

Names, fields and oddities are those recorded from TarsWeb 3.0.15; docs/tars.md lists the
intended differences. There is no log-in: the real one lets loopback addresses in as well.
"""

from __future__ import annotations

import errno
import random
import socket
import sqlite3
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from aiohttp import web

from lab.faultflags import FaultFlags
from lab.tars.embedded import rows
from lab.tars.embedded.answers import (
    PREFIXES,
    UPLOADS,
    Parameters,
    PlainAnswer,
    Refused,
    Upload,
    answering,
    real_manners,
    system_error,
)
from lab.tars.embedded.database import Database, Row
from lab.tars.embedded.packages import PackageStore
from lab.tars.embedded.states import ItemStatus
from lab.tars.embedded.tasks import TaskRunner

_SERVER_TYPES = ("tars_cpp", "tars_java", "tars_php", "tars_nodejs", "tars_go", "not_tars")
#: Where `auto_port` looks for free ports, as recorded.
_PORTS = range(10000, 30000)
_TRIES = 1000


def _key(named: Row) -> tuple[str, str, str]:
    return named["application"], named["server_name"], named["node_name"]


def _bindable(address: str, port: int) -> bool:
    """Whether a port is free on a node, as far as that can be told from here."""
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


class WebApi:
    """The handlers; each takes the request's parameters and returns ``data``."""

    def __init__(
        self, database: Database, tasks: TaskRunner, packages: PackageStore, flags: FaultFlags
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._packages = packages
        self._flags = flags

    def application(self) -> web.Application:
        """The aiohttp application, under both of TarsWeb's prefixes."""
        app = web.Application(middlewares=[real_manners])
        app[UPLOADS] = self._packages.directory
        for prefix in PREFIXES:
            for method, path, handler, *required in self._routes():
                answer = answering(handler, tuple(required))
                app.router.add_route(method, f"{prefix}/{path}", answer)
        return app

    def _routes(self) -> Iterable[tuple[Any, ...]]:
        """Method, path, handler, then the parameters without which it is refused."""
        return (
            ("GET", "tree", self.tree),
            ("GET", "application_list", self.application_list),
            ("POST", "add_application", self.add_application, "f_name"),
            ("GET", "query_application", self.query_application),
            ("GET", "delete_application", self.delete_application, "f_id"),
            ("GET", "node_list", self.node_list),
            ("GET", "server_list", self.server_list, "tree_node_id"),
            ("GET", "server", self.server, "id"),
            ("POST", "server_exist", self.server_exist),
            ("POST", "deploy_server", self.deploy_server),
            ("GET", "auto_port", self.auto_port),
            ("GET", "adapter_conf_list", self.adapter_conf_list, "id"),
            ("GET", "get_realtime_state", self.get_realtime_state, "id"),
            ("POST", "server_state", self.server_state),
            ("POST", "upload_patch_package", self.upload_patch_package, "application"),
            ("GET", "server_patch_list", self.server_patch_list, "application", "module_name"),
            ("POST", "upload_and_publish", self.upload_and_publish, "application", "module_name"),
            ("POST", "add_task", self.add_task),
            ("GET", "task", self.task, "task_no"),
            ("GET", "task_list", self.task_list),
        )

    # Applications and lists

    async def tree(self, _: Parameters) -> list[Row]:
        """Applications that have servers, each with the names of its servers."""
        applications: dict[str, dict[str, None]] = {}
        for server in self._database.servers():
            applications.setdefault(server["application"], {})[server["server_name"]] = None
        return [
            {
                "id": f"1{name}",
                "name": name,
                "pid": "root",
                "is_parent": True,
                "open": False,
                "children": [
                    {
                        "id": f"1{name}.5{server}",
                        "name": server,
                        "pid": f"1{name}",
                        "is_parent": False,
                        "open": False,
                        "children": [],
                    }
                    for server in servers
                ],
                "order": 0,
            }
            for name, servers in applications.items()
        ]

    async def application_list(self, _: Parameters) -> list[str]:
        return [row["f_name"] for row in self._database.applications()]

    async def add_application(self, parameters: Parameters) -> Row:
        name = str(parameters["f_name"])
        try:
            added = rows.application(self._database.add_application(name))
        except sqlite3.IntegrityError:
            raise system_error() from None
        if self._flags.active("tars.application-lost"):
            self._database.delete_application(added["f_id"])
        return added

    async def query_application(self, parameters: Parameters) -> list[Row]:
        found = self._database.applications(parameters.get("f_name", ""))
        return [rows.application(row) for row in found]

    async def delete_application(self, parameters: Parameters) -> list[str]:
        f_id = str(parameters["f_id"])
        self._database.delete_application(f_id)
        return [f_id]

    async def node_list(self, _: Parameters) -> list[str]:
        return self._database.nodes()

    # Servers

    def _known_server(self, server_id: object) -> Row:
        server = self._database.server(str(server_id))
        if server is None:
            raise system_error()
        return server

    async def server_list(self, parameters: Parameters) -> Any:
        """``tree_node_id``: ``1App`` or ``1App.5Server``."""
        application, _, server_name = str(parameters["tree_node_id"]).partition(".5")
        found = self._database.servers(application.removeprefix("1"), server_name or None)
        servers = [rows.server(row) for row in found]
        if parameters.get("is_page") == "true":
            return rows.page(servers, parameters.get("cur_page"), parameters.get("page_size"))
        return servers

    async def server(self, parameters: Parameters) -> Row:
        return rows.server(self._known_server(parameters["id"]))

    async def server_exist(self, parameters: Parameters) -> bool:
        return any(
            self._database.servers(parameters["application"], parameters["server_name"], node)
            for node in parameters["node_names"]
        )

    async def deploy_server(self, parameters: Parameters) -> Row:
        """Deploys nearly anything, and the same again; shows what it finds under that name."""
        key = _key(parameters)
        adapters = [rows.adapter(key, asked) for asked in parameters["adapters"]]
        server_type = parameters["server_type"]
        server = {
            "application": key[0],
            "server_name": key[1],
            "node_name": key[2],
            "server_type": server_type if server_type in _SERVER_TYPES else "",
            "template_name": parameters.get("template_name", ""),
        }
        lost = self._flags.active("tars.deploy-lost") and not self._database.servers(*key)
        if adapters:
            self._database.add_server(server, adapters)
        deployed = [rows.deployed(row) for row in self._database.servers(*key)]
        if lost:
            self._database.delete_server(key)
        return {"server_conf": deployed, "tars_node_rst": []}

    async def auto_port(self, parameters: Parameters) -> list[Row]:
        """A free port on each of the nodes in ``node_name``, which ``;`` separates."""
        nodes = [name for name in str(parameters.get("node_name", "")).split(";") if name]
        return [{"node_name": node, "port": self._free_port(node)} for node in nodes]

    def _free_port(self, node: str) -> int:
        taken = " ".join(self._database.ports(node))
        for port in random.sample(_PORTS, _TRIES):
            if f"-p {port} " not in taken and _bindable(node, port):
                return port
        raise system_error()

    async def adapter_conf_list(self, parameters: Parameters) -> list[Row]:
        server = self._database.server(str(parameters["id"]))
        if server is None:
            return []
        return self._database.adapters(*_key(server))

    async def get_realtime_state(self, parameters: Parameters) -> Row:
        return {"realtime_state": self._known_server(parameters["id"])["present_state"]}

    async def server_state(self, parameters: Parameters) -> list[Row]:
        if "queryState" not in parameters:
            raise system_error()
        return [await self._state(query) for query in parameters["queryState"]]

    async def _state(self, query: Row) -> Row:
        key = _key(query)
        named = dict(zip(("application", "server_name", "node_name"), key, strict=True))
        answered = await self._tasks.state(key)
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

    # Packages

    async def upload_patch_package(self, parameters: Parameters) -> Row:
        upload = parameters.get("suse")
        if not isinstance(upload, Upload) or parameters.get("md5", upload.md5) != upload.md5:
            raise system_error()
        server = f"{parameters['application']}.{parameters['module_name']}"
        row = self._packages.take(server, upload, parameters.get("comment", ""))
        return {name: row[name] for name in ("id", "server", "tgz", "comment", "posttime")}

    async def server_patch_list(self, parameters: Parameters) -> Row:
        server = f"{parameters['application']}.{parameters['module_name']}"
        packages = [
            rows.package(row, newest=place == 0)
            for place, row in enumerate(self._database.packages(server))
        ]
        return rows.page(packages, parameters.get("curr_page"), parameters.get("page_size"))

    async def upload_and_publish(self, parameters: Parameters) -> Row:
        """Answers in text that begins "Method Not Allowed", even when all is well."""
        if not isinstance(parameters.get("suse"), Upload):
            raise PlainAnswer("upload not files")
        servers = self._database.servers(parameters["application"], parameters["module_name"])
        if not servers:
            raise PlainAnswer("server not deploy, please check!")
        active = [server for server in servers if server["setting_state"] == "active"]
        if not active:
            raise PlainAnswer("no active server, please start server first!\r\n")
        package = await self.upload_patch_package(parameters)
        told = ["Method Not Allowed"]
        for server in active:
            item = {"server": server, "command": "patch_tars", "patch_id": package["id"]}
            task_no = self._begin([item], serial=True)
            told += [
                f"patch serverId: {server['id']}, node_name: {server['node_name']}",
                "-" * 65,
                f"task no:  [{task_no}]\n",
                f"{server['node_name']} {ItemStatus.EM_I_RUNNING.name} ",
            ]
        raise PlainAnswer("\n".join(told) + "\n")

    # Tasks

    def _begin(self, items: list[Row], *, serial: bool) -> str:
        task_no = uuid4().hex
        planned = [
            {
                **item["server"],
                "item_no": uuid4().hex,
                "command": item["command"],
                "patch_id": str(item["patch_id"]),
            }
            for item in items
        ]
        self._database.add_task(task_no, serial, planned)
        self._tasks.begin(task_no)
        return task_no

    async def add_task(self, parameters: Parameters) -> str:
        if not len(parameters["items"]):
            raise Refused("parameters error", "参数错误")
        items = [
            {
                "server": self._known_server(item["server_id"]),
                "command": item["command"],
                "patch_id": (item.get("parameters") or {}).get("patch_id", ""),
            }
            for item in parameters["items"]
        ]
        return self._begin(items, serial=bool(parameters.get("serial")))

    async def task(self, parameters: Parameters) -> Row:
        task = self._database.task(str(parameters["task_no"]))
        if task is None:
            raise system_error()
        return rows.task(task)

    async def task_list(self, parameters: Parameters) -> Row:
        """Publish tasks only: the real one keeps no others."""
        numbers = self._database.publishes(
            parameters.get("application"), parameters.get("server_name"), parameters.get("command")
        )
        page = rows.page(numbers, parameters.get("curr_page"), parameters.get("page_size"))
        page["rows"] = [rows.task(row) for no in page["rows"] if (row := self._database.task(no))]
        return page
