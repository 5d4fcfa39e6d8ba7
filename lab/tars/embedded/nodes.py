"""The master's lines to its nodes: commands go as pushes, results come as calls.

A 3.x node calls AdminReg.reportNode and keeps the connection; a command is a packet with
id 0 on it, its function in the status (TARS_FUNC), and the node answers with a one-way
AdminReg.reportResult.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable

from lab.tars.body import Struct, encode_body
from lab.tars.embedded.database import Database
from lab.tars.embedded.interfaces import (
    PATCH,
    LogCommand,
    NotifyCommand,
    PatchCommand,
    PatchRequest,
    ReportResult,
    ServerCommand,
)
from lab.tars.embedded.rows import USER
from lab.tars.embedded.servants import Peer
from lab.tars.embedded.states import ServerState

#: application, server name, node name
Key = tuple[str, str, str]
#: A node's return code and its words.
Result = tuple[int, str]


class NodeAbsent(Exception):
    """A command cannot reach its node, or the node did not say how it ended."""


class Nodes:
    """The nodes that are connected, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lines: dict[str, Peer] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Result]]] = {}

    def reported(self, name: str, connection: Peer) -> None:
        """A node said on ``connection`` that it is there; its newest connection counts."""
        if self._lines.get(name) is not connection:
            self._lines[name] = connection
            connection.on_close(lambda: self._lost(name, connection))

    def _lost(self, name: str, connection: Peer) -> None:
        if self._lines.get(name) is not connection:
            return
        del self._lines[name]
        self._database.node_lost(name)
        for waiting_for, result in self._waiting.values():
            if waiting_for == name and not result.done():
                result.set_exception(NodeAbsent(f"node '{name}' is gone"))

    def answered(self, report: ReportResult) -> None:
        """A node said how a command ended."""
        _, result = self._waiting.get(report.request_id, ("", None))
        if result is not None and not result.done():
            result.set_result((report.ret, report.result))

    async def call(self, function: str, key: Key, *, purpose: str, timeout: float) -> Result:
        """Have a node do ``function`` to a server; ``purpose`` names it in the real one's words.

        Raises `NodeAbsent`, after ``timeout`` seconds at the latest.
        """
        application, server_name, node_name = key

        def command(number: int) -> Struct:
            return ServerCommand(number, node_name, application, server_name)

        return await self._push(function, key, command, purpose, timeout)

    async def notify(self, key: Key, words: str, *, timeout: float) -> Result:
        """Have a node tell a server ``words`` by AdminF.notify; its answer is in the text."""
        application, server_name, node_name = key

        def command(number: int) -> Struct:
            return NotifyCommand(number, node_name, application, server_name, words)

        return await self._push("notifyServer", key, command, "notifyServer", timeout)

    async def log_files(self, key: Key, *, timeout: float) -> tuple[int, list[str]]:
        """The names of a server's log files; none for a server that its node does not know."""

        def command(number: int) -> Struct:
            return LogCommand(number, key[2], key[0], key[1])

        ret, text = await self._push("getLogFileList", key, command, "getLogFileList", timeout)
        return ret, json.loads(text) if ret == 0 else []

    async def log_data(self, key: Key, file: str, words: str, *, timeout: float) -> Result:
        """Have a node read a server's log file by the shell command ``words``."""

        def command(number: int) -> Struct:
            return LogCommand(number, key[2], key[0], key[1], file, words)

        return await self._push("getLogData", key, command, "getLogData", timeout)

    async def state(self, key: Key, *, timeout: float) -> tuple[int, ServerState]:
        """Ask a node for a server's state; code -1 for a server that it does not know."""
        ret, text = await self.call("getStateInfo", key, purpose="getStateInfo", timeout=timeout)
        return ret, ServerState(int(text)) if ret == 0 else ServerState.INACTIVE

    async def patch(self, key: Key, *, version: str, md5: str, timeout: float) -> Result:
        """Have a node fetch a package and put it in place; it answers when that is done."""
        application, server_name, node_name = key
        request = PatchRequest(application, server_name, node_name, version, USER, PATCH, md5)

        def command(number: int) -> Struct:
            return PatchCommand(number, node_name, request)

        return await self._push("patchPro", key, command, "patchPro", timeout)

    async def _push(
        self,
        function: str,
        key: Key,
        command: Callable[[int], Struct],
        purpose: str,
        timeout: float,
    ) -> Result:
        name = key[2]
        where = f"{purpose} '{key[0]}.{key[1]}_{name}'"
        line = self._lines.get(name)
        if line is None:
            raise NodeAbsent(
                f"{where} TarsException:node '{name}' not registered  or heartbeart timeout,"
                "please check for it"
            )
        number = next(self._numbers)
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (name, result)
        try:
            line.push(function, encode_body(command(number)))
            return await asyncio.wait_for(result, timeout)
        except TimeoutError:
            raise NodeAbsent(f"{where} had no result within {timeout:g} s") from None
        finally:
            del self._waiting[number]
