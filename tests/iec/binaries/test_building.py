"""Programs are built once, by one at a time, and whoever is killed leaves nothing that is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import LabError, ToolMissing
from lab.iec import binaries
from lab.iec.binaries.catalogue import COST, Cost
from lab.iec.binaries.finding import bin_directory
from lab.wait import wait_for
from tests.iec.binaries.programs import go

_BUILD = "from lab.iec import binaries; binaries.build(say=lambda text: print(text, flush=True))"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go of ours on PATH; the file to which it writes what it built."""
    go(tmp_path / "path")
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("WAITS", "")
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setitem(COST, False, Cost(1, 0, 0))
    return calls


def another(**environment: str) -> subprocess.Popen[str]:
    """Another process that builds, its output in a pipe."""
    return subprocess.Popen(
        [sys.executable, "-c", _BUILD],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_everything_is_built_once(calls: Path) -> None:
    said: list[str] = []
    binaries.build(say=said.append)
    assert set(binaries.find(binaries.DEFAULT)) == set(binaries.DEFAULT)
    built = calls.read_text()
    assert len(built.splitlines()) == 3, "one call for each module"
    binaries.build(say=said.append)
    assert calls.read_text() == built
    assert said[-1].startswith("nothing is left to build")


def test_what_only_building_needs_is_removed_afterwards(calls: Path, tmp_path: Path) -> None:
    own = tmp_path / "cache" / "iec" / "go"
    (own / "mod").mkdir(parents=True)
    binaries.build(keep_go_caches=True, say=print)
    assert own.exists()
    assert calls.exists()
    binaries.find(["etcd"])["etcd"].unlink()
    binaries.build(say=print)
    assert not own.exists()
    assert not (bin_directory() / "unfinished").exists()


def test_a_second_build_waits_and_finds_all_made(calls: Path) -> None:
    first, second = another(), another()
    outputs = [child.communicate(timeout=60)[0] for child in (first, second)]
    assert first.returncode == second.returncode == 0, outputs
    assert len(calls.read_text().splitlines()) == 3, outputs
    assert any("nothing is left to build" in output for output in outputs)


def test_whoever_is_killed_leaves_nothing_that_is_found(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = another(WAITS="300")
    try:
        wait_for("go at work", calls.exists, timeout=30)
    finally:
        child.kill()
        child.communicate(timeout=30)
    assert binaries.find(binaries.DEFAULT) == {}
    said: list[str] = []
    monkeypatch.setenv("WAITS", "")
    binaries.build(say=said.append)  # the lock is free: go has died with who started it
    assert set(binaries.find(binaries.DEFAULT)) == set(binaries.DEFAULT)


def test_too_little_disk_is_told_before_anything_is_done(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COST, False, Cost(1, 1e9, 1))
    with pytest.raises(ToolMissing, match="too little disk"):
        binaries.build(say=print)
    assert not calls.exists()


def test_what_is_another_version_than_asked_for_is_not_kept(calls: Path, tmp_path: Path) -> None:
    tool = tmp_path / "path" / "go"
    tool.write_text(tool.read_text().replace("version=3.6.14", "version=3.6.0"))
    with pytest.raises(LabError, match="etcd was built, but is not what was asked for"):
        binaries.build(say=print)
    assert "etcd" not in binaries.find(["etcd"])
    assert calls.exists()
