"""Hosts whose commands cannot see a directory of the machine, such as the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.labs import running_lab, template
from lab.host.ssh import SshHost
from lab.loopback import hiding
from lab.payload import ROOT


@pytest.fixture(autouse=True)
def _allowed():
    reason = hiding.refused()
    if reason is not None:
        pytest.skip(reason)


def test_the_checkout_is_hidden_from_a_hosts_commands(tmp_path: Path):
    with running_lab(template(one=["dc"]), tmp_path / "lab", hide=[ROOT]) as inventory:
        host = SshHost("one", inventory.hosts["one"])

        assert host.check(["ls", "-A", str(ROOT)]) == ""
        assert not host.run(
            ["python3", "-c", f"import sys; sys.path += [{str(ROOT)!r}]; import lab"]
        ).ok
        host.put(b"carried", "kept")
        assert host.check(["cat", "kept"]) == "carried"
        assert host.check(["printenv", "HOME"]) == host.check(["pwd"])
        assert ROOT.joinpath("lab").is_dir(), "hidden from the host alone"


def test_a_home_below_a_hidden_directory_stays(tmp_path: Path):
    (tmp_path / "beside").mkdir()
    with running_lab(
        template(one=["dc"], two=["student"]), tmp_path / "lab", hide=[tmp_path]
    ) as inventory:
        host = SshHost("one", inventory.hosts["one"])
        host.put(b"carried", "kept")

        assert host.check(["ls", "-A", str(tmp_path)]) == "lab\n"
        assert host.check(["ls", "-A", str(tmp_path / "lab" / "hosts")]) == "one\n"
        assert host.check(["cat", "kept"]) == "carried"
        host.check(["sh", "-c", "echo made >by-command"])
        assert host.run(["sh", "-c", "setsid sleep 79 >/dev/null 2>&1 </dev/null &"]).ok

    assert not (tmp_path / "lab").exists()
