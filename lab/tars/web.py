"""TarsWeb's HTTP API, typed: what application and service management need of it.

Source of every fact: exchanges recorded from TarsWeb 3.0.15
(``fixtures/recordings/tars/web``). It answers nearly everything with HTTP 200; failure is a
``ret_code`` other than 200, or text where JSON was due, so both are looked at. A task's
own status shows 6 while items still run: a task has ended when each of its items has.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import fields
from hashlib import md5
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from lab.errors import SystemDown
from lab.secrets import MASK
from lab.tars.web_answers import (
    SUCCESS,
    Adapter,
    AdapterConf,
    Application,
    Package,
    Server,
    ServerSpec,
    Task,
    TaskFailed,
    TaskItem,
    WebRefused,
    read,
)
from lab.wait import wait_for

__all__ = [
    "Adapter",
    "AdapterConf",
    "Application",
    "Package",
    "Server",
    "ServerSpec",
    "TarsWeb",
    "Task",
    "TaskFailed",
    "TaskItem",
    "WebRefused",
]


class _WithoutQueries(logging.Filter):
    """httpx logs the URL of every request; a ticket in its query is nobody's business."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                argument.copy_with(query=None) if isinstance(argument, httpx.URL) else argument
                for argument in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_WithoutQueries())


class TarsWeb:
    """TarsWeb at ``url`` (``http(s)://HOST:PORT``).

    ``ticket`` is a token of TarsWeb, not needed from its own machine; ``ca`` vouches for it
    under https; ``timeout`` is for each of connecting, sending and receiving, in seconds.
    Calls raise `WebRefused` when it says no, `SystemDown` when it does not answer. Usable
    from several threads. Use as a context manager, or `close` it.
    """

    def __init__(
        self, url: str, *, ticket: str | None = None, ca: Path | None = None, timeout: float = 35.0
    ) -> None:
        # Not with the base URL: a URL that is shown must not show the ticket.
        self._ticket = {} if ticket is None else {"ticket": ticket}
        self.url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=f"{self.url}/api",
            timeout=timeout,
            cookies={"locale": "en"},  # messages in English
            verify=ssl.create_default_context(cafile=None if ca is None else str(ca)),
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> TarsWeb:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Applications

    def add_application(self, name: str) -> Application:
        """Add an application; one of that name that is there is refused ("system error")."""
        answer = self._post("add_application", {"f_name": name})
        return read("add_application", Application, answer)

    def applications(self) -> list[Application]:
        """Every application, with servers or without."""
        rows = self._get("query_application")
        return [read("query_application", Application, row) for row in rows]

    def delete_application(self, f_id: int) -> None:
        """Forget an application; servers of it run on."""
        self._get("delete_application", f_id=f_id)

    def tree(self) -> dict[str, list[str]]:
        """Applications with servers, each with its servers' names."""
        return {
            application["name"]: [server["name"] for server in application["children"]]
            for application in self._get("tree")
        }

    def nodes(self) -> list[str]:
        """Names of the nodes that can be deployed to."""
        names: list[str] = self._get("node_list")
        return names

    def node_versions(self) -> dict[str, str]:
        """Nodes that are there → the version of TarsFramework that each says it is."""
        found = self._get("list_tars_node", node_name="")["rows"]
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
        adapter_rows = [
            {**{field.name: getattr(adapter, field.name) for field in fields(adapter)},
             "node_name": spec.node_name, "allow_ip": "", "handlegroup": ""}
            for adapter in spec.adapters
        ]  # fmt: skip
        self._post(
            "deploy_server",
            {
                "application": spec.application,
                "server_name": spec.server_name,
                "node_name": spec.node_name,
                "server_type": spec.server_type,
                "template_name": spec.template_name,
                "enable_set": False,
                "set_name": "",
                "set_area": "",
                "set_group": "",
                "operator": "",
                "developer": "",
                "adapters": adapter_rows,
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
        node = f"1{application}" + ("" if server_name is None else f".5{server_name}")
        rows = self._get("server_list", tree_node_id=node)
        return [read("server_list", Server, row) for row in rows]

    def server(self, server_id: int) -> Server:
        """A server by number; an unknown one is refused ("system error")."""
        return read("server", Server, self._get("server", id=server_id))

    def state(self, server_id: int) -> str:
        """A server's present state; it follows the node within 2 s."""
        state: str = self._get("get_realtime_state", id=server_id)["realtime_state"]
        return state

    def adapters(self, server_id: int) -> list[AdapterConf]:
        rows = self._get("adapter_conf_list", id=server_id)
        return [read("adapter_conf_list", AdapterConf, row) for row in rows]

    def auto_port(self, node_name: str) -> int:
        """A port that no server on the node has."""
        port: int = self._get("auto_port", node_name=node_name)[0]["port"]
        return port

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
        answer = self._call(
            "POST", "upload_patch_package", data=form, files={"suse": (package.name, content)}
        )
        return read("upload_patch_package", Package, answer)

    def packages(self, application: str, server_name: str) -> list[Package]:
        """A server's packages, the newest first."""
        rows = self._get("server_patch_list", application=application, module_name=server_name)
        return [read("server_patch_list", Package, row) for row in rows["rows"]]

    # Tasks

    def add_task(
        self,
        command: str,
        server_ids: Sequence[int],
        *,
        serial: bool = True,
        parameters: Mapping[str, object] | None = None,
    ) -> str:
        """Have a command done on servers; returns the task's number at once."""
        items = [
            {"server_id": str(number), "command": command, "parameters": parameters or {}}
            for number in server_ids
        ]
        body = {"serial": serial, "elegant": False, "eachnum": 0, "items": items}
        task_no: str = self._post("add_task", body)
        return task_no

    def task(self, task_no: str) -> Task:
        """A task as it is now; only publish tasks can be asked for after 5 minutes."""
        data = self._get("task", task_no=task_no)
        items = tuple(read("task", TaskItem, item) for item in data["items"])
        return read("task", Task, {**data, "items": items})

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

    # Calls

    def _get(self, path: str, **query: str | int) -> Any:
        return self._call("GET", path, params=query)

    def _post(self, path: str, body: Mapping[str, object]) -> Any:
        return self._call("POST", path, json=body)

    def _call(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, **content: Any
    ) -> Any:
        try:
            response = self._client.request(
                method, f"/{path}", params={**(params or {}), **self._ticket}, **content
            )
        except httpx.HTTPError as error:
            raise SystemDown(
                f"TarsWeb at {self.url} does not answer {method} /api/{path}",
                found=str(error) or type(error).__name__,
                expected="an HTTP answer",
                advice="check that TarsWeb runs there: its log tells",
            ) from None
        try:
            envelope = response.json()
            ret_code, data = envelope["ret_code"], envelope["data"]
        except (ValueError, KeyError, TypeError):
            text = self._without_ticket(response.text)
            raise WebRefused(path, response.status_code, None, text) from None
        if response.status_code != httpx.codes.OK or ret_code != httpx.codes.OK:
            message = self._without_ticket(str(envelope.get("err_msg", "")))
            raise WebRefused(path, response.status_code, ret_code, message)
        return data

    def _without_ticket(self, text: str) -> str:
        """An answer's text, as it may be shown."""
        for ticket in self._ticket.values():
            text = text.replace(ticket, MASK)
        return text
