"""What the embedded Jenkins keeps: items, views, builds and the queue, in SQLite.

Every change is committed before it is acknowledged; with the write-ahead log a killed
process loses nothing that it acknowledged. Logs and artifacts are files beside it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

_BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    name TEXT PRIMARY KEY COLLATE NOCASE, xml TEXT NOT NULL, held INTEGER NOT NULL DEFAULT 0,
    next_build INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS view (
    folder TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL, xml TEXT NOT NULL,
    PRIMARY KEY (folder, name));
CREATE TABLE IF NOT EXISTS build (
    item TEXT NOT NULL COLLATE NOCASE, number INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (item, number));
CREATE TABLE IF NOT EXISTS queued (id INTEGER PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES ('queue', 0);
"""


@dataclass(frozen=True)
class ItemRow:
    """A job or folder. ``name`` is the full one (``folder/job``); ``xml`` is what GET shows.

    ``held``: made as a copy and not saved since, so not buildable.
    """

    name: str
    xml: str
    held: bool
    next_build: int


@dataclass(frozen=True)
class BuildRow:
    """A build. Times in milliseconds; ``parameters`` are `parameters.Value` as lists.

    ``result`` None: it runs. ``node``: where, "" for the built-in node.
    """

    item: str
    number: int
    queue_id: int
    started_ms: int
    causes: tuple[str, ...]
    parameters: tuple[tuple[str, str, Any], ...]
    parameterized: bool = False
    node: str = ""
    waited_ms: int = 0
    buildable_ms: int = 0
    duration_ms: int = 0
    result: str | None = None
    description: str | None = None
    keep: bool = False
    interrupted: bool = False

    def but(self, **changes: Any) -> BuildRow:
        return replace(self, **changes)


class Store:
    """The database and the files in ``directory``. To be used from one thread."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._connection = sqlite3.connect(
            directory / "jenkins.db", timeout=_BUSY_TIMEOUT_S, isolation_level=None
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A commit is then in the system's page cache: it survives the process, not the machine.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    # Items

    def item(self, name: str) -> ItemRow | None:
        """The item of that full name, whatever its case."""
        row = self._connection.execute(
            "SELECT name, xml, held, next_build FROM item WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else ItemRow(row[0], row[1], bool(row[2]), row[3])

    def items_in(self, folder: str) -> list[ItemRow]:
        """The items directly in a folder ("" is the top), by name."""
        rows = self._connection.execute("SELECT name, xml, held, next_build FROM item")
        found = [ItemRow(row[0], row[1], bool(row[2]), row[3]) for row in rows]
        return sorted(
            (item for item in found if parent_of(item.name).lower() == folder.lower()),
            key=lambda item: item.name,
        )

    def add_item(self, name: str, xml: str, *, held: bool = False) -> None:
        """Add an item; raises `sqlite3.IntegrityError` when there is one of that name."""
        self._connection.execute(
            "INSERT INTO item (name, xml, held) VALUES (?, ?, ?)", (name, xml, held)
        )

    def set_xml(self, name: str, xml: str) -> None:
        """Change an item; one that was held is so no longer."""
        self._connection.execute("UPDATE item SET xml = ?, held = 0 WHERE name = ?", (xml, name))

    def delete_item(self, name: str) -> list[str]:
        """Delete an item, all in it and its builds; returns the names of what is gone."""
        with self._transaction() as connection:
            names = [name] + [
                row[0]
                for row in connection.execute("SELECT name FROM item")
                if row[0].lower().startswith(f"{name.lower()}/")
            ]
            for gone in names:
                connection.execute("DELETE FROM item WHERE name = ?", (gone,))
                connection.execute("DELETE FROM build WHERE item = ?", (gone,))
                connection.execute("DELETE FROM view WHERE folder = ?", (gone,))
        return names

    # Views

    def views(self, folder: str) -> dict[str, str]:
        """name → XML of the views of a folder ("" is the top)."""
        rows = self._connection.execute(
            "SELECT name, xml FROM view WHERE folder = ? ORDER BY name", (folder,)
        )
        return dict(rows.fetchall())

    def put_view(self, folder: str, name: str, xml: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO view VALUES (?, ?, ?)", (folder, name, xml)
        )

    def delete_view(self, folder: str, name: str) -> None:
        self._connection.execute("DELETE FROM view WHERE folder = ? AND name = ?", (folder, name))

    # Builds

    def add_build(self, build: BuildRow) -> None:
        """Add a build, take its item out of the queue, and count on: all or nothing."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM queued WHERE id = ?", (build.queue_id,))
            connection.execute(
                "UPDATE item SET next_build = ? WHERE name = ?", (build.number + 1, build.item)
            )
            self.put_build(build)

    def put_build(self, build: BuildRow) -> None:
        data = {key: value for key, value in vars(build).items() if key not in ("item", "number")}
        self._connection.execute(
            "INSERT OR REPLACE INTO build VALUES (?, ?, ?)",
            (build.item, build.number, json.dumps(data)),
        )

    def build(self, item: str, number: int) -> BuildRow | None:
        row = self._connection.execute(
            "SELECT item, number, data FROM build WHERE item = ? AND number = ?", (item, number)
        ).fetchone()
        return None if row is None else _build(*row)

    def builds(self, item: str) -> list[BuildRow]:
        """The builds of a job, the newest first."""
        rows = self._connection.execute(
            "SELECT item, number, data FROM build WHERE item = ? ORDER BY number DESC", (item,)
        )
        return [_build(*row) for row in rows]

    def running(self) -> list[BuildRow]:
        """The builds without a result: right after the start, those that a kill cut off."""
        rows = self._connection.execute("SELECT item, number, data FROM build")
        return [build for build in (_build(*row) for row in rows) if build.result is None]

    def delete_build(self, build: BuildRow) -> None:
        self._connection.execute(
            "DELETE FROM build WHERE item = ? AND number = ?", (build.item, build.number)
        )

    def directory_of(self, build: BuildRow) -> Path:
        """Where a build's log, artifacts and reports lie."""
        return self.builds_directory(build.item) / str(build.number)

    def builds_directory(self, item: str) -> Path:
        return self._directory / "jobs" / quote(item, safe="")

    # The queue

    def new_queue_id(self) -> int:
        """The next number, never given out before."""
        [number] = self._connection.execute(
            "UPDATE counter SET value = value + 1 WHERE name = 'queue' RETURNING value"
        ).fetchone()
        return int(number)

    def put_queued(self, number: int, data: dict[str, Any]) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO queued VALUES (?, ?)", (number, json.dumps(data))
        )

    def delete_queued(self, number: int) -> None:
        self._connection.execute("DELETE FROM queued WHERE id = ?", (number,))

    def queued(self) -> list[tuple[int, dict[str, Any]]]:
        rows = self._connection.execute("SELECT id, data FROM queued ORDER BY id")
        return [(number, json.loads(data)) for number, data in rows]


def parent_of(name: str) -> str:
    """The folder that an item is in; "" is the top."""
    return name.rpartition("/")[0]


def _build(item: str, number: int, data: str) -> BuildRow:
    found = json.loads(data)
    found["causes"] = tuple(found["causes"])
    found["parameters"] = tuple(tuple(value) for value in found["parameters"])
    return BuildRow(item=item, number=number, **found)
