"""What the embedded master keeps of the platform: applications, nodes, servers, adapters.

Column names are the field names of TarsWeb's answers, so a row is nearly an answer. Tasks
and packages are kept by `lab.tars.embedded.tasktable`, which this database extends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.tars.embedded.states import ServerState
from lab.tars.embedded.store import Row, now
from lab.tars.embedded.tasktable import TaskTable

#: The length at which the real database cuts a server's name, silently.
NAME_LENGTH = 128

#: application, server name, node name
Key = tuple[str, str, str]

#: What an adapter has of its own, beside its server's key.
ADAPTER_COLUMNS = (
    "adapter_name", "servant", "endpoint", "thread_num", "max_connections", "queuecap",
    "queuetimeout", "allow_ip", "protocol", "handlegroup",
)  # fmt: skip

#: What a server is deployed with, beside its key; the rest has defaults.
SERVER_COLUMNS = (
    "server_type", "template_name", "enable_set", "set_name", "set_area", "set_group",
    "patch_version", "posttime",
)  # fmt: skip
#: What can be changed of a deployed server.
CHANGEABLE = (
    "server_type", "template_name", "profile", "enable_set", "set_name", "set_area", "set_group",
    "bak_flag", "async_thread_num", "enable_group",
)  # fmt: skip

_KEY = ("application", "server_name", "node_name")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS application (
    f_id INTEGER PRIMARY KEY AUTOINCREMENT, f_name TEXT NOT NULL UNIQUE, created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS node (
    node_name TEXT PRIMARY KEY, data_dir TEXT NOT NULL, tars_version TEXT NOT NULL,
    present_state TEXT NOT NULL, last_heartbeat TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS server (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application TEXT NOT NULL, server_name TEXT NOT NULL, node_name TEXT NOT NULL,
    server_type TEXT NOT NULL, template_name TEXT NOT NULL,
    enable_set INTEGER NOT NULL DEFAULT 0, set_name TEXT, set_area TEXT, set_group TEXT,
    setting_state TEXT NOT NULL DEFAULT 'inactive', present_state TEXT NOT NULL DEFAULT 'inactive',
    flow_state TEXT NOT NULL DEFAULT 'active', bak_flag INTEGER NOT NULL DEFAULT 0,
    profile TEXT NOT NULL DEFAULT '', async_thread_num INTEGER NOT NULL DEFAULT 3,
    enable_group INTEGER NOT NULL DEFAULT 0,
    patch_time TEXT NOT NULL DEFAULT '1970-01-01 00:00:00', patch_version TEXT NOT NULL DEFAULT '',
    patch_user TEXT NOT NULL DEFAULT '', process_id INTEGER NOT NULL DEFAULT 0,
    posttime TEXT NOT NULL, UNIQUE (application, server_name, node_name));
CREATE TABLE IF NOT EXISTS adapter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application TEXT NOT NULL, server_name TEXT NOT NULL, node_name TEXT NOT NULL,
    adapter_name TEXT NOT NULL, servant TEXT NOT NULL, endpoint TEXT NOT NULL,
    thread_num INTEGER NOT NULL, max_connections INTEGER NOT NULL,
    queuecap INTEGER NOT NULL, queuetimeout INTEGER NOT NULL,
    allow_ip TEXT NOT NULL, protocol TEXT NOT NULL, handlegroup TEXT NOT NULL,
    posttime TEXT NOT NULL, UNIQUE (application, server_name, node_name, adapter_name));
CREATE INDEX IF NOT EXISTS adapter_servant ON adapter (servant);
"""


class Database(TaskTable):
    """The master's database at ``path``. To be used from one thread."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.define(_SCHEMA)

    # Applications

    def add_application(self, name: str) -> Row:
        """Add an application; raises `sqlite3.IntegrityError` when there is one of that name."""
        self.write("INSERT INTO application (f_name, created) VALUES (?, ?)", name, now())
        [row] = self.rows("SELECT * FROM application WHERE f_name = ?", name)
        return row

    def applications(self, part: str = "") -> list[Row]:
        """The applications whose name contains ``part``, by name."""
        return self.rows(
            "SELECT * FROM application WHERE instr(lower(f_name), lower(?)) "
            "ORDER BY f_name COLLATE NOCASE",
            part,
        )

    def delete_application(self, f_id: str) -> None:
        """Forget an application; its servers stay, as they do on the real one."""
        self.write("DELETE FROM application WHERE f_id = ?", f_id)

    # Nodes

    def register_node(self, name: str, data_dir: str, version: str) -> None:
        self.write(
            "INSERT INTO node VALUES (?, ?, ?, 'active', ?) ON CONFLICT (node_name) DO UPDATE SET "
            "data_dir = excluded.data_dir, tars_version = excluded.tars_version, "
            "present_state = 'active', last_heartbeat = excluded.last_heartbeat",
            name,
            data_dir,
            version,
            now(),
        )

    def node_seen(self, name: str) -> None:
        self.write("UPDATE node SET last_heartbeat = ? WHERE node_name = ?", now(), name)

    def node_lost(self, name: str | None = None) -> None:
        """A node (None: every node) is not there any more."""
        self.write(
            "UPDATE node SET present_state = 'inactive' WHERE node_name = coalesce(?, node_name)",
            name,
        )

    def nodes(self) -> list[str]:
        """Names of the nodes that are there."""
        rows = self.rows("SELECT node_name FROM node WHERE present_state = 'active' ORDER BY 1")
        return [row["node_name"] for row in rows]

    def described_nodes(self) -> list[Row]:
        """Every node, absent ones too."""
        return self.rows("SELECT rowid AS id, * FROM node ORDER BY node_name")

    # Servers and their adapters

    def add_server(
        self, server: Mapping[str, object], adapters: Iterable[Mapping[str, object]]
    ) -> None:
        """Deploy a server, or adapters for one that is there; names are cut to `NAME_LENGTH`.

        ``server`` has application, server_name, node_name and of `SERVER_COLUMNS` what is not
        left to its default; an adapter the `ADAPTER_COLUMNS`, and may have its posttime.
        """
        key = {k: str(server[k])[:NAME_LENGTH] for k in _KEY}
        given = {column: server[column] for column in SERVER_COLUMNS if column in server}
        with self.transaction():
            if not self.servers(*key.values()):
                self.insert("server", {"posttime": now(), **key, **given})
            for adapter in adapters:
                self.write(
                    "DELETE FROM adapter WHERE application = ? AND server_name = ? "
                    "AND node_name = ? AND adapter_name = ?",
                    *key.values(),
                    adapter["adapter_name"],
                )
                self.insert("adapter", {"posttime": now(), **key, **adapter})

    def servers(
        self,
        application: str | None = None,
        server_name: str | None = None,
        node_name: str | None = None,
    ) -> list[Row]:
        """The servers that match, by application, name and node."""
        return self.rows(
            "SELECT * FROM server WHERE application = coalesce(?1, application) "
            "AND server_name = coalesce(?2, server_name) AND node_name = coalesce(?3, node_name) "
            "ORDER BY application COLLATE NOCASE, server_name COLLATE NOCASE, node_name",
            application,
            server_name,
            node_name,
        )

    def server(self, server_id: str) -> Row | None:
        return self.row("SELECT * FROM server WHERE id = ?", server_id)

    def change_server(self, server_id: str, changes: Mapping[str, object]) -> None:
        """Change what a server is deployed with: of ``changes`` the `CHANGEABLE` ones."""
        self._change("server", server_id, {k: changes[k] for k in CHANGEABLE if k in changes})

    def _change(self, table: str, number: str, changes: Mapping[str, object]) -> None:
        assignments = "".join(f"{name} = ?, " for name in changes)
        self.write(
            f"UPDATE {table} SET {assignments}posttime = ? WHERE id = ?",  # noqa: S608 - our names
            *changes.values(),
            now(),
            number,
        )

    def set_flow(self, application: str, server_name: str, node_name: str, state: str) -> None:
        """Whether look-ups count a server's endpoints as active: "active" or "inactive"."""
        self.write(
            "UPDATE server SET flow_state = ? "
            "WHERE application = ? AND server_name = ? AND node_name = ?",
            state,
            application,
            server_name,
            node_name,
        )

    def set_setting(self, key: Key, state: str) -> None:
        """What a server shall be: "active" or "inactive". ``key``: application, name, node."""
        self.write(
            "UPDATE server SET setting_state = ? "
            "WHERE application = ? AND server_name = ? AND node_name = ?",
            state,
            *key,
        )

    def set_present(self, key: Key, state: ServerState, process_id: int) -> None:
        """What a server is, as its node reports it."""
        self.write(
            "UPDATE server SET present_state = ?, process_id = ? "
            "WHERE application = ? AND server_name = ? AND node_name = ?",
            state.stored,
            process_id,
            *key,
        )

    def set_patched(self, key: Key, version: str, user: str) -> None:
        """A server's package was replaced."""
        self.write(
            "UPDATE server SET patch_version = ?, patch_user = ?, patch_time = ? "
            "WHERE application = ? AND server_name = ? AND node_name = ?",
            version,
            user,
            now(),
            *key,
        )

    def delete_server(self, key: Key) -> None:
        with self.transaction():
            for table in ("server", "adapter"):
                self.write(
                    f"DELETE FROM {table} "  # noqa: S608 - our names
                    "WHERE application = ? AND server_name = ? AND node_name = ?",
                    *key,
                )

    def adapters(self, application: str, server_name: str, node_name: str) -> list[Row]:
        return self.rows(
            "SELECT * FROM adapter "
            "WHERE application = ? AND server_name = ? AND node_name = ? ORDER BY id",
            application,
            server_name,
            node_name,
        )

    def places(self, servant: str) -> list[Row]:
        """Where ``App.Server.Obj`` is deployed: endpoint, node_name, the states and the set."""
        return self.rows(
            "SELECT endpoint, node_name, setting_state, present_state, flow_state, "
            "server.posttime, enable_set, set_name, set_area, set_group "
            "FROM adapter JOIN server USING (application, server_name, node_name) "
            "WHERE servant = ? ORDER BY adapter.id",
            servant,
        )

    def adapter(self, adapter_id: str) -> Row | None:
        return self.row("SELECT * FROM adapter WHERE id = ?", adapter_id)

    def add_adapter(self, adapter: Row) -> Row:
        """Add an adapter with its server's key in it; shows the one of its name that is there."""
        there = self.row(
            "SELECT * FROM adapter WHERE application = ? AND server_name = ? "
            "AND node_name = ? AND adapter_name = ?",
            *(adapter[name] for name in (*_KEY, "adapter_name")),
        )
        return there or self.insert("adapter", {**adapter, "posttime": now()})

    def change_adapter(self, adapter_id: str, changes: Mapping[str, object]) -> None:
        """Change an adapter: of ``changes`` the `ADAPTER_COLUMNS`."""
        wanted = {name: changes[name] for name in ADAPTER_COLUMNS if name in changes}
        self._change("adapter", adapter_id, wanted)

    def delete_adapter(self, adapter_id: str) -> bool:
        """Forget an adapter; whether there was one."""
        return self.write("DELETE FROM adapter WHERE id = ?", adapter_id) == 1

    def ports(self, node_name: str) -> list[str]:
        """The endpoints that adapters on a node have taken."""
        rows = self.rows("SELECT endpoint FROM adapter WHERE node_name = ?", node_name)
        return [row["endpoint"] for row in rows]
