"""The cache of what travels to hosts: it keeps what is used."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab.payload import KEPT, RECENT_S, archive

LONG_AGO = time.time() - RECENT_S - 1


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path / "cache"))
    return tmp_path / "source"


def built(source: Path, content: str) -> Path:
    source.write_text(content)
    return archive({"name": source})[0]


def let_time_pass(directory: Path) -> None:
    for path in directory.iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))


def test_the_same_content_is_stored_once(source: Path) -> None:
    stored = built(source, "content")
    assert built(source, "content") == stored
    assert [path for path in stored.parent.iterdir() if path.suffix == ".tgz"] == [stored]


def test_what_is_used_stays_and_the_rest_is_pruned(source: Path) -> None:
    archives = [built(source, str(number)) for number in range(KEPT // 2 + 8)]
    directory = archives[0].parent
    assert all(path.exists() for path in archives), "all of them were used lately"
    (directory / "left.tmp").touch()
    let_time_pass(directory)
    os.utime(archives[-1], (0, 0))
    used = archive({"name": source})[0]

    newest = built(source, "newest")

    assert used == archives[-1]
    assert used.exists()
    assert newest.exists()
    assert len(list(directory.iterdir())) == KEPT


def test_an_archive_that_is_gone_is_built_again(source: Path) -> None:
    stored = built(source, "content")
    stored.unlink()
    assert archive({"name": source})[0].exists()
