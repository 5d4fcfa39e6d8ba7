"""A deep lab's life, and its death by every cause: this machine is as it was before."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from blueprints.errors import ConfigError
from lab.deep import lifecycle
from lab.deep.lifecycle import down, missing, status, up
from lab.errors import LabError, SystemDown
from lab.inventory import load
from lab.loopback import cleanup
from lab.loopback.init import PID_FILE
from lab.loopback.state import lab_id, sweep
from lab.payload import ROOT
from lab.wait import wait_for
from tests.deep.conftest import TEMPLATE, running

pytestmark = pytest.mark.usefixtures("needs_root")


def links() -> set[str]:
    """The interfaces of labs on this machine."""
    return {entry.name for entry in os.scandir("/sys/class/net") if entry.name.startswith("iec4-")}


def link_of(state: Path) -> str:
    """A running lab's interface on this machine, which is called after its network."""
    address = next(iter(load(str(state / "inventory.yaml")).hosts.values())).address
    assert address is not None
    return f"iec4-{int(IPv4Address(address)) - int(IPv4Address('198.18.0.0')) >> 8}"


class Life:
    """A lab that is up, and what this machine was like before."""

    def __init__(self, state: Path) -> None:
        self._mounts = Path("/proc/self/mounts").read_text()
        self.state = state
        self.inventory = up(TEMPLATE, state, owner_pid=os.getpid(), ttl_s=300)
        self.id = lab_id(state)
        self.link = link_of(state)
        self.init = int((state / PID_FILE).read_text())
        self.keeper = next(p.pid for p in cleanup.running() if p.parent == self.init)
        self.first = [int(f.read_text()) for f in state.glob(f"hosts/*/{PID_FILE}")]

    def assert_gone(self) -> None:
        wait_for("the end of its processes", lambda: not cleanup.tagged(self.id), timeout=15)
        wait_for("the end of its machines", lambda: not self._machines(), timeout=15)
        wait_for("the removal of its files", lambda: not self.state.exists(), timeout=15)
        wait_for("the removal of its control groups", lambda: not self._groups(), timeout=15)
        wait_for("the removal of its network", lambda: self.link not in links(), timeout=15)
        assert Path("/proc/self/mounts").read_text() == self._mounts

    def _groups(self) -> list[Path]:
        return list(Path("/sys/fs/cgroup").rglob(f"iec4-{self.id}"))

    def _machines(self) -> list[int]:
        return [p.pid for p in cleanup.running() if p.pid in self.first]


@pytest.fixture
def life(cache: Path) -> Life:
    return Life(cache / "labs" / "test")


def test_down_leaves_no_trace(life: Life):
    assert [(host.name, host.processes >= 2) for host in status(life.state)] == [
        ("one", True),
        ("two", True),
    ]

    down(life.state)

    life.assert_gone()
    down(life.state)  # a second time is no harm
    with pytest.raises(SystemDown, match="does not run"):
        status(life.state)


@pytest.mark.parametrize("killed", ["init", "keeper"])
def test_whatever_is_killed_all_of_it_ends(life: Life, killed: str):
    os.kill(getattr(life, killed), signal.SIGKILL)

    life.assert_gone()


def test_what_was_killed_all_at_once_is_swept(life: Life):
    for pid in (life.init, life.keeper):
        os.kill(pid, signal.SIGSTOP)
    for pid in (life.keeper, life.init):
        os.kill(pid, signal.SIGKILL)

    wait_for("the end of its machines", lambda: not life._machines(), timeout=15)
    assert sweep() == [life.state]
    life.assert_gone()


def test_it_ends_with_its_owner(cache: Path):
    state = cache / "labs" / "owned"
    script = f"""
        import os, pathlib, signal
        from lab.deep.lifecycle import up
        from tests.deep.conftest import TEMPLATE
        up(TEMPLATE, pathlib.Path({str(state)!r}), owner_pid=os.getpid(), ttl_s=300)
        print("up", flush=True)
        signal.pause()
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    link = link_of(state)
    assert link in links()
    owner.kill()
    owner.wait(10)
    owner.stdout.close()

    wait_for("the end of the lab", lambda: not state.exists(), timeout=15)
    wait_for("the removal of its network", lambda: link not in links(), timeout=15)


def test_two_at_once_at_one_place_are_one(cache: Path):
    state = cache / "labs" / "test"

    def try_up(_: int) -> str:
        try:
            up(TEMPLATE, state, owner_pid=os.getpid(), ttl_s=300)
        except ConfigError as error:
            return str(error)
        return "up"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(try_up, range(2)))

    assert outcomes == [f"a lab runs at {state}; ./iec4 lab down ends it", "up"]
    assert len(status(state)) == 2
    down(state)


def test_labs_beside_each_other_have_networks_of_their_own(cache: Path):
    with running(cache / "labs" / "a") as a, running(cache / "labs" / "b") as b:
        networks = {str(lab.hosts["one"].address).rpartition(".")[0] for lab in (a, b)}
        assert len(networks) == 2


def test_what_breaks_half_way_is_told_and_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "bin").mkdir()
    broken, asked = tmp_path / "bin" / "ip", tmp_path / "asked"
    broken.write_text(
        f'#!/bin/sh\necho "$*" >>{asked}\n'
        'case "$*" in *json*|*link*) exec /sbin/ip "$@" ;; esac\n'
        "echo no network today >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    state = cache / "labs" / "test"

    with pytest.raises(LabError, match="cannot be made: no network today"):
        up(TEMPLATE, state, owner_pid=None, ttl_s=60)

    assert not state.exists()
    [link] = re.findall(r"^link add (\S+) type veth", asked.read_text(), re.MULTILINE)
    wait_for("the removal of its network", lambda: link not in links(), timeout=15)


def test_what_a_machine_lacks_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(lifecycle, "PATH", str(tmp_path))
    assert "apt-get install --no-install-recommends iproute2 lynis openssh-server" in (
        missing() or ""
    )
