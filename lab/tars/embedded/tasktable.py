"""The tables of packages and of tasks, which name packages and servers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from lab.tars.embedded.states import ItemStatus
from lab.tars.embedded.store import Row, Store, now

#: The commands whose tasks the real one keeps for good.
PUBLISHES = ("patch_tars", "grace_patch_tars")
#: How long finished tasks of other commands can be asked for, seconds.
KEEP_TASKS_S = 300.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS package (
    id INTEGER PRIMARY KEY AUTOINCREMENT, server TEXT NOT NULL, tgz TEXT NOT NULL,
    md5 TEXT NOT NULL, comment TEXT NOT NULL, posttime TEXT NOT NULL,
    default_version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS task (
    task_no TEXT PRIMARY KEY, serial INTEGER NOT NULL, elegant INTEGER NOT NULL,
    create_time TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS task_item (
    item_no TEXT PRIMARY KEY, task_no TEXT NOT NULL REFERENCES task ON DELETE CASCADE,
    place INTEGER NOT NULL, application TEXT NOT NULL, server_name TEXT NOT NULL,
    node_name TEXT NOT NULL, command TEXT NOT NULL, patch_id TEXT NOT NULL,
    status INTEGER NOT NULL DEFAULT 0, start_time TEXT NOT NULL DEFAULT '',
    end_time TEXT NOT NULL DEFAULT '', execute_info TEXT NOT NULL DEFAULT '',
    percent INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS task_item_task ON task_item (task_no);
"""


class TaskTable(Store):
    """Packages by number, and tasks with their items."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.define(_SCHEMA)

    # Packages

    def add_package(self, server: str, tgz: str, md5: str, comment: str) -> Row:
        """Record a package that lies in its place; ``server`` is ``App.Server``."""
        with self.transaction():
            self.write("UPDATE package SET default_version = 0 WHERE server = ?", server)
            return self.insert(
                "package",
                {
                    "server": server,
                    "tgz": tgz,
                    "md5": md5,
                    "comment": comment,
                    "posttime": now(),
                    "default_version": 1,
                },
            )

    def set_default_package(self, server: str, package_id: str) -> None:
        """Make a package of a server its default one, in place of the one that was."""
        self.write(
            "UPDATE package SET default_version = (id = ?) WHERE server = ?", package_id, server
        )

    def delete_package(self, package_id: str) -> None:
        self.write("DELETE FROM package WHERE id = ?", package_id)

    def package(self, package_id: str) -> Row | None:
        return self.row("SELECT * FROM package WHERE id = ?", package_id)

    def packages(self, server: str) -> list[Row]:
        """A server's packages, the newest first."""
        return self.rows("SELECT * FROM package WHERE server = ? ORDER BY id DESC", server)

    # Tasks

    def add_task(
        self, task_no: str, serial: bool, items: Iterable[Row], *, elegant: bool = False
    ) -> None:
        """Keep a task; each of ``items`` has item_no, command, patch_id and a server's key."""
        with self.transaction():
            self._forget_old_tasks()
            self.insert(
                "task",
                {
                    "task_no": task_no,
                    "serial": serial,
                    "elegant": elegant,
                    "create_time": now(),
                    "created": time.time(),
                },
            )
            for place, item in enumerate(items):
                self.write(
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
        self.write(
            "DELETE FROM task WHERE created < ? AND NOT EXISTS (SELECT 1 FROM task_item WHERE "
            "task_item.task_no = task.task_no "
            "AND (command IN (?, ?) OR status < ? AND NOT task.elegant))",
            time.time() - KEEP_TASKS_S,
            *PUBLISHES,
            ItemStatus.EM_I_SUCCESS,
        )

    def task(self, task_no: str) -> Row | None:
        """A task with its ``items`` in order; None when it is unknown."""
        task = self.row("SELECT * FROM task WHERE task_no = ?", task_no)
        if task is not None:
            task["items"] = self.rows(
                "SELECT * FROM task_item WHERE task_no = ? ORDER BY place", task_no
            )
        return task

    def publishes(
        self, application: str | None, server_name: str | None, command: str | None
    ) -> list[str]:
        """Numbers of the publish tasks that match, the newest first."""
        rows = self.rows(
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
        """Numbers of the tasks that have items to be done, the oldest first; no elegant ones."""
        rows = self.rows(
            "SELECT DISTINCT task.task_no, created FROM task JOIN task_item USING (task_no) "
            "WHERE status < ? AND NOT elegant ORDER BY created",
            ItemStatus.EM_I_SUCCESS,
        )
        return [row["task_no"] for row in rows]

    def delete_task(self, task_no: str) -> None:
        """Forget a task; what of it has begun goes on."""
        self.write("DELETE FROM task WHERE task_no = ?", task_no)

    def item_started(self, item_no: str) -> None:
        self.write(
            "UPDATE task_item SET status = ?, start_time = ? WHERE item_no = ?",
            ItemStatus.EM_I_RUNNING,
            now(),
            item_no,
        )

    def item_percent(self, item_no: str, percent: int) -> None:
        self.write("UPDATE task_item SET percent = ? WHERE item_no = ?", percent, item_no)

    def item_ended(self, item_no: str, status: ItemStatus, info: str) -> None:
        self.write(
            "UPDATE task_item SET status = ?, execute_info = ?, end_time = ? WHERE item_no = ?",
            status,
            info,
            now(),
            item_no,
        )
