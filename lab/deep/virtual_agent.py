"""Running a script on a virtual machine as its root, by QEMU's guest agent: no SSH is needed.

Source: QEMU, ``docs/interop/qemu-ga-ref`` (guest-sync, guest-exec, guest-exec-status): a JSON
object a line in each direction.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lab.errors import LabError, SystemDown
from lab.wait import wait_for


class _Stream(Protocol):
    def readline(self) -> bytes: ...
    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> None: ...


def run(
    place: Path, agent: str, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float
) -> tuple[int, str, str]:
    """Run a command; returns its status and what it printed and complained.

    ``place``: the directory of the agent's socket. Raises `SystemDown` when no agent answers,
    `LabError` when the command does not end in time.
    """
    directory = os.open(place, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            # By a short way: a socket's path has 107 characters at most.
            connection.connect(f"/proc/self/fd/{directory}/{agent}")
            with connection.makefile("rwb") as stream:
                return _run(stream, argv, env, timeout_s)
    except OSError as error:
        raise SystemDown(
            f"the agent of virtual machine {place.name} does not answer", found=str(error)
        ) from None
    finally:
        os.close(directory)


def _run(
    stream: _Stream, argv: Sequence[str], env: Mapping[str, str], timeout_s: float
) -> tuple[int, str, str]:
    mark = secrets.randbits(31)
    _send(stream, "guest-sync", id=mark)
    while _answer(stream) != mark:
        pass  # of somebody who did not wait for it
    started = _ask(
        stream,
        "guest-exec",
        path=argv[0],
        arg=list(argv[1:]),
        env=[f"{name}={value}" for name, value in env.items()],
        **{"capture-output": True},
    )

    def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = _ask(stream, "guest-exec-status", pid=started["pid"])
        return status if status["exited"] else None

    status = wait_for(f"the end of {argv[0]}", ended, timeout=timeout_s, not_yet=())
    printed, complained = (
        base64.b64decode(status.get(key, "")).decode(errors="replace")
        for key in ("out-data", "err-data")
    )
    return int(status.get("exitcode", -int(status.get("signal", 1)))), printed, complained


def _ask(stream: _Stream, command: str, **arguments: object) -> Any:
    _send(stream, command, **arguments)
    return _answer(stream)


def _send(stream: _Stream, command: str, **arguments: object) -> None:
    stream.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
    stream.flush()


def _answer(stream: _Stream) -> Any:
    line = stream.readline()
    if not line:
        raise ConnectionError("it hung up")
    answer = json.loads(line)
    if "error" in answer:
        raise LabError("the virtual machine's agent refuses", found=answer["error"].get("desc"))
    return answer["return"]
