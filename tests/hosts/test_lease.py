"""Who has the lab: one at a time, and a dead holder not for ever."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import HostUnreachable, LabError, LeaseHeld
from lab.host.local import LocalHost
from lab.inventory import Inventory
from lab.lease import MODULES, Place, hold, lease
from lab.payload import python_runtime
from lab.session import Lab
from lab.wait import wait_for

LEASE = ".iec4/lease"


@pytest.fixture
def lab(lab_inventory: Inventory) -> Iterator[Lab]:
    with Lab(lab_inventory) as lab:
        yield lab
        lab.host("one").check(["sh", "-c", "rm -rf .iec4/lease*"])


def test_a_second_run_is_told_who_holds_it_since_when(lab: Lab):
    with (
        lease(lab, holder="run 17 by process 4", run="results/17"),
        pytest.raises(
            LeaseHeld,
            match=r"in use; found: held by run 17 by process 4 \(results/17\) since 20\d\d-",
        ),
        lease(lab, holder="second"),
    ):
        pass


def test_it_is_free_again_afterwards(lab: Lab):
    with lease(lab, holder="first"):
        assert lab.host("one").run(["test", "-f", LEASE]).ok
    with lease(lab, holder="second"):
        pass

    assert lab.host("one").check(["ls", "-A", ".iec4"]) == ""


def test_a_holder_renews_it(lab: Lab):
    with lease(lab, holder="first", ttl_s=6) as held:
        first = lab.host("one").check(["cat", LEASE])
        wait_for("renewal", lambda: lab.host("one").check(["cat", LEASE]) != first, timeout=10)
        assert held.lost is None
        with pytest.raises(LeaseHeld), lease(lab, holder="second"):
            pass


def _expired(lab: Lab) -> None:
    """The lease of a holder that died."""
    text = (
        '{"holder": "dead", "run": "", "token": "0123456789abcdef", "since": 1000, "expires": 2000}'
    )
    lab.host("one").put(text.encode(), LEASE)


def test_a_dead_holders_lease_expires(lab: Lab):
    _expired(lab)

    with lease(lab, holder="second"):
        assert "second" in lab.host("one").check(["cat", LEASE])


def test_of_many_contenders_one_gets_it(lab: Lab):
    _expired(lab)
    everyone_tried = threading.Barrier(8)
    won: list[int] = []

    def contend(n: int) -> None:
        try:
            with lease(lab, holder=f"contender {n}"):
                won.append(n)
                everyone_tried.wait(30)
        except LeaseHeld:
            everyone_tried.wait(30)

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(won) == 1


def test_a_holder_learns_that_it_lost_it(lab: Lab):
    with lease(lab, holder="first", ttl_s=4) as held:
        text = '{"holder": "usurper", "run": "", "token": "t", "since": 1, "expires": 99999999999}'
        lab.host("one").put(text.encode(), LEASE)
        wait_for("the loss", lambda: held.lost, timeout=10)
        assert "held by usurper" in str(held.lost)
    assert lab.host("one").run(["test", "-f", LEASE]).ok, "another's lease was removed"


def test_a_damaged_lease_is_explained(lab: Lab):
    lab.host("one").put(b"{half", LEASE)

    with pytest.raises(LabError, match=r"remove \.iec4/lease"), lease(lab, holder="first"):
        pass


def test_an_unreachable_first_host_is_its_error(lab_inventory: Inventory):
    one = lab_inventory.hosts["one"].model_copy(update={"port": 1, "address": "127.0.0.1"})
    inventory = lab_inventory.model_copy(update={"hosts": {"one": one}})

    with (
        Lab(inventory) as lab,
        pytest.raises(HostUnreachable),
        lease(lab, holder="first"),
    ):
        pass


def test_a_lab_without_hosts_is_leased_beside_the_runs(tmp_path: Path):
    adopted = Lab(Inventory(name="adopted", kind="real", profile="lab", hosts={}))

    with (
        lease(adopted, holder="first", beside=tmp_path),
        pytest.raises(LeaseHeld),
        lease(adopted, holder="second", beside=tmp_path),
    ):
        pass
    assert not (tmp_path / LEASE).exists()


def test_a_holder_of_its_own_lets_go_when_it_is_ended(tmp_path: Path):
    archive, _ = python_runtime([], MODULES)
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path)  # noqa: S202 - it is the suite's own
    place = Place(LocalHost(home=tmp_path), "leased")
    command = [sys.executable, "-P", "-m", "lab.lease", "leased", "--holder", "job-1"]
    holder = subprocess.Popen(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    try:
        wait_for("the lease", lambda: place.read()[1], timeout=30)
        with pytest.raises(LeaseHeld, match="held by job-1"), hold(place, "it", holder="second"):
            pass
        holder.terminate()
        holder.wait(30)
    finally:
        holder.kill()
        holder.wait(30)
    with hold(place, "it", holder="second"):
        pass
