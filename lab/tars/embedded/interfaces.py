"""The interfaces between master, node and service, as far as the embedded platform has them.

Tags and types: Registry.tars, AdminReg.tars, Node.tars, Patch.tars and NodeDescriptor.tars of
TarsFramework, checked against recorded packets (``fixtures/recordings/tars/packets``).
"""

from __future__ import annotations

from lab.tars.body import Float, Function, Int, Struct, field

REGISTRY = "tars.tarsregistry.RegistryObj"
ADMIN_REGISTRY = "tars.tarsAdminRegistry.AdminRegObj"
PATCH = "tars.tarspatch.PatchObj"
NODE = "tars.tarsnode.ServerObj"
CONFIG = "tars.tarsconfig.ConfigObj"
#: What a service listens to at the endpoint ``local`` of its configuration.
ADMIN = "AdminObj"


class Done(Struct, frozen=True):
    """The result of a function that has only a return code."""

    ret: Int = field(tag=0, default=0)


# Registry: what a node says of itself and of its servers


class NodeInfo(Struct, frozen=True, kw_only=True):
    node_name: str = field(tag=0)
    node_obj: str = field(tag=1, default="")
    endpoint_ip: str = field(tag=2, default="")
    endpoint_port: Int = field(tag=3, default=0)
    time_out: Int = field(tag=4, default=0)
    data_dir: str = field(tag=5)
    version: str = field(tag=6)


class LoadInfo(Struct, frozen=True):
    """The machine's load averages over 1, 5 and 15 minutes."""

    avg1: Float = field(tag=0)
    avg5: Float = field(tag=1)
    avg15: Float = field(tag=2)


class RegisterNode(Struct, frozen=True):
    name: str = field(tag=1)
    info: NodeInfo = field(tag=2)
    load: LoadInfo = field(tag=3)


class KeepAlive(Struct, frozen=True):
    name: str = field(tag=1)
    load: LoadInfo = field(tag=2)


class ServerState(Struct, frozen=True):
    """``state`` is a `lab.tars.embedded.states.ServerState`."""

    state: Int = field(tag=0)
    process_id: Int = field(tag=1)


class UpdateServer(Struct, frozen=True):
    node_name: str = field(tag=1)
    application: str = field(tag=2)
    server_name: str = field(tag=3)
    info: ServerState = field(tag=4)


class Patched(Struct, frozen=True):
    application: str = field(tag=0)
    server_name: str = field(tag=1)
    node_name: str = field(tag=2)
    version: str = field(tag=3)
    user: str = field(tag=4)


class UpdatePatchResult(Struct, frozen=True):
    result: Patched = field(tag=1)


class GetServers(Struct, frozen=True):
    """Empty names mean all of the node's servers."""

    application: str = field(tag=1)
    server_name: str = field(tag=2)
    node_name: str = field(tag=3)


class AdapterDescriptor(Struct, frozen=True):
    adapter_name: str = field(tag=0)
    thread_num: str = field(tag=1)
    endpoint: str = field(tag=2)
    max_connections: Int = field(tag=3)
    allow_ip: str = field(tag=4)
    servant: str = field(tag=5)
    queuecap: Int = field(tag=6)
    queuetimeout: Int = field(tag=7)
    protocol: str = field(tag=9)


class ServerDescriptor(Struct, frozen=True):
    application: str = field(tag=0)
    server_name: str = field(tag=1)
    node_name: str = field(tag=2)
    setting_state: str = field(tag=5)
    profile: str = field(tag=7)
    patch_version: str = field(tag=8)
    adapters: dict[str, AdapterDescriptor] = field(tag=11)
    server_type: str = field(tag=12)
    async_thread_num: Int = field(tag=17, default=3)


class Servers(Struct, frozen=True):
    servers: list[ServerDescriptor] = field(tag=0)


REGISTER_NODE = Function("registerNode", RegisterNode, Done)
KEEP_ALIVE = Function("keepAlive", KeepAlive, Done)
UPDATE_SERVER = Function("updateServer", UpdateServer, Done)
UPDATE_PATCH_RESULT = Function("updatePatchResult", UpdatePatchResult, Done)
GET_SERVERS = Function("getServers", GetServers, Servers)


# AdminReg: a node's line to the master, on which commands come back as pushes


class NodeReport(Struct, frozen=True):
    node_name: str = field(tag=0)
    sid: str = field(tag=1)


class ReportNode(Struct, frozen=True):
    report: NodeReport = field(tag=1)


class ReportResult(Struct, frozen=True):
    """One-way. ``callback`` is ``callback_`` and the name of the pushed function."""

    request_id: Int = field(tag=1)
    callback: str = field(tag=2)
    ret: Int = field(tag=3)
    result: str = field(tag=4)


class ServerCommand(Struct, frozen=True):
    """The arguments of startServer, stopServer and getStateInfo, as pushed."""

    request_id: Int = field(tag=1)
    node_name: str = field(tag=2)
    application: str = field(tag=3)
    server_name: str = field(tag=4)


class NotifyCommand(Struct, frozen=True):
    """The arguments of notifyServer, as pushed."""

    request_id: Int = field(tag=1)
    node_name: str = field(tag=2)
    application: str = field(tag=3)
    server_name: str = field(tag=4)
    command: str = field(tag=5)


class LogCommand(Struct, frozen=True):
    """The arguments of getLogFileList (the first four) and getLogData, as pushed.

    ``command`` reads the file, whose name in it is ``__log_file_name__``.
    """

    request_id: Int = field(tag=1)
    node_name: str = field(tag=2)
    application: str = field(tag=3)
    server_name: str = field(tag=4)
    file: str = field(tag=5, default="")
    command: str = field(tag=6, default="")


class PatchRequest(Struct, frozen=True):
    application: str = field(tag=0)
    server_name: str = field(tag=1)
    node_name: str = field(tag=2)
    version: str = field(tag=5)
    user: str = field(tag=6)
    patch_obj: str = field(tag=8)
    md5: str = field(tag=9)


class PatchCommand(Struct, frozen=True):
    """The arguments of patchPro, as pushed."""

    request_id: Int = field(tag=1)
    node_name: str = field(tag=2)
    request: PatchRequest = field(tag=3)


REPORT_NODE = Function("reportNode", ReportNode, Done)
REPORT_RESULT = Function("reportResult", ReportResult, Done)


# Patch: packages, in pieces


#: Where tarspatch shows packages.
PACKAGES = "/TARSBatchPatching"


def package_path(server: str, version: str) -> str:
    """The path by which nodes ask for version ``version`` of ``App.Server``'s package.

    The real one has ``…/App.Server.tgz`` for each server, which the last publish replaced.
    """
    return f"{PACKAGES}/{server.replace('.', '/')}/{version}.tgz"


class FilePiece(Struct, frozen=True):
    path: str = field(tag=1)
    position: Int = field(tag=2)


class Piece(Struct, frozen=True):
    """``ret`` is 0 for a piece, 1 at the end, negative when there is no such file."""

    ret: Int = field(tag=0)
    data: bytes = field(tag=3)


DOWNLOAD = Function("download", FilePiece, Piece)


# Node: what a service says to the node that started it


class ServerInfo(Struct, frozen=True):
    application: str = field(tag=0)
    server_name: str = field(tag=1)
    process_id: Int = field(tag=2)
    adapter: str = field(tag=3, default="")


class ServerAlive(Struct, frozen=True):
    info: ServerInfo = field(tag=1)


SERVER_ALIVE = Function("keepAlive", ServerAlive, Done)


# Config: what a service asks for its configuration files


class ConfigFile(Struct, frozen=True):
    """An empty ``server_name`` asks for the application's own file."""

    application: str = field(tag=1)
    server_name: str = field(tag=2)
    filename: str = field(tag=3)


class ConfigOnHost(Struct, frozen=True):
    """``server`` is ``App.Server``."""

    server: str = field(tag=1)
    filename: str = field(tag=2)
    host: str = field(tag=3)


class Config(Struct, frozen=True):
    ret: Int = field(tag=0)
    config: str = field(tag=4)


class ConfigsOf(Struct, frozen=True):
    application: str = field(tag=1)
    server_name: str = field(tag=2)


class ConfigNames(Struct, frozen=True):
    ret: Int = field(tag=0)
    names: list[str] = field(tag=3)


# Admin: what a node says to a service


class Notification(Struct, frozen=True):
    command: str = field(tag=1)


class NotificationAnswer(Struct, frozen=True):
    text: str = field(tag=0)


NOTIFY = Function("notify", Notification, NotificationAnswer)
