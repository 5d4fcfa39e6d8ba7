"""Tasks over HTTP."""

from __future__ import annotations

from collections.abc import Iterable

from lab.tars.embedded import rows
from lab.tars.embedded.answers import Parameters, Refused, Route, system_error
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.store import Row


def routes(parts: Parts) -> Iterable[Route]:
    database = parts.database

    async def add_task(parameters: Parameters) -> str:
        if not len(parameters["items"]):
            raise Refused("parameters error", "参数错误")
        items = []
        for item in parameters["items"]:
            server = database.server(str(item["server_id"]))
            if server is None:
                raise system_error()
            patch_id = (item.get("parameters") or {}).get("patch_id", "")
            items.append({"server": server, "command": item["command"], "patch_id": patch_id})
        return parts.tasks.add(
            items,
            serial=bool(parameters.get("serial")),
            elegant=bool(parameters.get("elegant")),
        )

    async def task(parameters: Parameters) -> Row:
        found = database.task(str(parameters["task_no"]))
        if found is None:
            raise system_error()
        if parts.flags.active("tars.task-cut"):
            del found["items"][1:]
        return rows.task(found)

    async def task_list(parameters: Parameters) -> Row:
        """Publish tasks only: the real one keeps no others."""
        numbers = database.publishes(
            parameters.get("application"), parameters.get("server_name"), parameters.get("command")
        )
        page = rows.page(numbers, parameters.get("curr_page"), parameters.get("page_size"))
        page["rows"] = [rows.task(row) for no in page["rows"] if (row := database.task(no))]
        return page

    async def del_task(parameters: Parameters) -> str:
        """Unknown ones are taken as well, as recorded."""
        database.delete_task(str(parameters["task_no"]))
        return str(parameters["task_no"])

    return (
        Route("POST", "add_task", add_task),
        Route("GET", "task", task, ("task_no",)),
        Route("GET", "task_list", task_list),
        Route("GET", "del_task", del_task, ("task_no",)),
    )
