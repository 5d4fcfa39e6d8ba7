"""What the embedded master keeps: applications, nodes, servers, packages and tasks, in SQLite.

Column names are the field names of TarsWeb's answers, so a row is nearly an answer. Every
change is committed before anything is acknowledged; with the write-ahead log a killed
process loses nothing that it acknowledged.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.tars.embedded.states import ItemStatus, ServerState

#: A row by column name.
Row = dict[str, Any]

#: MySQL's zero of time, as TarsWeb shows a time that never was.
NEVER = "1970-01-01 00:00:00"
#: The length at which the real database cuts a server's name, silently.
NAME_LENGTH = 128
#: The commands whose tasks the real one keeps for good.
PUBLISHES = ("patch_tars", "grace_patch_tars")
#: How long finished tasks of other commands can be asked for, seconds.
KEEP_TASKS_S = 300.0

#: What an adapter has of its own, beside its server's key.
ADAPTER_COLUMNS = (
    "adapter_name", "servant", "endpoint", "thread_num", "max_connections", "queuecap",
    "queuetimeout", "allow_ip", "protocol", "handlegroup",
)  # fmt: skip

_BUSY_TIMEOUT_S = 5.0

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
    setting_state TEXT NOT NULL DEFAULT 'inactive', present_state TEXT NOT NULL DEFAULT 'inactive',
    patch_time TEXT NOT NULL, patch_version TEXT NOT NULL DEFAULT '',
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
CREATE TABLE IF NOT EXISTS package (
    id INTEGER PRIMARY KEY AUTOINCREMENT, server TEXT NOT NULL, tgz TEXT NOT NULL,
    md5 TEXT NOT NULL, comment TEXT NOT NULL, posttime TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS task (
    task_no TEXT PRIMARY KEY, serial INTEGER NOT NULL, create_time TEXT NOT NULL,
    created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS task_item (
    item_no TEXT PRIMARY KEY, task_no TEXT NOT NULL REFERENCES task ON DELETE CASCADE,
    place INTEGER NOT NULL, application TEXT NOT NULL, server_name TEXT NOT NULL,
    node_name TEXT NOT NULL, command TEXT NOT NULL, patch_id TEXT NOT NULL,
    status INTEGER NOT NULL DEFAULT 0, start_time TEXT NOT NULL DEFAULT '',
    end_time TEXT NOT NULL DEFAULT '', execute_info TEXT NOT NULL DEFAULT '',
    percent INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS task_item_task ON task_item (task_no);
"""


def now() -> str:
    """The time as TarsWeb writes it, local, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


class Database:
    """The master's database at ``path``. To be used from one thread."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A commit is then in the system's page cache: it survives the process, not the machine.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def _rows(self, sql: str, *values: object) -> list[Row]:
        return [dict(row) for row in self._connection.execute(sql, values)]

    def _row(self, sql: str, *values: object) -> Row | None:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else dict(row)

    def _write(self, sql: str, *values: object) -> None:
        self._connection.execute(sql, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    # Applications

    def add_application(self, name: str) -> Row:
        """Add an application; raises `sqlite3.IntegrityError` when there is one of that name."""
        self._write("INSERT INTO application (f_name, created) VALUES (?, ?)", name, now())
        [row] = self._rows("SELECT * FROM application WHERE f_name = ?", name)
        return row

    def applications(self, part: str = "") -> list[Row]:
        """The applications whose name contains ``part``, by name."""
        return self._rows(
            "SELECT * FROM application WHERE instr(lower(f_name), lower(?)) "
            "ORDER BY f_name COLLATE NOCASE",
            part,
        )

    def delete_application(self, f_id: str) -> None:
        """Forget an application; its servers stay, as they do on the real one."""
        self._write("DELETE FROM application WHERE f_id = ?", f_id)

    # Nodes

    def register_node(self, name: str, data_dir: str, version: str) -> None:
        self._write(
            "INSERT INTO node VALUES (?, ?, ?, 'active', ?) ON CONFLICT (node_name) DO UPDATE SET "
            "data_dir = excluded.data_dir, tars_version = excluded.tars_version, "
            "present_state = 'active', last_heartbeat = excluded.last_heartbeat",
            name,
            data_dir,
            version,
            now(),
        )

    def node_seen(self, name: str) -> None:
        self._write("UPDATE node SET last_heartbeat = ? WHERE node_name = ?", now(), name)

    def node_lost(self, name: str | None = None) -> None:
        """A node (None: every node) is not there any more."""
        self._write(
            "UPDATE node SET present_state = 'inactive' WHERE node_name = coalesce(?, node_name)",
            name,
        )

    def nodes(self) -> list[str]:
        """Names of the nodes that are there."""
        rows = self._rows("SELECT node_name FROM node WHERE present_state = 'active' ORDER BY 1")
        return [row["node_name"] for row in rows]

    # Servers and their adapters

    def add_server(
        self, server: Mapping[str, object], adapters: Iterable[Mapping[str, object]]
    ) -> None:
        """Deploy a server, or adapters for one that is there; names are cut to `NAME_LENGTH`.

        ``server`` has application, server_name, node_name, server_type, template_name;
        an adapter the `ADAPTER_COLUMNS`.
        """
        key = [str(server[k])[:NAME_LENGTH] for k in ("application", "server_name", "node_name")]
        with self._transaction():
            self._write(
                "INSERT OR IGNORE INTO server (application, server_name, node_name, server_type, "
                "template_name, patch_time, posttime) VALUES (?, ?, ?, ?, ?, ?, ?)",
                *key,
                server["server_type"],
                server["template_name"],
                NEVER,
                now(),
            )
            for adapter in adapters:
                self._write(
                    "INSERT OR REPLACE INTO adapter (application, server_name, node_name, "
                    "posttime, adapter_name, servant, endpoint, thread_num, max_connections, "
                    "queuecap, queuetimeout, allow_ip, protocol, handlegroup) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    *key,
                    now(),
                    *(adapter[column] for column in ADAPTER_COLUMNS),
                )

    def servers(
        self,
        application: str | None = None,
        server_name: str | None = None,
        node_name: str | None = None,
    ) -> list[Row]:
        """The servers that match, by application, name and node."""
        return self._rows(
            "SELECT * FROM server WHERE application = coalesce(?1, application) "
            "AND server_name = coalesce(?2, server_name) AND node_name = coalesce(?3, node_name) "
            "ORDER BY application COLLATE NOCASE, server_name COLLATE NOCASE, node_name",
            application,
            server_name,
            node_name,
        )

    def server(self, server_id: str) -> Row | None:
        return self._row("SELECT * FROM server WHERE id = ?", server_id)

    def set_setting(self, key: tuple[str, str, str], state: str) -> None:
        """What a server shall be: "active" or "inactive". ``key``: application, name, node."""
        self._write(
            "UPDATE server SET setting_state = ? "
            "WHERE application = ? AND server_name = ? AND node_name = ?",
            state,
            *key,
        )

    def set_present(self, key: tuple[str, str, str], state: ServerState, process_id: int) -> None:
        """What a server is, as its node reports it."""
        self._write(
            "UPDATE server SET present_state = ?, process_id = ? "
            "WHERE application = ? AND server_name = ? AND node_name = ?",
            state.stored,
            process_id,
            *key,
        )

    def set_patched(self, key: tuple[str, str, str], version: str, user: str) -> None:
        """A server's package was replaced."""
        self._write(
            "UPDATE server SET patch_version = ?, patch_user = ?, patch_time = ? "
            "WHERE application = ? AND server_name = ? AND node_name = ?",
            version,
            user,
            now(),
            *key,
        )

    def delete_server(self, key: tuple[str, str, str]) -> None:
        with self._transaction():
            for table in ("server", "adapter"):
                self._write(
                    f"DELETE FROM {table} "  # noqa: S608 - our names
                    "WHERE application = ? AND server_name = ? AND node_name = ?",
                    *key,
                )

    def adapters(self, application: str, server_name: str, node_name: str) -> list[Row]:
        return self._rows(
            "SELECT * FROM adapter "
            "WHERE application = ? AND server_name = ? AND node_name = ? ORDER BY id",
            application,
            server_name,
            node_name,
        )

    def places(self, servant: str) -> list[Row]:
        """Where ``App.Server.Obj`` is deployed: endpoint, node_name and both states."""
        return self._rows(
            "SELECT endpoint, node_name, setting_state, present_state FROM adapter "
            "JOIN server USING (application, server_name, node_name) "
            "WHERE servant = ? ORDER BY adapter.id",
            servant,
        )

    def ports(self, node_name: str) -> list[str]:
        """The endpoints that adapters on a node have taken."""
        rows = self._rows("SELECT endpoint FROM adapter WHERE node_name = ?", node_name)
        return [row["endpoint"] for row in rows]

    # Packages

    def add_package(self, server: str, tgz: str, md5: str, comment: str) -> Row:
        """Record a package that lies in its place; ``server`` is ``App.Server``."""
        cursor = self._connection.execute(
            "INSERT INTO package (server, tgz, md5, comment, posttime) VALUES (?, ?, ?, ?, ?)",
            (server, tgz, md5, comment, now()),
        )
        [row] = self._rows("SELECT * FROM package WHERE id = ?", cursor.lastrowid)
        return row

    def package(self, package_id: str) -> Row | None:
        return self._row("SELECT * FROM package WHERE id = ?", package_id)

    def packages(self, server: str) -> list[Row]:
        """A server's packages, the newest first."""
        return self._rows("SELECT * FROM package WHERE server = ? ORDER BY id DESC", server)

    # Tasks

    def add_task(self, task_no: str, serial: bool, items: Iterable[Row]) -> None:
        """Keep a task; each of ``items`` has item_no, command, patch_id and a server's key."""
        with self._transaction():
            self._forget_old_tasks()
            self._write("INSERT INTO task VALUES (?, ?, ?, ?)", task_no, serial, now(), time.time())
            for place, item in enumerate(items):
                self._write(
                    "INSERT INTO task_item (task_no, place, item_no, application, server_name, "
                    "node_name, command, patch_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    task_no,
                    place,
                    item["item_no"],
                    item["application"],
                    item["server_name"],
                    item["node_name"],
                    item["command"],
                    item["patch_id"],
                )

    def _forget_old_tasks(self) -> None:
        self._write(
            "DELETE FROM task WHERE created < ? AND NOT EXISTS (SELECT 1 FROM task_item WHERE "
            "task_item.task_no = task.task_no AND (command IN (?, ?) OR status < ?))",
            time.time() - KEEP_TASKS_S,
            *PUBLISHES,
            ItemStatus.EM_I_SUCCESS,
        )

    def task(self, task_no: str) -> Row | None:
        """A task with its ``items`` in order; None when it is unknown."""
        task = self._row("SELECT * FROM task WHERE task_no = ?", task_no)
        if task is not None:
            task["items"] = self._rows(
                "SELECT * FROM task_item WHERE task_no = ? ORDER BY place", task_no
            )
        return task

    def publishes(
        self, application: str | None, server_name: str | None, command: str | None
    ) -> list[str]:
        """Numbers of the publish tasks that match, the newest first."""
        rows = self._rows(
            "SELECT DISTINCT task.task_no, created FROM task JOIN task_item USING (task_no) WHERE "
            "application = coalesce(?1, application) AND server_name = coalesce(?2, server_name) "
            "AND command = coalesce(?3, command) AND command IN (?4, ?5) ORDER BY created DESC",
            application,
            server_name,
            command,
            *PUBLISHES,
        )
        return [row["task_no"] for row in rows]

    def unfinished_tasks(self) -> list[str]:
        """Numbers of the tasks that have items to be done, the oldest first."""
        rows = self._rows(
            "SELECT DISTINCT task.task_no, created FROM task JOIN task_item USING (task_no) "
            "WHERE status < ? ORDER BY created",
            ItemStatus.EM_I_SUCCESS,
        )
        return [row["task_no"] for row in rows]

    def item_started(self, item_no: str) -> None:
        self._write(
            "UPDATE task_item SET status = ?, start_time = ? WHERE item_no = ?",
            ItemStatus.EM_I_RUNNING,
            now(),
            item_no,
        )

    def item_percent(self, item_no: str, percent: int) -> None:
        self._write("UPDATE task_item SET percent = ? WHERE item_no = ?", percent, item_no)

    def item_ended(self, item_no: str, status: ItemStatus, info: str) -> None:
        self._write(
            "UPDATE task_item SET status = ?, execute_info = ?, end_time = ? WHERE item_no = ?",
            status,
            info,
            now(),
            item_no,
        )
