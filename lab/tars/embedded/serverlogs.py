"""A server's log files as its node lists and reads them."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

#: What stands for the file in a command that reads it.
_FILE = "__log_file_name__"
_TIMEOUT_S = 5.0
#: How much of a command's output travels, bytes.
_LIMIT = 1024 * 1024


def files(directory: Path) -> list[str]:
    """The names of the log files in ``directory``, the newest first."""
    found = [file for file in directory.glob("*.log") if file.is_file()]
    return [file.name for file in sorted(found, key=lambda f: (-f.stat().st_mtime, f.name))]


async def read(directory: Path, file: str, command: str) -> tuple[int, str]:
    """Run the shell command that came from the master over one of `files`; code and output.

    So does the real node: whoever may call the master may run what it likes there.
    """
    if file not in files(directory):
        return -1, f"{file} is no log file of the server"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command.replace(_FILE, shlex.quote(file))),
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return -1, f"reading {file} took longer than {_TIMEOUT_S:g} s"
    return 0, output[-_LIMIT:].decode(errors="replace")
