"""A node that is reached over SSH, as Jenkins' SSH agents are: steps run on that host."""

from __future__ import annotations

import asyncio
import io
import logging
import shlex
import shutil
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncssh

from lab.jenkins.embedded.keeper import COOKIE
from lab.jenkins.embedded.nodes import GRACE_S, Node, NodeDown, Step, Write

_log = logging.getLogger("embedded jenkins")

#: Seconds: for connecting, between two tries, and for copying files.
_CONNECT_S = 10.0
_RETRY_S = 2.0
_COPY_S = 60.0
_PIECE = 64 * 1024
#: Where a node keeps workspaces, from the account's home directory.
_ROOT = ".iec4/jenkins-agent"

#: One look at all processes: a few programs for each would take minutes on a busy machine.
_END = """
for place in $(grep -lzxF "$1" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${place#/proc/}
    kill "-$2" "${pid%/environ}" 2>/dev/null
done
"""


class SshNode(Node):
    """A host, by its inventory's data: address, port, account, key file and pinned host key."""

    description = "an agent over SSH"

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        self.name = self.display = name
        self.labels = (name, *given["labels"])
        self.executors = given["executors"]
        self._given = given
        self._connection: asyncssh.SSHClientConnection | None = None

    @property
    def online(self) -> bool:
        return self._connection is not None

    async def stay_connected(self) -> None:
        """Connect, and connect again whenever the connection is lost; runs until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    connection = await self._connect()
            except (OSError, asyncssh.Error, TimeoutError) as error:
                _log.info("agent %s: %s", self.name, str(error) or type(error).__name__)
            else:
                self._connection = connection
                try:
                    await connection.wait_closed()
                finally:
                    self._connection = None
                    connection.abort()
            await asyncio.sleep(_RETRY_S)

    async def _connect(self) -> asyncssh.SSHClientConnection:
        given = self._given
        known = f"[{given['address']}]:{given['port']} {given['host_key']}\n"
        return await asyncssh.connect(
            given["address"],
            given["port"],
            username=given["user"],
            client_keys=[given["key"]],
            known_hosts=asyncssh.import_known_hosts(known),
            agent_path=None,
            config=None,
            keepalive_interval=15,
        )

    def workspace(self, job: str, slot: int) -> str:
        return f"{_ROOT}/workspace/" + (f"{job}@{slot}" if slot > 1 else job)

    async def run(self, step: Step, write: Write) -> int:
        script = f"{step.directory}.script"
        make = 'mkdir -p "$1" && cat >"$2"'
        await self._shell(make, step.directory, script, stdin=step.script.encode())
        write(step.banner(script))
        exports = " ".join(f"{k}={shlex.quote(v)}" for k, v in step.variables.items())
        # WORKSPACE has to be absolute, and only the node knows its home directory. Errors go
        # where output goes: by a stream of their own they would come at another time.
        command = (
            f'exec 2>&1; cd {shlex.quote(step.directory)} && exec env {exports} WORKSPACE="$PWD" '
            f"{shlex.join(step.interpreter)} ../{shlex.quote(Path(script).name)} </dev/null"
        )
        # Its input stays open, for signals.
        async with self._process(command) as process:
            try:
                while data := await process.stdout.read(_PIECE):
                    write(data)
                ended = await process.wait()
            except asyncio.CancelledError:
                await _end(process, write)
                raise
        if ended.returncode is not None and ended.returncode < 0:
            return 128 - ended.returncode
        if ended.exit_status is None:
            raise NodeDown(f"agent {self.name} went away")
        return ended.exit_status

    async def files(self, directory: str) -> list[str]:
        listing = 'cd "$1" 2>/dev/null || exit 0; find . -type f'
        found = await self._shell(listing, directory)
        return sorted(line.removeprefix("./") for line in found.decode().splitlines())

    async def fetch(self, directory: str, names: Sequence[str], target: Path) -> None:
        listed = "\0".join(names).encode()
        packed = await self._shell(
            'cd "$1" && tar --null -cf - -T -', directory, stdin=listed, timeout=_COPY_S
        )
        await asyncio.to_thread(_unpack, packed, target)

    async def put(self, directory: str, name: str, content: bytes) -> str:
        write = 'umask 077; mkdir -p "$1" && cd "$1" && cat >"$2" && printf "%s/%s" "$PWD" "$2"'
        return (await self._shell(write, directory, name, stdin=content)).decode()

    async def remove(self, directory: str, names: Sequence[str]) -> None:
        listed = "\0".join(names).encode()
        await self._shell('cd "$1" && xargs -0 rm -f --', directory, stdin=listed)

    async def wipe(self, directory: str) -> None:
        await self._shell('rm -rf "$1"', directory)

    async def end_processes(self, cookie: str) -> None:
        for number in ("TERM", "KILL"):
            with suppress(NodeDown):  # then its SSH server has ended them
                await self._shell(_END, f"{COOKIE}={cookie}", number)

    async def _shell(
        self, script: str, *args: str, stdin: bytes = b"", timeout: float = _CONNECT_S
    ) -> bytes:
        command = shlex.join(["sh", "-c", script, "sh", *args])
        source = asyncssh.PIPE if stdin else asyncssh.DEVNULL
        try:
            async with (
                asyncio.timeout(timeout),
                self._process(command, stdin=source) as process,
            ):
                output, _ = await process.communicate(stdin)
        except TimeoutError:
            raise NodeDown(f"agent {self.name} gave no answer within {timeout:g} s") from None
        if process.exit_status is None:
            raise NodeDown(f"agent {self.name} went away")
        return output

    @asynccontextmanager
    async def _process(
        self, command: str, **streams: int
    ) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
        """A process on the host, which its SSH server ends with the context.

        Raises `NodeDown`, also for what happens to the connection within the context.
        """
        try:
            starting = asyncio.ensure_future(
                self._connected().create_process(command, encoding=None, **streams)
            )
            try:
                process = await asyncio.shield(starting)
            except asyncio.CancelledError:
                starting.add_done_callback(_close)
                raise
            try:
                yield process
            finally:
                process.close()
        except (asyncssh.Error, OSError) as error:
            raise NodeDown(f"agent {self.name} went away: {error}") from None

    def _connected(self) -> asyncssh.SSHClientConnection:
        if self._connection is None:
            raise NodeDown(f"agent {self.name} is offline")
        return self._connection


def _close(starting: asyncio.Future[asyncssh.SSHClientProcess[bytes]]) -> None:
    """End a process that is not wanted any more when it has started."""
    if not starting.cancelled() and starting.exception() is None:
        starting.result().close()


async def _end(process: asyncssh.SSHClientProcess[bytes], write: Write) -> None:
    """TERM to the step's process group, and its last words; closing its channel ends the rest."""
    process.send_signal("TERM")
    with suppress(OSError, asyncssh.Error):  # a time-out is an OSError
        async with asyncio.timeout(GRACE_S):
            while data := await process.stdout.read(_PIECE):
                write(data)


def _unpack(packed: bytes, target: Path) -> None:
    """Files of an archive, below ``target`` only; tarfile has filters from Python 3.11.4 on."""
    target.mkdir(parents=True, exist_ok=True)
    below = target.resolve()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            place = (below / member.name).resolve()
            if not place.is_relative_to(below):
                raise ValueError(f"{member.name!r} leads out of the archive")
            place.parent.mkdir(parents=True, exist_ok=True)
            with content, place.open("wb") as file:
                shutil.copyfileobj(content, file)
            place.chmod(0o600 | member.mode & 0o755)
