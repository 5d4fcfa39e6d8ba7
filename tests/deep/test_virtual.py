"""The deep lab's virtual machine, and a lab that has none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.deep import virtual, virtual_disk
from lab.deep.inside import first_process, run_inside
from lab.deep.lifecycle import down, up
from lab.inventory import HostEntry, Inventory
from lab.loopback import cleanup
from lab.session import Lab
from lab.wait import wait_for
from tests.deep.conftest import TEMPLATE

WITH_ONE = TEMPLATE.model_copy(
    update={
        "hosts": {
            "one": TEMPLATE.hosts["one"],
            "guest": HostEntry(roles=("student",), sudo=True, capabilities=("own-kernel",)),
        }
    }
)


@contextmanager
def running(state: Path) -> Iterator[Inventory]:
    if lack := virtual.lacking():
        pytest.skip(lack)
    try:
        yield up(WITH_ONE, state, owner_pid=os.getpid(), ttl_s=600)
    finally:
        down(state)


@pytest.fixture(scope="module")
def inventory(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.mark.timeout(300)
def test_it_is_a_host_with_a_kernel_of_its_own(inventory: Inventory) -> None:
    with Lab(inventory) as lab:
        kernel = lab.host("guest").run(["uname", "-r"], sudo=True).check().text.strip()
        ours = lab.host("one").check(["uname", "-r"]).strip()
        closed = lab.host("guest").check(["cat", "/proc/sys/kernel/dmesg_restrict"])
    assert kernel.endswith("-cloud-amd64")
    assert kernel != ours
    assert closed == "1\n"


@pytest.mark.timeout(300)
def test_a_script_runs_in_it_without_ssh(inventory: Inventory) -> None:
    state = inventory.state or Path()
    assert run_inside(state, "guest", "hostname; id -u; echo $1", ["x y"]) == "guest\n0\nx y\n"


@pytest.mark.timeout(300)
def test_it_ends_with_the_lab(needs_root: None, tmp_path: Path) -> None:
    with running(tmp_path / "lab"):
        machine = first_process(tmp_path / "lab", "guest")
    wait_for(
        "the virtual machine's end",
        lambda: machine not in [process.pid for process in cleanup.running()],
        timeout=15,
    )


def test_a_lab_comes_up_without_it_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(virtual, "PATH", str(tmp_path))
    without = virtual.without_virtual(WITH_ONE)
    assert list(without.hosts) == ["one"]
    assert "apt-get install --no-install-recommends chrony" in without.lacks["own-kernel"]


def test_a_disk_that_was_not_made_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path))
    for command in ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "chronyd"):
        (tmp_path / command).touch(mode=0o755)
    monkeypatch.setattr(virtual, "PATH", str(tmp_path))
    assert "./iec4 lab build --deep" in (virtual.lacking() or "")
    assert virtual_disk.find() is None
