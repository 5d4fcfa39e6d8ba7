"""Whoever lacks root is told before anything is done."""

import os
from pathlib import Path

import pytest

from blueprints.errors import ConfigError
from lab.deep.lifecycle import up
from pipeline.cli import main
from tests.deep.conftest import TEMPLATE


@pytest.fixture(autouse=True)
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def test_a_deep_lab_is_refused_before_anything_is_done(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"run it as root"):
        up(TEMPLATE, tmp_path / "lab", owner_pid=None, ttl_s=60)

    assert not (tmp_path / "lab").exists()


@pytest.mark.parametrize("command", ["run", "prove OS-06", "lab up", "lab down", "lab status"])
def test_each_command_is_refused(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)

    assert main([*command.split(), "--lab", "deep"]) == 2

    assert "run it as root" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
