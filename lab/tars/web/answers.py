"""What TarsWeb tells, and how it refuses: the typed side of `lab.tars.web`.

Field names are those of TarsWeb 3.0.15's answers (``fixtures/recordings/tars/web``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from lab.errors import LabError

#: The smallest status of an item that has ended: 3 success, 4 failed, 5 cancelled.
ENDED = 3
SUCCESS = 3

#: How much of an unexpected answer an error shows, characters.
_EVIDENCE = 2000


class WebRefused(LabError):
    """TarsWeb answered, and not as it answers what it has done.

    ``status`` is the HTTP status, ``ret_code`` the envelope's (None: there was none) and
    ``message`` TarsWeb's own words.
    """

    def __init__(self, call: str, status: int, ret_code: int | None, message: str) -> None:
        self.status = status
        self.ret_code = ret_code
        self.message = message
        code = "no JSON" if ret_code is None else f"ret_code {ret_code}"
        super().__init__(
            f"TarsWeb refused {call}",
            found=f"HTTP {status}, {code}: {message[:200]}".strip(),
            expected="HTTP 200 with ret_code 200",
            advice="check the ticket of TarsWeb in the inventory" if status in (401, 403) else None,
            evidence=message[:_EVIDENCE] or None,
        )


class TaskFailed(LabError):
    """A task has ended, and not every item of it with success; ``task`` has them all."""

    def __init__(self, task: Task) -> None:
        self.task = task
        failed = [item for item in task.items if item.status != SUCCESS]
        super().__init__(
            f"{failed[0].command} of {failed[0].application}.{failed[0].server_name} "
            f"on {failed[0].node_name} failed",
            found=f"{failed[0].status_info}: {failed[0].execute_info}",
            expected="EM_I_SUCCESS",
            advice="the node's log of the server tells more",
        )


@dataclass(frozen=True)
class Application:
    """An application; ``f_id`` is TarsWeb's number for it."""

    f_id: int
    f_name: str


@dataclass(frozen=True)
class Adapter:
    """An object that a server shall serve: ``App.Server.<obj_name>`` at ``bind_ip:port``.

    ``queuetimeout`` in milliseconds.
    """

    obj_name: str
    bind_ip: str
    port: int
    port_type: str = "tcp"
    protocol: str = "tars"
    thread_num: int = 5
    max_connections: int = 100_000
    queuecap: int = 50_000
    queuetimeout: int = 20_000


@dataclass(frozen=True)
class ServerSpec:
    """A server to deploy on a node. ``server_type`` tars_cpp starts ``bin/<server_name>``.

    ``set_division`` is the set that it is in, ``name.area.group``; "" is none.
    """

    application: str
    server_name: str
    node_name: str
    adapters: tuple[Adapter, ...]
    server_type: str = "tars_cpp"
    template_name: str = "tars.cpp.default"
    set_division: str = ""


@dataclass(frozen=True)
class Server:
    """A deployed server. States are active, inactive, activating, deactivating.

    ``flow_state`` inactive takes its endpoints out of look-ups' active ones, while it runs.
    ``profile`` is what its configuration has beside its template's.
    """

    id: int
    application: str
    server_name: str
    node_name: str
    server_type: str
    setting_state: str
    present_state: str
    patch_version: str
    process_id: int
    template_name: str
    profile: str
    flow_state: str
    enable_set: bool
    set_name: str | None
    set_area: str | None
    set_group: str | None

    @property
    def name(self) -> str:
        """``App.Server``."""
        return f"{self.application}.{self.server_name}"

    @property
    def set_division(self) -> str:
        """The set that it is in, ``name.area.group``; "" is none."""
        parts = (self.set_name, self.set_area, self.set_group)
        return ".".join(part or "" for part in parts) if self.enable_set else ""


@dataclass(frozen=True)
class AdapterConf:
    """An adapter as TarsWeb keeps it; ``endpoint`` reads ``tcp -h HOST -t MS -p PORT -e 0``.

    ``queuetimeout`` in milliseconds.
    """

    id: int
    servant: str
    endpoint: str
    thread_num: int
    max_connections: int
    queuecap: int
    queuetimeout: int
    protocol: str
    allow_ip: str
    handlegroup: str


@dataclass(frozen=True)
class StateReport:
    """A server's states: as set, as its node has it, as the registry has it; None where the
    node could not be asked. ``known`` says whether the node has had anything of the server.
    """

    application: str
    server_name: str
    node_name: str
    node_ok: bool
    setting: str | None
    in_node: str | None
    in_registry: str | None
    known: bool

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> StateReport:
        """From a row of server_state's answer."""
        told = {
            "node_ok": row.get("is_node_ok"),
            "setting": row.get("setting_state_in_reg"),
            "in_node": row.get("present_state_in_node"),
            "in_registry": row.get("present_state_in_reg"),
            "known": row.get("query_ret_code") == 0,
        }
        return read("server_state", cls, {**row, **told})


@dataclass(frozen=True)
class CommandAnswer:
    """What came of a command to a running server; ``text`` is the server's, or says why not."""

    application: str
    server_name: str
    node_name: str
    ret_code: int
    text: str

    @classmethod
    def read(cls, call: str, row: Mapping[str, Any]) -> CommandAnswer:
        """From an answer's row, where the text is called err_msg, and can be anything."""
        try:
            return read(call, cls, {**row, "text": str(row["err_msg"])})
        except KeyError as error:
            raise WebRefused(call, 200, 200, f"no text in the answer: {error}") from None

    @property
    def reached(self) -> bool:
        """Whether the server itself answered."""
        return self.ret_code == 0


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file.

    ``level`` 1 is an application's (``server_name`` is ``App``), 2 a server's (``App.Server``),
    3 a server's on one node.
    """

    id: int
    server_name: str
    node_name: str
    filename: str
    config: str
    level: int
    set_name: str
    set_area: str
    set_group: str


@dataclass(frozen=True)
class ConfigRevision:
    """What a file was; the newest is what it is."""

    id: int
    reason: str
    content: str
    posttime: str


@dataclass(frozen=True)
class Reference:
    """Another file that stands before a file's own content; ``id`` is the reference's number."""

    id: int
    config_id: int
    file_id: int
    filename: str


@dataclass(frozen=True)
class Template:
    """A profile, which stands upon that of ``parents_name``."""

    id: int
    template_name: str
    parents_name: str
    profile: str


@dataclass(frozen=True)
class Preview:
    """One object of a server on a node that it shall be on; ``port`` is for us to choose."""

    application: str
    server_name: str
    node_name: str
    set: str
    obj_name: str
    bind_ip: str
    port: int
    template_name: str
    status: str
    auth: int


@dataclass(frozen=True)
class Token:
    """A token that lets whoever has it in; times in ISO form."""

    id: int
    uid: str
    token: str = field(repr=False)
    expire_time: str


@dataclass(frozen=True)
class Package:
    """An uploaded package; ``id`` is what publishing names, and the server's patch_version."""

    id: int
    server: str
    tgz: str
    comment: str
    posttime: str


@dataclass(frozen=True)
class Published:
    """One server that `upload_and_publish` began to publish to."""

    server_id: int
    node_name: str
    task_no: str


@dataclass(frozen=True)
class TaskItem:
    """One command of a task on one server. ``execute_info`` alarms at times without reason."""

    item_no: str
    application: str
    server_name: str
    node_name: str
    command: str
    status: int
    status_info: str
    execute_info: str
    percent: int


@dataclass(frozen=True)
class Task:
    """A task; its own ``status`` is 6 whenever its items differ."""

    task_no: str
    serial: bool
    status: int
    items: tuple[TaskItem, ...]

    @property
    def ended(self) -> bool:
        return all(item.status >= ENDED for item in self.items)


def set_parts(division: str) -> dict[str, object]:
    """A set, ``name.area.group``, as requests spell it; "" is none."""
    name, area, group = division.split(".") if division else ("", "", "")
    return {
        "enable_set": bool(division),
        "set_name": name,
        "set_area": area,
        "set_group": group,
    }


M = TypeVar("M")


def read(call: str, kind: type[M], data: Mapping[str, Any]) -> M:
    """The dataclass ``kind`` from the fields of an answer; the others are ignored."""
    try:
        return kind(**{one.name: data[one.name] for one in fields(kind)})  # type: ignore[arg-type]
    except (KeyError, TypeError) as error:
        raise WebRefused(call, 200, 200, f"no {kind.__name__} in the answer: {error}") from None


def rows_of(call: str, data: Any) -> list[Mapping[str, Any]]:
    """The rows of an answer that is a list of objects; raises `WebRefused` for another."""
    if not isinstance(data, list) or not all(isinstance(row, Mapping) for row in data):
        raise WebRefused(call, 200, 200, f"no list of objects in the answer: {data!r:.100}")
    return data


def read_rows(call: str, kind: type[M], data: Any) -> list[M]:
    """`read` for each row of an answer that is a list of objects."""
    return [read(call, kind, row) for row in rows_of(call, data)]
