"""An SQLite file, of which each subject of the master has its own tables.

Every change is committed before anything is acknowledged; with the write-ahead log a
killed process loses nothing that it acknowledged. To be used from one thread.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: A row by column name. Column names are the field names of TarsWeb's answers.
Row = dict[str, Any]

#: MySQL's zero of time, as TarsWeb shows a time that never was.
NEVER = "1970-01-01 00:00:00"

_BUSY_TIMEOUT_S = 5.0


def now() -> str:
    """The time as TarsWeb writes it, local, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


class Store:
    """The file at ``path``. A subject defines its tables, then reads and writes rows."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A commit is then in the system's page cache: it survives the process, not the machine.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        self._connection.close()

    def define(self, schema: str) -> None:
        """Have tables; ``schema`` says CREATE TABLE IF NOT EXISTS."""
        self._connection.executescript(schema)

    def rows(self, sql: str, *values: object) -> list[Row]:
        return [dict(row) for row in self._connection.execute(sql, values)]

    def row(self, sql: str, *values: object) -> Row | None:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else dict(row)

    def write(self, sql: str, *values: object) -> int:
        """Change rows; returns how many."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, row: Row) -> Row:
        """Add a row and return it as it is kept; raises `sqlite3.IntegrityError`."""
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        added = self._connection.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING *",  # noqa: S608 - our names
            tuple(row.values()),
        )
        [kept] = added.fetchall()
        return dict(kept)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside, or nothing; one inside another is part of it."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
