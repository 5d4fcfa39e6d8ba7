"""The cluster's end by every cause: nothing of it stays; and where there can be none, why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.iec import rootless
from lab.iec.probe import probe
from lab.iec.recipe import recipe
from lab.loopback import cleanup
from lab.loopback.init import PID_FILE
from lab.loopback.lifecycle import without_cluster
from lab.loopback.state import lab_id
from lab.payload import ROOT
from lab.recipe import execute
from lab.wait import wait_for
from tests.iec.embedded.conftest import TEMPLATE, Deployed, deployed, own_cache, with_cluster

pytestmark = pytest.mark.xdist_group("embedded cluster")


def processes(running: Deployed) -> list[cleanup.Process]:
    """All of the host's: the cluster's."""
    assert running.inventory.state is not None
    tagged = cleanup.tagged(lab_id(running.inventory.state))
    here = [pid for pid in tagged if cleanup.environment(pid).get(cleanup.HOST) == "master"]
    return [process for process in cleanup.running() if process.pid in here]


def named(running: Deployed, word: str) -> int:
    """The pid of the one process whose command line begins with ``word``, or a Python's."""
    [pid] = [
        process.pid
        for process in processes(running)
        if word in Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")[:3]
    ]
    return pid


def traces(running: Deployed) -> list[str]:
    """Mounts and interfaces of a cluster on the machine itself: none, ever."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    links = [path.name for path in Path("/sys/class/net").iterdir()]
    return [line for line in mounts if "iec4" in line or str(running.home) in line] + [
        name for name in links if name.startswith(("nodes", "port", "cali", "vxlan"))
    ]


@pytest.mark.usefixtures("needs_cluster")
def test_whatever_is_killed_nothing_stays(tmp_path: Path) -> None:
    with own_cache(tmp_path) as cache, deployed(cache / "labs" / "test") as running:
        assert not traces(running)
        steps = recipe(running.lab).steps(running.lab)
        # One of its programs: it is started again, as a kubelet or systemd would do it.
        killed = named(running, str(running.home / "iec/bin/kube-apiserver"))
        os.kill(killed, signal.SIGKILL)
        wait_for("its API is ready again", lambda: probe(running.lab), timeout=60)
        for word in ("unshare", "lab.iec.embedded.inside"):
            os.kill(named(running, word), signal.SIGKILL)
            wait_for(f"the end with {word}", lambda: not processes(running), timeout=10)
            # What it left does not pass for a cluster that is up.
            execute(steps, running.lab)
            assert probe(running.lab)
        state = running.inventory.state
        assert state is not None
        id_ = lab_id(state)
        os.kill(int((state / PID_FILE).read_text()), signal.SIGKILL)
        wait_for("the end of all of it", lambda: not cleanup.tagged(id_), timeout=15)
        wait_for("the removal of its files", lambda: not state.exists(), timeout=15)
        assert not traces(running)


@pytest.mark.usefixtures("needs_cluster")
def test_removal_leaves_nothing_on_its_host(tmp_path: Path) -> None:
    with own_cache(tmp_path) as cache, deployed(cache / "labs" / "test") as running:
        execute(recipe(running.lab).removal(running.lab), running.lab)
        assert not processes(running)
        assert not (running.home / "iec").exists()


def test_where_namespaces_are_refused_it_is_told_before() -> None:
    """A user namespace in which there may be no other one, as some distributions have it."""
    refusing = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    asking = "from lab.iec import rootless; print(rootless.lacking())"
    argv = ["unshare", "--user", "--map-root-user", "sh", "-c", refusing, "sh"]
    done = subprocess.run(
        [*argv, sys.executable, "-c", asking],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"this machine has no user namespaces to begin with: {done.stderr.strip()}")
    told = done.stdout
    assert "refuses" in told or "needs" in told
    assert "sysctl" in told or "apt-get install" in told


def test_what_a_machine_lacks_is_told_and_no_cluster_planned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path))
    monkeypatch.setattr(rootless, "PATH", str(tmp_path))
    monkeypatch.setattr(rootless, "PROTOCOLS", tmp_path / "protocols")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    rootless.lacking.cache_clear()
    try:
        planned = without_cluster(with_cluster(TEMPLATE))
    finally:
        rootless.lacking.cache_clear()
    assert "iec" not in planned.systems
    assert "cluster" not in planned.capabilities
    assert "apt-get install" in planned.lacks["iec"]
    assert "iptables" in planned.lacks["cluster"]
    assert "netbase" in planned.lacks["cluster"]
