"""Packages, and the tasks that publish, start, stop, restart and undeploy servers.

A task's own status shows 6 while items still run: it has ended when each of its items has.
All but publish tasks are forgotten within 5 minutes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

from lab.tars.web.answers import (
    SUCCESS,
    Package,
    Published,
    Task,
    TaskFailed,
    TaskItem,
    WebRefused,
    read,
)
from lab.tars.web.calls import Calls
from lab.wait import wait_for

_BEGUN = re.compile(
    r"patch serverId: (?P<id>\d+), node_name: (?P<node>\S+)\s+-+\s+task no:  \[(?P<task>\w+)\]"
)


class Releases(Calls):
    """The calls about packages and tasks."""

    # Packages

    def upload_package(
        self, package: Path, application: str, server_name: str, *, comment: str = ""
    ) -> Package:
        """Upload a ``.tgz`` for a server; its content is not looked at before it is published."""
        content = package.read_bytes()
        form = {
            "application": application,
            "module_name": server_name,
            "task_id": "0",
            "comment": comment,
            "md5": md5(content, usedforsecurity=False).hexdigest(),
        }
        answer = self.call(
            "POST", "upload_patch_package", data=form, files={"suse": (package.name, content)}
        )
        return read("upload_patch_package", Package, answer)

    def packages(self, application: str, server_name: str) -> list[Package]:
        """A server's packages, the newest first."""
        rows = self.get("server_patch_list", application=application, module_name=server_name)
        return [read("server_patch_list", Package, row) for row in rows["rows"]]

    def default_package(self, application: str, server_name: str) -> int | None:
        """The number of a server's default package; the newest, unless another was made it."""
        rows = self.get("server_patch_list", application=application, module_name=server_name)
        numbers = (row["id"] for row in rows["rows"] if row["default_version"])
        return next(numbers, None)

    def set_default_package(self, package: Package) -> None:
        """Make a package its server's default one; unknown ones are taken without a word."""
        application, _, server_name = package.server.partition(".")
        body = {"id": package.id, "application": application, "module_name": server_name}
        self.post("set_patch_package_default", body)

    def delete_package(self, package_id: int) -> None:
        """Forget a package; unknown ones are taken without a word."""
        self.post("delete_patch_package", {"id": str(package_id)})

    def upload_and_publish(
        self, package: Path, application: str, server_name: str, *, comment: str = ""
    ) -> list[Published]:
        """Upload a package and begin to publish it to every server that shall be active.

        TarsWeb answers in text, which begins "Method Not Allowed" even when all is well, and
        before the tasks have ended: wait with `finished`. Raises `WebRefused` with the text when
        no task was begun.
        """
        form = {"application": application, "module_name": server_name, "comment": comment}
        response = self.request(
            "POST",
            "upload_and_publish",
            data=form,
            files={"suse": (package.name, package.read_bytes())},
        )
        begun = [
            Published(int(found["id"]), found["node"], found["task"])
            for found in _BEGUN.finditer(response.text)
        ]
        if not begun:
            raise WebRefused("upload_and_publish", response.status_code, None, response.text)
        return begun

    def versions(self, application: str, server_name: str) -> dict[str, str]:
        """The number of the package that a server has, by node."""
        rows = self.get("server_now_version", application=application, serverName=server_name)
        return {row["node_name"]: row["patch_version"] for row in rows}

    # Tasks

    def add_task(
        self,
        command: str,
        server_ids: Sequence[int],
        *,
        serial: bool = True,
        elegant: bool = False,
        parameters: Mapping[str, object] | None = None,
    ) -> str:
        """Have a command done on servers; returns the task's number at once.

        Not ``serial``: on all at once. An ``elegant`` task of the real one did not move for two
        minutes, when that was recorded.
        """
        items = [
            {"server_id": str(number), "command": command, "parameters": parameters or {}}
            for number in server_ids
        ]
        body = {"serial": serial, "elegant": elegant, "eachnum": int(elegant), "items": items}
        task_no: str = self.post("add_task", body)
        return task_no

    def task(self, task_no: str) -> Task:
        """A task as it is now; only publish tasks can be asked for after 5 minutes."""
        return _task(self.get("task", task_no=task_no))

    def finished(self, task_no: str, *, timeout: float = 60.0) -> Task:
        """Wait until every item of a task has ended; returns the task.

        Raises `TaskFailed` when one has not ended with success, `WaitTimeout` after
        ``timeout`` seconds.
        """
        seen: list[Task] = []
        gone: list[WebRefused] = []

        def ended() -> bool:
            try:
                seen[:] = [self.task(task_no)]
            except WebRefused as refused:
                gone.append(refused)  # it will not come back: no reason to wait on
                return True
            return seen[0].ended

        wait_for(f"the end of task {task_no}", ended, timeout=timeout)
        if gone:
            raise gone[0]
        [task] = seen
        if any(item.status != SUCCESS for item in task.items):
            raise TaskFailed(task)
        return task

    def publish(self, server_id: int, package_id: int, *, timeout: float = 60.0) -> Task:
        """Put a package in place and start the server from it; the real one needs 4 to 8 s."""
        task_no = self.add_task(
            "patch_tars",
            [server_id],
            parameters={"patch_id": package_id, "bak_flag": False, "update_text": ""},
        )
        return self.finished(task_no, timeout=timeout)

    def publishes(
        self, application: str | None = None, server_name: str | None = None, *, newest: int = 20
    ) -> list[Task]:
        """The newest publish tasks, of a server or of all."""
        query: dict[str, str | int] = {"curr_page": 1, "page_size": newest}
        query |= {"application": application} if application is not None else {}
        query |= {"server_name": server_name} if server_name is not None else {}
        return [_task(row) for row in self.get("task_list", **query)["rows"]]

    def delete_task(self, task_no: str) -> None:
        """Forget a task; unknown ones are taken without a word."""
        self.get("del_task", task_no=task_no)

    def start(self, server_id: int, *, timeout: float = 60.0) -> Task:
        """Start a server; it may still be activating afterwards."""
        return self.finished(self.add_task("start", [server_id]), timeout=timeout)

    def stop(self, server_id: int, *, timeout: float = 60.0) -> Task:
        return self.finished(self.add_task("stop", [server_id]), timeout=timeout)

    def restart(self, server_id: int, *, timeout: float = 60.0) -> Task:
        return self.finished(self.add_task("restart", [server_id]), timeout=timeout)

    def undeploy(self, server_id: int, *, timeout: float = 60.0) -> Task:
        """Stop a server and forget it."""
        return self.finished(self.add_task("undeploy_tars", [server_id]), timeout=timeout)


def _task(row: Mapping[str, Any]) -> Task:
    items = tuple(read("task", TaskItem, item) for item in row["items"])
    return read("task", Task, {**row, "items": items})
