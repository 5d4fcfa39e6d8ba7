"""The node's parts by themselves: when it gives up restarting, how it unpacks."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.embedded.startlimit import Limits, StartLimit
from lab.tars.embedded.states import task_status
from lab.tars.embedded.unpacking import BrokenPackage, put_in_place


def started(times: list[float]) -> StartLimit:
    limit = StartLimit(Limits(starts=10, window_s=60, pause_s=600))
    for time in times:
        limit.started(time)
    return limit


def test_ten_starts_close_together_are_allowed() -> None:
    assert started([59.0 * n for n in range(10)]).wait_s(now=540) == 0


def test_an_eleventh_costs_the_pause() -> None:
    limit = started([59.0 * n for n in range(11)])
    assert limit.wait_s(now=590) == 600
    assert limit.wait_s(now=1180) == 10
    assert limit.wait_s(now=1190) == 0


def test_a_minute_of_quiet_begins_anew() -> None:
    limit = started([*[float(n) for n in range(10)], 9.0 + 60.0])
    assert limit.wait_s(now=70) == 0


@given(st.lists(st.floats(min_value=60, max_value=1000), max_size=40))
def test_starts_a_minute_apart_never_cost_anything(gaps: list[float]) -> None:
    now = 0.0
    times = [now := now + gap for gap in gaps]
    assert started(times).wait_s(now) == 0


def test_a_task_is_partial_while_its_items_differ() -> None:
    assert task_status([2, 2]) == 2
    assert task_status([3, 3]) == 3
    assert task_status([2, 0]) == 6
    assert task_status([3, 4]) == 6


def archive(place: Path, *names: str) -> Path:
    file = place / "package.tgz"
    with tarfile.open(file, "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    return file


def unpacked(bin_directory: Path) -> list[str]:
    return sorted(
        str(path.relative_to(bin_directory)) for path in bin_directory.rglob("*") if path.is_file()
    )


def test_single_top_directories_are_descended(tmp_path: Path) -> None:
    package = archive(tmp_path, "a/b/Server", "a/b/lib/one.js")
    put_in_place(package, tmp_path / "bin")
    assert unpacked(tmp_path / "bin") == ["Server", "lib/one.js"]


def test_what_was_there_before_is_gone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "old").touch()
    put_in_place(archive(tmp_path, "Server", "other"), tmp_path / "bin")
    assert unpacked(tmp_path / "bin") == ["Server", "other"]


@pytest.mark.parametrize("size", [0, 1, 20, 60])
def test_a_cut_archive_changes_nothing(tmp_path: Path, size: int) -> None:
    package = archive(tmp_path, "Server", "other")
    package.write_bytes(package.read_bytes()[:size])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "old").touch()
    with pytest.raises(BrokenPackage, match="cannot unpack"):
        put_in_place(package, tmp_path / "bin")
    assert unpacked(tmp_path / "bin") == ["old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "package.tgz"]


def test_an_archive_that_leaves_its_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenPackage):
        put_in_place(archive(tmp_path, "../outside"), tmp_path / "bin")
    assert not (tmp_path / "outside").exists()
