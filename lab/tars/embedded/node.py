"""The embedded Tars node: ``python3 -m lab.tars.embedded.node --help``.

It registers with the master as a 3.x node does, takes commands as pushes on that
connection, fetches packages, starts servers and keeps them alive. Master and node survive
each other's restart; servers survive the node's death, and end with it when it is
terminated.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from hashlib import md5
from pathlib import Path

from lab.faultflags import FaultFlags
from lab.tars.body import decode_body, encode_body
from lab.tars.embedded import interfaces as api
from lab.tars.embedded import options, serverlogs
from lab.tars.embedded.configuration import Surroundings
from lab.tars.embedded.link import Link
from lab.tars.embedded.servants import Call, ServantServer
from lab.tars.embedded.server import Patience, Rules, Server
from lab.tars.embedded.startlimit import Limits
from lab.tars.embedded.states import ServerState
from lab.tars.embedded.unpacking import BrokenPackage, put_in_place
from lab.tars.errors import TarsError
from lab.tars.framework import LOG_OBJECT, NOTIFY_OBJECT, PROPERTY_OBJECT, STAT_OBJECT
from lab.tars.packets import PUSH_FUNCTION, ResponsePacket
from lab.tars.queryf import FIND_OBJECT_BY_ID_IN_SAME_GROUP, QUERY_OBJECT, ById

_log = logging.getLogger("embedded tarsnode")

VERSION = "3.0.17-embedded"
#: How often the node says that it is there (tarsnode: 10 to 12 s), seconds.
_REPORT_S = 10.0
#: How long it waits before it connects again, seconds.
_RECONNECT_S = 0.3
_DOWNLOAD_TIMEOUT_S = 30.0
#: How long a busy node works each second, seconds.
_BUSY_S = 0.2
#: How servers are ended with the node: it has 2 s in all before it is killed itself.
_LAST_PATIENCE = Patience(shutdown_s=0.7, term_s=0.5, kill_s=0.3)

#: A node's code and words; the connection on which a command came gets them.
Result = tuple[int, str]


class Node:
    """A node called ``name``, whose servers lie in ``home/.iec4/tarsnode/data``."""

    def __init__(
        self,
        name: str,
        home: Path,
        registry: tuple[str, int],
        *,
        limits: Limits,
        respawn_s: float,
    ) -> None:
        self._name = name
        self._flags = FaultFlags(home)
        self._directory = home / ".iec4" / "tarsnode"
        self._data = self._directory / "data"
        self._data.mkdir(parents=True, exist_ok=True)
        self._registry = registry
        self._limits = limits
        self._respawn_s = respawn_s
        self._servers: dict[tuple[str, str], Server] = {}
        self._link: Link | None = None
        self._over = asyncio.Event()
        self._commands: set[asyncio.Task[None]] = set()
        self._service = ServantServer(
            {api.NODE: dict.fromkeys(("keepAlive", "keepActiving"), self._server_alive)}
        )

    async def run(self, host: str) -> None:
        """Serve until SIGTERM or SIGINT; then end every server."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        port = await self._listen(host)
        self._rules = Rules(
            Surroundings(self._registry, (host, port)), self._limits, self._flags, self._respawn_s
        )
        _log.info("node %s serves its servers at %s:%s", self._name, host, port)
        self._begin(self._go_wrong())
        while not self._over.is_set():
            await self._attend()
            if self._flags.active("tars.servers-need-registry"):
                for server in self._servers.values():
                    server.kill()
            await self._pause(_RECONNECT_S)
        await asyncio.gather(*(server.stop(_LAST_PATIENCE) for server in self._servers.values()))
        await self._service.close()

    async def _listen(self, host: str) -> int:
        """Listen where running servers look for this node: at the same port as before."""
        file = self._directory / "port"
        before = int(file.read_text()) if file.exists() else 0
        try:
            port = await self._service.start(host, before)
        except OSError:
            port = await self._service.start(host, 0)
        file.write_text(str(port))
        return port

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    async def _go_wrong(self) -> None:
        """What the faults tars.node-busy and tars.servers-need-optional do, once a second."""
        while not self._over.is_set():
            until = time.process_time() + _BUSY_S
            while self._flags.active("tars.node-busy") and time.process_time() < until:
                pass
            if self._flags.active("tars.servers-need-optional") and await self._optional_absent():
                for server in self._servers.values():
                    server.kill()
            await self._pause(1.0)

    async def _optional_absent(self) -> bool:
        """Whether one of the framework's optional servers is deployed and not active."""
        for name in (STAT_OBJECT, PROPERTY_OBJECT, NOTIFY_OBJECT, LOG_OBJECT):
            if self._link is None:
                return False
            with suppress(TarsError):
                found = await self._link.call(
                    QUERY_OBJECT, FIND_OBJECT_BY_ID_IN_SAME_GROUP, ById(name)
                )
                if found.inactive:
                    return True
        return False

    # The line to the master

    async def _attend(self) -> None:
        """Connect, register, and do what is asked until the connection ends."""
        try:
            link = await Link.open(self._registry, self._pushed)
        except OSError as error:
            _log.warning("the master at %s:%s cannot be reached: %s", *self._registry, error)
            return
        listening = asyncio.create_task(link.listen())
        over = asyncio.create_task(self._over.wait())
        try:
            await self._register(link)
            self._link = link
            while not listening.done() and not over.done():
                await asyncio.wait(
                    {listening, over}, timeout=_REPORT_S, return_when=asyncio.FIRST_COMPLETED
                )
                self._report(link)
        except TarsError as error:
            _log.warning("registration failed: %s", error)
        finally:
            self._link = None
            link.close()
            for task in (listening, over):
                task.cancel()
            await asyncio.gather(listening, over, return_exceptions=True)

    async def _register(self, link: Link) -> None:
        info = api.NodeInfo(node_name=self._name, data_dir=str(self._data), version=VERSION)
        registration = api.RegisterNode(self._name, info, _load())
        await link.call(api.REGISTRY, api.REGISTER_NODE, registration)
        everything = api.GetServers("", "", self._name)
        known = (await link.call(api.REGISTRY, api.GET_SERVERS, everything)).servers
        for descriptor in known:
            server = self._server(descriptor)
            self._tell_state(link, server)
            if descriptor.setting_state == "active" and server.state is ServerState.INACTIVE:
                self._begin(server.start(descriptor))
        self._report(link)
        _log.info("registered with the master; %d servers are deployed here", len(known))

    def _report(self, link: Link) -> None:
        report = api.NodeReport(self._name, f"{os.getpid()}")
        link.tell(api.ADMIN_REGISTRY, api.REPORT_NODE, api.ReportNode(report))
        link.tell(api.REGISTRY, api.KEEP_ALIVE, api.KeepAlive(self._name, _load()))

    def _tell_state(self, link: Link, server: Server) -> None:
        link.tell(
            api.REGISTRY,
            api.UPDATE_SERVER,
            api.UpdateServer(
                self._name,
                server.descriptor.application,
                server.descriptor.server_name,
                api.ServerState(server.state, server.pid),
            ),
        )

    def _changed(self, server: Server) -> None:
        _log.info("%s is %s, process %s", server.name, server.state.stored, server.pid)
        if self._link is not None:
            self._tell_state(self._link, server)

    # Servers

    def _server(self, descriptor: api.ServerDescriptor) -> Server:
        """The server of that description; a process that an earlier node left is found."""
        key = descriptor.application, descriptor.server_name
        if key not in self._servers:
            directory = self._data / ".".join(key)
            server = Server(descriptor, directory, self._rules, self._changed)
            server.find()
            self._servers[key] = server
        return self._servers[key]

    def _server_alive(self, call: Call) -> bytes:
        """ServerObj.keepAlive: -1 for a server that is not this node's."""
        info = decode_body(api.ServerAlive, call.body).info
        server = self._servers.get((info.application, info.server_name))
        if server is None:
            return encode_body(api.Done(-1))
        if call.packet.function == "keepAlive":
            server.alive(info.process_id)
        return encode_body(api.Done())

    # Commands

    def _begin(self, work: Awaitable[object]) -> None:
        async def done() -> None:
            await work

        task = asyncio.get_running_loop().create_task(done())
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    def _pushed(self, packet: ResponsePacket) -> None:
        name = packet.status.get(PUSH_FUNCTION, "")
        if name == "patchPro":
            patch = decode_body(api.PatchCommand, packet.body)
            self._begin(self._answer(name, patch.request_id, partial(self._patch, patch.request)))
            return
        if name == "notifyServer":
            told = decode_body(api.NotifyCommand, packet.body)
            self._begin(self._answer(name, told.request_id, partial(self._notify, told)))
            return
        if name in ("getLogFileList", "getLogData"):
            log = decode_body(api.LogCommand, packet.body)
            self._begin(self._answer(name, log.request_id, partial(self._log, log)))
            return
        command = decode_body(api.ServerCommand, packet.body)
        acts: dict[str, Callable[[api.ServerCommand], Awaitable[Result]]] = {
            "startServer": self._start,
            "stopServer": self._stop,
            "getStateInfo": self._state,
        }
        act = acts.get(name, self._unknown)
        self._begin(self._answer(name, command.request_id, partial(act, command)))

    async def _answer(
        self, name: str, request_id: int, act: Callable[[], Awaitable[Result]]
    ) -> None:
        try:
            ret, text = await act()
        except Exception as error:  # noqa: BLE001 - a command is always answered: its task waits for that
            if not isinstance(error, TarsError | OSError):
                _log.exception("%s broke", name)
            ret, text = -1, f"{type(error).__name__}: {error}"
        if self._link is not None:
            report = api.ReportResult(request_id, f"callback_{name}", ret, text)
            self._link.tell(api.ADMIN_REGISTRY, api.REPORT_RESULT, report, one_way=True)

    async def _unknown(self, _: api.ServerCommand) -> Result:
        return -1, "command not support!"

    async def _start(self, command: api.ServerCommand) -> Result:
        descriptor = await self._described(command.application, command.server_name)
        if descriptor is None:
            return -1, "server is  not exist"
        return await self._server(descriptor).start(descriptor)

    async def _stop(self, command: api.ServerCommand) -> Result:
        server = self._servers.get((command.application, command.server_name))
        return (0, "succ:server state is Inactive. ") if server is None else await server.stop()

    async def _state(self, command: api.ServerCommand) -> Result:
        """The state travels as a number in the text, where the real one sends a struct."""
        server = self._servers.get((command.application, command.server_name))
        return (-1, "server not exist") if server is None else (0, str(int(server.state)))

    async def _notify(self, told: api.NotifyCommand) -> Result:
        server = self._servers.get((told.application, told.server_name))
        return (-1, "server is not exist") if server is None else await server.notify(told.command)

    async def _log(self, asked: api.LogCommand) -> Result:
        """The names of a server's logs, as JSON in the text, or what is in one of them."""
        server = self._servers.get((asked.application, asked.server_name))
        if server is None:
            return -1, "server is not exist"
        if asked.file:
            if self._flags.active("tars.log-empty"):
                return 0, ""
            return await serverlogs.read(server.logs, asked.file, asked.command)
        return 0, json.dumps(serverlogs.files(server.logs))

    async def _described(self, application: str, server_name: str) -> api.ServerDescriptor | None:
        if self._link is None:
            return None
        asked = api.GetServers(application, server_name, self._name)
        found = (await self._link.call(api.REGISTRY, api.GET_SERVERS, asked)).servers
        return found[0] if found else None

    async def _patch(self, asked: api.PatchRequest) -> Result:
        """Fetch a package, check it and put it in place of the old one."""
        descriptor = await self._described(asked.application, asked.server_name)
        if descriptor is None or self._link is None:
            return -1, f"load {asked.application}.{asked.server_name}|server is  not exist"
        server = self._server(descriptor)
        archive = server.directory / "package.tgz"
        if self._flags.active("tars.disk-full"):
            archive.unlink(missing_ok=True)
            archive.symlink_to("/dev/full")  # the kernel itself says that nothing is left
        try:
            await self._download(self._link, asked, archive)
            await asyncio.to_thread(
                put_in_place,
                archive,
                server.directory / "bin",
                any_machine=self._flags.active("tars.arch-ignored"),
            )
        except BrokenPackage as error:
            return -1, str(error)
        finally:
            archive.unlink(missing_ok=True)
        patched = api.Patched(
            asked.application, asked.server_name, self._name, asked.version, asked.user
        )
        self._link.tell(api.REGISTRY, api.UPDATE_PATCH_RESULT, api.UpdatePatchResult(patched))
        return 0, ""

    async def _download(self, link: Link, asked: api.PatchRequest, archive: Path) -> None:
        digest = md5(usedforsecurity=False)  # the sum that Tars compares
        path = api.package_path(f"{asked.application}.{asked.server_name}", asked.version)
        with archive.open("wb") as file:
            while True:
                wanted = api.FilePiece(path, file.tell())
                piece = await link.call(
                    api.PATCH, api.DOWNLOAD, wanted, timeout=_DOWNLOAD_TIMEOUT_S
                )
                if piece.ret != 0:
                    break
                digest.update(piece.data)
                file.write(piece.data)
        if piece.ret < 0 or digest.hexdigest() != asked.md5:
            raise BrokenPackage(f"{path} arrived with md5 {digest.hexdigest()}, not {asked.md5}")


def _load() -> api.LoadInfo:
    return api.LoadInfo(*os.getloadavg())


def main() -> None:
    parser = options.parser("lab.tars.embedded.node", __doc__)
    parser.add_argument("--name", required=True, help="the node's name: its host's address")
    parser.add_argument(
        "--address",
        default=os.environ.get("IEC4_ADDRESS"),
        help="where to listen for its servers (else $IEC4_ADDRESS, else the name)",
    )
    parser.add_argument("--respawn", type=float, default=0.5, help="a dead server is back after s")
    parser.add_argument("--start-limit", type=int, default=Limits.starts)
    parser.add_argument("--start-window", type=float, default=Limits.window_s, help="seconds")
    parser.add_argument("--start-pause", type=float, default=Limits.pause_s, help="seconds")
    given = parser.parse_args()
    options.log_to_stderr()
    home = given.home.absolute()
    # Its servers find there what was deployed with them (Node.js), on any kind of host.
    os.environ["PATH"] = f"{home / 'bin'}:{os.environ['PATH']}"

    async def serve() -> None:
        node = Node(
            given.name,
            home,
            given.registry,
            limits=Limits(given.start_limit, given.start_window, given.start_pause),
            respawn_s=given.respawn,
        )
        await node.run(given.address or given.name)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
