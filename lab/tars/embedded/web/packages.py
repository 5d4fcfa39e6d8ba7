"""Packages over HTTP: upload, list, default, delete, and publishing with the upload."""

from __future__ import annotations

from collections.abc import Iterable

from lab.tars.embedded import rows
from lab.tars.embedded.answers import (
    FILE_FIELD,
    Parameters,
    PlainAnswer,
    Route,
    Upload,
    system_error,
)
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.states import ItemStatus
from lab.tars.embedded.store import Row

_OF_SERVER = ("application", "module_name")


def routes(parts: Parts) -> Iterable[Route]:
    api = _Packages(parts)
    return (
        Route("POST", "upload_patch_package", api.upload, ("application",)),
        Route("GET", "server_patch_list", api.listed, _OF_SERVER),
        Route("POST", "set_patch_package_default", api.make_default, ("id", *_OF_SERVER)),
        Route("POST", "delete_patch_package", api.delete, ("id",)),
        Route("GET", "server_now_version", api.versions, ("application", "serverName")),
        Route("POST", "upload_and_publish", api.upload_and_publish, _OF_SERVER),
    )


class _Packages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database

    async def upload(self, parameters: Parameters) -> Row:
        upload = parameters.get(FILE_FIELD)
        if not isinstance(upload, Upload) or parameters.get("md5", upload.md5) != upload.md5:
            raise system_error()
        server = f"{parameters['application']}.{parameters['module_name']}"
        row = self._parts.packages.take(server, upload, parameters.get("comment", ""))
        if self._parts.flags.active("tars.upload-lost"):
            self._parts.packages.delete(str(row["id"]))
        return {name: row[name] for name in ("id", "server", "tgz", "comment", "posttime")}

    async def listed(self, parameters: Parameters) -> Row:
        server = f"{parameters['application']}.{parameters['module_name']}"
        packages = [rows.package(row) for row in self._database.packages(server)]
        return rows.page(packages, parameters.get("curr_page"), parameters.get("page_size"))

    async def make_default(self, parameters: Parameters) -> list[int]:
        """Unknown numbers are taken as well, as recorded."""
        server = f"{parameters['application']}.{parameters['module_name']}"
        row = self._database.package(str(parameters["id"]))
        ignored = self._parts.flags.active("tars.default-ignored")
        if row is not None and row["server"] == server and not ignored:
            self._database.set_default_package(server, row["id"])
        return [1]

    async def delete(self, parameters: Parameters) -> Row:
        if not self._parts.flags.active("tars.package-kept"):
            self._parts.packages.delete(str(parameters["id"]))
        return {}

    async def versions(self, parameters: Parameters) -> list[Row]:
        """What a server has on each of its nodes."""
        servers = self._database.servers(parameters["application"], parameters["serverName"])
        shown = ("application", "server_name", "node_name", "patch_version")
        return [{name: server[name] for name in shown} for server in servers]

    async def upload_and_publish(self, parameters: Parameters) -> Row:
        """Answers in text that begins "Method Not Allowed", even when all is well."""
        if not isinstance(parameters.get(FILE_FIELD), Upload):
            raise PlainAnswer("upload not files")
        servers = self._database.servers(parameters["application"], parameters["module_name"])
        if not servers:
            raise PlainAnswer("server not deploy, please check!")
        active = [server for server in servers if server["setting_state"] == "active"]
        if not active:
            raise PlainAnswer("no active server, please start server first!\r\n")
        package = await self.upload(parameters)
        told = ["Method Not Allowed"]
        for server in active:
            item = {"server": server, "command": "patch_tars", "patch_id": package["id"]}
            task_no = self._parts.tasks.add([item], serial=True)
            told += [
                f"patch serverId: {server['id']}, node_name: {server['node_name']}",
                "-" * 65,
                f"task no:  [{task_no}]\n",
                f"{server['node_name']} {ItemStatus.EM_I_RUNNING.name} ",
            ]
        raise PlainAnswer("\n".join(told) + "\n")
