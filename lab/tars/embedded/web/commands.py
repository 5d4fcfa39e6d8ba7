"""Commands to running servers: AdminF.notify, by way of their nodes."""

from __future__ import annotations

from collections.abc import Iterable

from lab.tars.embedded.answers import Parameters, Route, system_error
from lab.tars.embedded.database import Key
from lab.tars.embedded.nodes import NodeAbsent
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.store import Row

#: How long a node may take to bring a server's answer, seconds.
_TIMEOUT_S = 10.0


def routes(parts: Parts) -> Iterable[Route]:
    async def send_command(parameters: Parameters) -> list[Row]:
        """``server_ids``, separated by ``;``."""
        answers = []
        for server_id in str(parameters["server_ids"]).split(";"):
            server = parts.database.server(server_id)
            if server is None:
                raise system_error()
            key = server["application"], server["server_name"], server["node_name"]
            answers.append(await send(parts, key, str(parameters["command"])))
        return answers

    async def load_server(parameters: Parameters) -> str:
        """Have a node read a server's description again."""
        key = parameters["application"], parameters["server_name"], parameters["node_name"]
        if not parts.database.servers(*key):
            raise system_error()
        return " succ"

    return (
        Route("GET", "send_command", send_command, ("server_ids", "command")),
        Route(
            "GET",
            "load_server",
            load_server,
            ("application", "server_name", "node_name"),
        ),
    )


async def send(parts: Parts, key: Key, command: str) -> Row:
    """Have a server do a command: its key, ``ret_code`` and its words as ``err_msg``."""
    if parts.flags.active("tars.command-lost"):
        return claimed(key)
    try:
        ret, text = await parts.nodes.notify(key, command, timeout=_TIMEOUT_S)
    except NodeAbsent:
        ret, text = -1, ""
    return _answer(key, ret, text)


def claimed(key: Key) -> Row:
    """What a command that was never sent looks like when it is said to have succeeded."""
    return _answer(key, 0, "succ:")


def _answer(key: Key, ret: int, text: str) -> Row:
    named = dict(zip(("application", "server_name", "node_name"), key, strict=True))
    return {**named, "ret_code": ret, "err_msg": text}
