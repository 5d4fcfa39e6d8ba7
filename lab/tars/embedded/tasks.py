"""Tasks: what was asked of servers, done one after the other or all at once.

A task is in the database before it is acknowledged; one that a killed master left undone
is taken up again at its start, and every command can be done twice. The words of
``execute_info`` are those recorded from tarsAdminRegistry.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from uuid import uuid4

from lab.faultflags import FaultFlags
from lab.tars.embedded.database import Database
from lab.tars.embedded.nodes import NodeAbsent, Nodes
from lab.tars.embedded.rows import USER
from lab.tars.embedded.states import ItemStatus, ServerState
from lab.tars.embedded.store import Row

_log = logging.getLogger(__name__)

#: How long a node may take for a command, seconds. It stops and starts in less by itself.
COMMAND_TIMEOUT_S = 20.0
PATCH_TIMEOUT_S = 120.0

Key = tuple[str, str, str]


class ItemFailed(Exception):
    """An item ends with status 4 and this text."""


class TaskRunner:
    """Runs the tasks that the database holds."""

    def __init__(self, database: Database, nodes: Nodes, flags: FaultFlags) -> None:
        self._database = database
        self._nodes = nodes
        self._flags = flags
        self._running: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Callable[[Key, Row], Awaitable[str]]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "patch_tars": self._publish,
            "grace_patch_tars": self._publish,
            "undeploy_tars": self._undeploy,
        }

    def add(self, items: Iterable[Row], *, serial: bool, elegant: bool = False) -> str:
        """Keep a task and begin it; returns its number.

        Each of ``items`` has a ``server`` row, ``command`` and ``patch_id``. An elegant task
        stays as it is, as the real one's did.
        """
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
        self._database.add_task(task_no, serial, planned, elegant=elegant)
        if not elegant:
            self.begin(task_no)
        return task_no

    def begin(self, task_no: str) -> None:
        """Run a task of the database in the background."""
        running = asyncio.get_running_loop().create_task(self._run(task_no))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def resume(self, left: Iterable[str]) -> None:
        """Take up again what an earlier master acknowledged and did not do."""
        for task_no in left:
            self.begin(task_no)

    async def close(self) -> None:
        """Let go of what runs; it stays unfinished in the database."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def state(self, key: Key) -> tuple[int, ServerState] | None:
        """What a server's node says of it: (return code, state); None without the node."""
        try:
            return await self._nodes.state(key, timeout=COMMAND_TIMEOUT_S)
        except NodeAbsent:
            return None

    async def _run(self, task_no: str) -> None:
        task = self._database.task(task_no)
        assert task is not None, "a task is begun after it was stored"
        todo = [item for item in task["items"] if item["status"] < ItemStatus.EM_I_SUCCESS]
        if task["serial"]:
            for item in todo:
                await self._do(item)
        else:
            await asyncio.gather(*(self._do(item) for item in todo))

    async def _do(self, item: Row) -> None:
        item_no, command = item["item_no"], item["command"]
        key = (item["application"], item["server_name"], item["node_name"])
        self._database.item_started(item_no)
        act = self._commands.get(command)
        try:
            if act is None:
                raise ItemFailed("command not support!")
            ignored = self._flags.active(f"tars.{command.removesuffix('_tars')}-ignored")
            info = "succ:" if ignored else await act(key, item)
        except (ItemFailed, NodeAbsent) as failed:
            self._database.item_ended(item_no, ItemStatus.EM_I_FAILED, str(failed))
        else:
            self._database.item_ended(item_no, ItemStatus.EM_I_SUCCESS, info)
        _log.info("%s of %s.%s on %s is done", command, *key)

    def _server(self, key: Key) -> Row:
        servers = self._database.servers(*key)
        if not servers:
            raise ItemFailed(f"server {'.'.join(key[:2])} on {key[2]} is not deployed any more")
        return servers[0]

    async def _start(self, key: Key, _: Row) -> str:
        self._server(key)
        self._database.set_setting(key, "active")
        ret, text = await self._nodes.call(
            "startServer", key, purpose="startServer_inner", timeout=COMMAND_TIMEOUT_S
        )
        if ret != 0:
            raise ItemFailed(text)
        return f"server is activating, please check: {text}"

    async def _stop(self, key: Key, _: Row) -> str:
        self._database.set_setting(key, "inactive")
        return await self._end(key)

    async def _end(self, key: Key) -> str:
        """Have a server's process ended."""
        ret, text = await self._nodes.call(
            "stopServer", key, purpose="stopServer_inner", timeout=COMMAND_TIMEOUT_S
        )
        if ret != 0:
            raise ItemFailed(text)
        return text

    async def _restart(self, key: Key, item: Row) -> str:
        await self._end(key)
        return await self._start(key, item)

    async def _publish(self, key: Key, item: Row) -> str:
        package = self._database.package(item["patch_id"])
        if package is None:
            raise ItemFailed(f"load patch info from database error, patchId:{item['patch_id']}")
        if self._flags.active("tars.publish-ignored") and self._server(key)["patch_version"]:
            # A first package is put in place also under the fault: arranging needs it.
            self._database.set_patched(key, item["patch_id"], USER)
            return await self._restart(key, item)
        ret, text = await self._nodes.patch(
            key, version=item["patch_id"], md5=package["md5"], timeout=PATCH_TIMEOUT_S
        )
        if ret != 0:
            raise ItemFailed(f"error:{text}")
        self._database.item_percent(item["item_no"], 100)
        return await self._restart(key, item)

    async def _undeploy(self, key: Key, item: Row) -> str:
        try:
            info = await self._stop(key, item)
        except (ItemFailed, NodeAbsent) as failed:
            info = str(failed)  # as recorded: what cannot be stopped is undeployed all the same
        self._database.delete_server(key)
        return info
