"""Servers' logs over HTTP: which files they have, and what is in them, read by their nodes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable

from lab.tars.embedded.answers import Parameters, Route, system_error
from lab.tars.embedded.nodes import NodeAbsent
from lab.tars.embedded.parts import Parts

_TIMEOUT_S = 10.0
#: What stands for the file in the command that a node runs.
_FILE = "__log_file_name__"
#: At the end of each command, as recorded.
_CLEAN = r"| iconv -c -f UTF-8 -t UTF-8|sed 's/[\cA-\cZ]//g'"

_SERVER = ("application", "server_name", "node_name")
_ENDS = {"from_end": "tail", "from_begin": "head"}


def routes(parts: Parts) -> Iterable[Route]:
    async def files(parameters: Parameters) -> str:
        """The names of a server's log files, as JSON in a string."""
        key = parameters["application"], parameters["server_name"], parameters["node_name"]
        try:
            _, found = await parts.nodes.log_files(key, timeout=_TIMEOUT_S)
        except NodeAbsent:
            raise system_error() from None
        return json.dumps({"iRet": 0, "data": found}, separators=(",", ":"))

    async def data(parameters: Parameters) -> str:
        """What is in a file, as JSON in a string, with the command that read it."""
        key = parameters["application"], parameters["server_name"], parameters["node_name"]
        file = str(parameters["log_file"])
        command = _command(json.loads(parameters["interface_params"]))
        try:
            ret, text = await parts.nodes.log_data(key, file, command, timeout=_TIMEOUT_S)
        except NodeAbsent:
            raise system_error() from None
        shown = {"iRet": ret, "cmd": command.replace(_FILE, file), "data": text}
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))

    return (
        Route("GET", "logview_list", files, _SERVER),
        Route("GET", "logview_data", data, (*_SERVER, "log_file", "interface_params")),
    )


def _command(asked: Parameters) -> str:
    """``search_lines`` from one end of the file, those with ``keyword``, ``lines`` of these."""
    search = _ENDS.get(asked.get("search_sign", ""), "tail")
    view = _ENDS.get(asked.get("view_direction", ""), "tail")
    parts = [f"{search} -{int(asked['search_lines'])} {_FILE}"]
    if asked.get("keyword"):
        option = "-i " if asked.get("ignoreCase") == "Y" else ""
        parts.append(f"grep {option}-e {shlex.quote(str(asked['keyword']))}")
    parts.append(f"{view} -{int(asked['lines'])} ")
    return "|".join(parts) + _CLEAN
