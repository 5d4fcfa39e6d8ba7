"""Configuration files over HTTP, and their push to servers."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Any

from lab.tars.embedded import rows
from lab.tars.embedded.answers import Parameters, Refused, Route, system_error
from lab.tars.embedded.configstore import (
    APPLICATION,
    SERVER,
    SET_PARTS,
    WEB_SERVER_LEVEL,
)
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.store import Row
from lab.tars.embedded.web.commands import claimed, send

_REFERRED = "Other files refer to it, or it to others"


def routes(parts: Parts) -> Iterable[Route]:
    api = _Configs(parts)
    return (
        Route("GET", "config_file_list", api.listed, ("application",), numeric=("level",)),
        Route("GET", "config_file", api.file, numeric=("id",)),
        Route(
            "POST",
            "add_config_file",
            api.add,
            ("application", "filename", "config"),
            numeric=("level",),
        ),
        Route("POST", "update_config_file", api.change, ("config",), numeric=("id",)),
        Route("GET", "delete_config_file", api.delete, numeric=("id",)),
        Route("GET", "config_file_history_list", api.history_list, ("config_id",)),
        Route("GET", "config_file_history", api.history, numeric=("id",)),
        Route("GET", "node_config_file_list", api.on_nodes, ("config_id",)),
        Route("GET", "add_config_ref", api.refer, ("config_id", "reference_id")),
        Route("GET", "delete_config_ref", api.refer_no_more, ("id",)),
        Route("GET", "config_ref_list", api.references, ("config_id",)),
        Route("GET", "merged_node_config", api.merged, ("id",)),
        Route("GET", "push_config_file", api.push, ("ids",)),
    )


class _Configs:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._configs = parts.configs

    async def listed(self, parameters: Parameters) -> list[Row]:
        """``level``: 1 application, 2 to 4 set, area and group, 5 server."""
        level, owner = int(parameters["level"]), str(parameters["application"])
        if level == WEB_SERVER_LEVEL:
            if not parameters.get("server_name"):
                raise Refused("server_name #common.notempty#")
            owner = f"{owner}.{parameters['server_name']}"
            return self._configs.of(owner, SERVER, parameters)
        within = SET_PARTS[: level - 1]
        if not all(parameters.get(part) for part in within):
            raise Refused(f"{','.join(within)} #common.notempty#")
        return self._configs.of(owner, APPLICATION, {part: parameters[part] for part in within})

    async def file(self, parameters: Parameters) -> Row:
        return self._configs.numbered(str(parameters["id"])) or {}

    def _known(self, file_id: object) -> Row:
        file = self._configs.numbered(str(file_id))
        if file is None:
            raise system_error()
        return file

    async def add(self, parameters: Parameters) -> Row:
        """A server's file is had on each of its nodes as well, empty."""
        application = str(parameters["application"])
        of_server = int(parameters["level"]) == WEB_SERVER_LEVEL
        owner = f"{application}.{parameters['server_name']}" if of_server else application
        database = self._parts.database
        try:
            with database.transaction():
                added = self._configs.add(
                    owner,
                    parameters["filename"],
                    parameters["config"],
                    level=SERVER if of_server else APPLICATION,
                    within=parameters,
                )
                if of_server:
                    servers = database.servers(application, parameters["server_name"])
                    nodes = [
                        server["node_name"] for server in servers if _same_set(server, parameters)
                    ]
                    self._configs.have_on_nodes(added, nodes)
        except sqlite3.IntegrityError:
            raise Refused("File with the same name already exists!") from None
        if self._parts.flags.active("tars.config-lost"):
            self._configs.delete(added["id"])
        return added

    async def change(self, parameters: Parameters) -> Row:
        file = self._known(parameters["id"])
        if self._parts.flags.active("tars.config-update-lost"):
            return {**file, "config": parameters["config"]}
        reason = parameters.get("reason", "")
        changed = self._configs.change(file["id"], parameters["config"], reason)
        assert changed is not None, "it was there"
        return changed

    async def delete(self, parameters: Parameters) -> str:
        file = self._known(parameters["id"])
        if self._configs.referring(file["id"]):
            raise Refused(_REFERRED)
        if not self._parts.flags.active("tars.config-kept"):
            self._configs.delete(file["id"])
        return str(parameters["id"])

    async def history_list(self, parameters: Parameters) -> Row:
        """Fails with page and size given, as the real one does."""
        if "currPage" in parameters or "pageSize" in parameters:
            raise system_error()
        past = [
            {name: row[name] for name in ("id", "reason", "content", "posttime")}
            for row in self._configs.history(str(parameters["config_id"]))
        ]
        return rows.page(
            past[:1] if self._parts.flags.active("tars.history-cut") else past, None, None
        )

    async def history(self, parameters: Parameters) -> Row:
        return self._configs.past(str(parameters["id"])) or {}

    async def on_nodes(self, parameters: Parameters) -> list[Row]:
        """A server's file on its nodes; nodes that came after it get theirs now."""
        file = self._known(parameters["config_id"])
        servers = self._parts.database.servers(parameters["application"], parameters["server_name"])
        nodes = [server["node_name"] for server in servers if _same_set(server, file)]
        with self._parts.database.transaction():
            self._configs.have_on_nodes(file, nodes)
        return self._configs.on_nodes(file)

    async def refer(self, parameters: Parameters) -> Row:
        pair = (str(parameters["config_id"]), str(parameters["reference_id"]))
        try:
            added = self._configs.refer(*pair)
        except sqlite3.IntegrityError:
            raise system_error() from None
        return {"id": added["id"], "config_id": pair[0], "reference_id": pair[1]}

    async def refer_no_more(self, parameters: Parameters) -> Row:
        self._configs.refer_no_more(str(parameters["id"]))
        return {}

    async def references(self, parameters: Parameters) -> list[Row]:
        found = self._configs.references(str(parameters["config_id"]))
        for row in found:
            row["reference"].pop("lastuser")  # as recorded
        return found

    async def merged(self, parameters: Parameters) -> str:
        file = self._known(parameters["id"])
        return self._configs.merged(file["server_name"], file["filename"], file["node_name"])

    async def push(self, parameters: Parameters) -> list[Any]:
        """``ids``, separated by ``,`` or ``;``: of files as nodes have them."""
        pushed = []
        for file_id in re.split("[,;]", str(parameters["ids"])):
            file = self._known(file_id)
            application, _, server_name = file["server_name"].partition(".")
            key = application, server_name, file["node_name"]
            command = f"tars.loadconfig {file['filename']}"
            lost = self._parts.flags.active("tars.push-lost")
            pushed.append(claimed(key) if lost else await send(self._parts, key, command))
        return pushed


def _same_set(server: Row, asked: Row) -> bool:
    wanted = [asked.get(part) or "" for part in SET_PARTS]
    own = [server[part] or "" for part in SET_PARTS] if server["enable_set"] else [""] * 3
    return wanted == own
