"""One server on a node: its package, its process, and what becomes of it.

As tarsnode: started from ``bin/<Server> --config=FILE``, active once it says keepAlive,
restarted when it dies, stopped by AdminF.shutdown, then TERM, then KILL.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.faultflags import FaultFlags
from lab.tars.embedded.adminf import told
from lab.tars.embedded.configuration import Surroundings, server_configuration
from lab.tars.embedded.interfaces import ADMIN, ServerDescriptor
from lab.tars.embedded.process import Process, read_record, write_record
from lab.tars.embedded.startlimit import Limits, StartLimit
from lab.tars.embedded.states import ServerState
from lab.tars.errors import TarsError
from lab.tars.packets import PacketType, request

#: How long a start waits to see its server active, seconds; the real one answers after 1.1 s.
_ACTIVATION_S = 1.0
#: What a server does not inherit: where this node's own code lies.
_OWN_VARIABLES = ("PYTHONPATH",)


@dataclass(frozen=True)
class Patience:
    """How long a server may take to end, in seconds: after AdminF.shutdown, after TERM, KILL."""

    shutdown_s: float = 3.0
    term_s: float = 2.0
    kill_s: float = 2.0


@dataclass(frozen=True)
class Rules:
    """What holds for every server of a node. ``respawn_s``: a dead one comes back after that."""

    around: Surroundings
    limits: Limits
    flags: FaultFlags
    respawn_s: float


class Server:
    """A server in ``directory``; ``changed`` is called whenever its state changes."""

    def __init__(
        self,
        descriptor: ServerDescriptor,
        directory: Path,
        rules: Rules,
        changed: Callable[[Server], None],
    ) -> None:
        self.descriptor = descriptor
        self.directory = directory
        self.state = ServerState.INACTIVE
        self._rules = rules
        self._changed = changed
        self._limit = StartLimit(rules.limits)
        self._process: Process | None = None
        self._lock = asyncio.Lock()
        self._active = asyncio.Event()
        self._unwanted = asyncio.Event()
        self._reviving: asyncio.Task[None] | None = None
        self._record = directory / "process"
        for name in ("bin", "conf", "data", "log"):
            (directory / name).mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    @property
    def name(self) -> str:
        return f"{self.descriptor.application}.{self.descriptor.server_name}"

    @property
    def logs(self) -> Path:
        """Where it logs: the node writes its output there, TarsCpp its rolling logs."""
        return self.directory / "log" / self.descriptor.application / self.descriptor.server_name

    def _set(self, state: ServerState) -> None:
        if state != self.state:
            self.state = state
            self._changed(self)

    def find(self) -> bool:
        """Take over the process that an earlier node started; whether there is one."""
        record = read_record(self._record)
        if record is None:
            return False
        self._process = Process.found(record, self._ended)
        if self._process is not None:
            self._set(ServerState.ACTIVE)
        return self._process is not None

    def alive(self, pid: int) -> None:
        """A process said keepAlive for this server."""
        if pid == self.pid and self.state is ServerState.ACTIVATING:
            self._set(ServerState.ACTIVE)
            self._active.set()

    async def start(self, descriptor: ServerDescriptor) -> tuple[int, str]:
        """Start it, as ``descriptor`` has it now; returns the node's code and words."""
        async with self._lock:
            self.descriptor = descriptor
            self._unwanted.clear()
            if self._process is not None:
                return 0, f"server is already {self.state.shown}"
            result = self._launch()
            if self._process is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._active.wait(), _ACTIVATION_S)
            return result

    def _launch(self) -> tuple[int, str]:
        executable = self.directory / "bin" / self.descriptor.server_name
        if not executable.is_file():
            return -1, f"error:server start error: {executable} is not exist."
        executable.chmod(0o755)
        host = self._rules.around.node[0]
        admin_port = _free_port(host)
        file = self.directory / "conf" / f"{self.name}.config.conf"
        around = self._rules.around
        file.write_text(server_configuration(self.descriptor, self.directory, around, admin_port))
        self._active.clear()
        self._limit.started(time.monotonic())
        self.logs.mkdir(parents=True, exist_ok=True)
        environ = {name: value for name, value in os.environ.items() if name not in _OWN_VARIABLES}
        try:
            self._process = Process.start(
                [str(executable), f"--config={file}"],
                environ=environ,
                directory=self.directory,
                output=self.logs / f"{self.name}.log",
                admin_port=admin_port,
                told=self._ended,
            )
        except OSError as error:
            return -1, f"error:server start error: {executable}: {error.strerror}"
        write_record(self._record, self._process.record)
        self._set(ServerState.ACTIVATING)
        return 0, f"find server exe: {executable}"

    async def stop(self, patience: Patience | None = None) -> tuple[int, str]:
        """Stop it for good; returns the node's code and words."""
        patience = patience or Patience()
        self._unwanted.set()
        async with self._lock:
            process = self._process
            if process is None:
                return 0, "succ:server state is Inactive. "
            self._set(ServerState.DEACTIVATING)
            if await self._asked_to_shut_down(process):
                await _ends(process, patience.shutdown_s)
            for number, seconds in (
                (signal.SIGTERM, patience.term_s),
                (signal.SIGKILL, patience.kill_s),
            ):
                if process.ended.is_set():
                    break
                process.signal(number)
                await _ends(process, seconds)
            if not process.ended.is_set():
                return -1, f"error:process {process.pid} does not end"
            return 0, "succ:"

    def kill(self) -> None:
        """End its process at once; it comes back as one that died does."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    async def notify(self, command: str) -> tuple[int, str]:
        """Tell it a command by AdminF.notify; returns the node's code and words."""
        process = self._process
        if process is None:
            return -1, "error:server state is Inactive. "
        address = self._rules.around.node[0], process.record.admin_port
        try:
            return 0, f"succ:{await told(address, command)}"
        except (OSError, TarsError) as error:
            return -1, f"error:{error}"

    async def _asked_to_shut_down(self, process: Process) -> bool:
        """Send AdminF.shutdown; whether there was somebody to hear it."""
        frame = request(1, ADMIN, "shutdown", packet_type=PacketType.ONE_WAY).to_frame()
        address = self._rules.around.node[0], process.record.admin_port
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(*address), 1.0)
        except OSError:
            return False
        writer.write(frame)
        with suppress(OSError):
            await asyncio.wait_for(writer.drain(), 1.0)
        writer.close()
        return True

    def _ended(self) -> None:
        """The process is there no more."""
        self._process = None
        self._record.unlink(missing_ok=True)
        self._set(ServerState.INACTIVE)
        if not self._unwanted.is_set():
            self._reviving = asyncio.get_running_loop().create_task(self._revive())

    async def _revive(self) -> None:
        """Start it again, when that is due, unless it is stopped before."""
        while True:
            wait_s = max(self._rules.respawn_s, self._limit.wait_s(time.monotonic()))
            if self._rules.flags.active("tars.no-start-limit"):
                wait_s = self._rules.respawn_s
            with suppress(TimeoutError):
                await asyncio.wait_for(self._unwanted.wait(), wait_s)
                return
            if self._rules.flags.active("tars.no-respawn"):
                continue
            async with self._lock:
                if self._process is None and not self._unwanted.is_set():
                    self._launch()
            if self._process is not None or self._unwanted.is_set():
                return


async def _ends(process: Process, timeout: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(process.ended.wait(), timeout)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
