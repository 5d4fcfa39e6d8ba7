"""Servers' configuration files: of an application, a set, a server, a server on one node.

Kept as the real one keeps them: level 1 belongs to an application (or a set of it), level 2
to a server, level 3 to a server on a node; TarsWeb's own levels are 1 application, 2 to 4
set, area and group, 5 server. Sources: exchanges recorded from TarsWeb 3.0.15 and
tarsconfig 3.0.17.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lab.tars.embedded.store import Row, Store, now

APPLICATION, SERVER, NODE = 1, 2, 3
#: The level by which TarsWeb asks for a server's own files.
WEB_SERVER_LEVEL = 5

#: The parts of a set's name, from the outermost.
SET_PARTS = ("set_name", "set_area", "set_group")

#: What stands between the files that a merged one is made of.
_SEPARATOR = "\r\n\r\n"

_USER = "admin"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS config_file (
    id INTEGER PRIMARY KEY AUTOINCREMENT, server_name TEXT NOT NULL,
    set_name TEXT NOT NULL, set_area TEXT NOT NULL, node_name TEXT NOT NULL,
    set_group TEXT NOT NULL, filename TEXT NOT NULL, config TEXT NOT NULL,
    level INTEGER NOT NULL, posttime TEXT NOT NULL, lastuser TEXT NOT NULL,
    UNIQUE (server_name, filename, node_name, level, set_name, set_area, set_group));
CREATE TABLE IF NOT EXISTS config_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT, config_id INTEGER NOT NULL, reason TEXT NOT NULL,
    content TEXT NOT NULL, posttime TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS config_reference (
    id INTEGER PRIMARY KEY AUTOINCREMENT, config_id INTEGER NOT NULL,
    reference_id INTEGER NOT NULL, UNIQUE (config_id, reference_id));
"""


class ConfigStore:
    """The configuration files of a platform, their history and references."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.define(_SCHEMA)

    def add(
        self,
        owner: str,
        filename: str,
        config: str,
        *,
        level: int,
        node_name: str = "",
        within: Mapping[str, str] | None = None,
    ) -> Row:
        """Add a file of ``App`` or ``App.Server``; ``within`` has the `SET_PARTS` of its set.

        Raises `sqlite3.IntegrityError` when there is the same already.
        """
        within = within or {}
        with self._store.transaction():
            added = self._store.insert(
                "config_file",
                {
                    "server_name": owner,
                    **{part: within.get(part) or "" for part in SET_PARTS},
                    "node_name": node_name,
                    "filename": filename,
                    # One blank at either end goes, as TarsWeb cuts it.
                    "config": re.sub(r"^\s|\s$", "", config),
                    "level": level,
                    "posttime": now(),
                    "lastuser": _USER,
                },
            )
            self._remember(added, "add config")
        return added

    def _remember(self, file: Row, reason: str) -> None:
        self._store.insert(
            "config_history",
            {
                "config_id": file["id"],
                "reason": reason,
                "content": file["config"],
                "posttime": file["posttime"],
            },
        )

    def have_on_nodes(self, file: Row, nodes: Sequence[str]) -> None:
        """Have a server's file on these nodes of it, empty where it is not there yet."""
        there = {row["node_name"] for row in self.on_nodes(file)}
        for node in nodes:
            if node not in there:
                self.add(
                    file["server_name"],
                    file["filename"],
                    "",
                    level=NODE,
                    node_name=node,
                    within=file,
                )

    def change(self, file_id: str, config: str, reason: str) -> Row | None:
        """Replace a file's content; None when there is no such file."""
        with self._store.transaction():
            self._store.write(
                "UPDATE config_file SET config = ?, posttime = ? WHERE id = ?",
                config,
                now(),
                file_id,
            )
            file = self.numbered(file_id)
            if file is not None:
                self._remember(file, reason)
        return file

    def delete(self, file_id: str) -> bool:
        """Forget a file, and what nodes have of it; whether there was one."""
        file = self.numbered(file_id)
        if file is None:
            return False
        with self._store.transaction():
            gone = [file, *(self.on_nodes(file) if file["level"] == SERVER else ())]
            for row in gone:
                self._store.write("DELETE FROM config_file WHERE id = ?", row["id"])
        return True

    def referring(self, file_id: str) -> bool:
        """Whether a file refers to others, or others to it: then it is not deleted."""
        return bool(
            self._store.rows(
                "SELECT id FROM config_reference WHERE config_id = ?1 OR reference_id = ?1", file_id
            )
        )

    def numbered(self, file_id: str) -> Row | None:
        return self._store.row("SELECT * FROM config_file WHERE id = ?", file_id)

    def of(self, owner: str, level: int, within: Mapping[str, str] | None = None) -> list[Row]:
        """The files of an application or server; with ``within``, those of a set."""
        within = within or {}
        return self._store.rows(
            "SELECT * FROM config_file WHERE server_name = ? AND level = ? AND set_name = ? "
            "AND set_area = ? AND set_group = ? ORDER BY id",
            owner,
            level,
            *(within.get(part) or "" for part in SET_PARTS),
        )

    def on_nodes(self, file: Row) -> list[Row]:
        """What nodes have of a server's file, the newest first."""
        return self._store.rows(
            "SELECT * FROM config_file WHERE server_name = ? AND filename = ? AND level = ? "
            "AND set_name = ? AND set_area = ? AND set_group = ? ORDER BY id DESC",
            file["server_name"],
            file["filename"],
            NODE,
            *(file[part] for part in SET_PARTS),
        )

    def copy_to_node(self, owner: str, source: str, target: str) -> None:
        """Give a node of a server the files that another node of it has."""
        for file in self._store.rows(
            "SELECT * FROM config_file WHERE server_name = ? AND node_name = ? AND level = ?",
            owner,
            source,
            NODE,
        ):
            copy = {**file, "node_name": target, "posttime": now()}
            del copy["id"]
            self._store.insert("config_file", copy)

    # History and references

    def history(self, file_id: str) -> list[Row]:
        """What a file was, the newest first."""
        return self._store.rows(
            "SELECT * FROM config_history WHERE config_id = ? ORDER BY id DESC", file_id
        )

    def past(self, history_id: str) -> Row | None:
        return self._store.row("SELECT * FROM config_history WHERE id = ?", history_id)

    def refer(self, file_id: str, reference_id: str) -> Row:
        """Have a file include another; raises `sqlite3.IntegrityError` when it does."""
        pair = {"config_id": file_id, "reference_id": reference_id}
        return self._store.insert("config_reference", pair)

    def refer_no_more(self, number: str) -> None:
        self._store.write("DELETE FROM config_reference WHERE id = ?", number)

    def references(self, file_id: str) -> list[Row]:
        """References by number: id, config_id and the file as ``reference``."""
        return [
            {"id": row["id"], "config_id": row["config_id"], "reference": file}
            for row in self._store.rows(
                "SELECT * FROM config_reference WHERE config_id = ? ORDER BY id", file_id
            )
            if (file := self.numbered(row["reference_id"])) is not None
        ]

    # What servers get

    def names(self, server: str, node_name: str) -> list[str]:
        """The files that ``App.Server`` has on a node."""
        rows = self._store.rows(
            "SELECT filename FROM config_file WHERE server_name = ? AND node_name = ? "
            "AND level = ? AND set_name = '' ORDER BY id",
            server,
            node_name,
            NODE,
        )
        return [row["filename"] for row in rows]

    def merged(self, owner: str, filename: str, node_name: str) -> str:
        """A file as ``owner`` gets it on a node; "" when there is none.

        The server's own file, then the node's, each after those that it refers to. For an
        application alone, its file.
        """
        level = SERVER if "." in owner else APPLICATION
        parts = []
        for file in self._store.rows(
            "SELECT * FROM config_file WHERE server_name = ? AND filename = ? AND set_name = '' "
            "AND (level = ? OR level = ? AND node_name = ?) ORDER BY level",
            owner,
            filename,
            level,
            NODE,
            node_name,
        ):
            referred = [row["reference"] for row in self.references(file["id"])]
            parts += [row["config"] for row in (*referred, file)]
        return _SEPARATOR.join(part for part in parts if part)
