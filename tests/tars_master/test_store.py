"""The master's file: whole or not at all, and there for the next who opens it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from lab.tars.embedded.configstore import SERVER, ConfigStore
from lab.tars.embedded.store import Store

SCHEMA = "CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)"


def test_a_transaction_is_done_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    store.define(SCHEMA)
    store.insert("thing", {"name": "first"})

    def twice() -> None:
        with store.transaction():
            store.insert("thing", {"name": "second"})
            with store.transaction():  # part of the outer one
                store.insert("thing", {"name": "third"})
            store.insert("thing", {"name": "first"})

    with pytest.raises(sqlite3.IntegrityError):
        twice()
    assert [row["name"] for row in store.rows("SELECT * FROM thing")] == ["first"]
    with store.transaction():
        store.insert("thing", {"name": "second"})
    assert len(Store(tmp_path / "db").rows("SELECT * FROM thing")) == 2


def test_a_file_that_is_deleted_goes_from_the_nodes_too(tmp_path: Path) -> None:
    configs = ConfigStore(Store(tmp_path / "db"))
    file = configs.add("App.Server", "a.conf", " v=1 ", level=SERVER)
    other = configs.add("App.Server", "b.conf", "v=1", level=SERVER)
    assert file["config"] == "v=1"
    configs.have_on_nodes(file, ["one", "two"])
    configs.have_on_nodes(file, ["two", "three"])
    configs.have_on_nodes(other, ["one"])
    assert [row["node_name"] for row in configs.on_nodes(file)] == ["three", "two", "one"]
    assert configs.delete(file["id"])
    assert configs.names("App.Server", "one") == ["b.conf"]
    assert not configs.delete(file["id"])
