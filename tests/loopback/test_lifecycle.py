"""A lab's life, and its death by every cause: no process and no file is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blueprints.errors import ConfigError
from fixtures.labs import running_lab, template
from lab import inventory as inventories
from lab.errors import LabError, SystemDown
from lab.host.ssh import SshHost
from lab.loopback import cleanup
from lab.loopback.init import PID_FILE
from lab.loopback.lifecycle import down, find_labs, status, sweep, up
from lab.payload import ROOT
from lab.session import Lab
from lab.wait import wait_for

#: Ignores TERM, has left its parent and its session, and starts children of its own.
STUBBORN_DAEMON = """
trap '' TERM HUP INT
while :; do sleep 1; done
"""


class Running:
    """A small lab with a stubborn daemon on a host, and what is known about it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.inventory = up(
            template(one=["dc"], two=["student"]), state, owner_pid=os.getpid(), ttl_s=300
        )
        self.lab_id = (state / "lab.id").read_text()
        host = SshHost("one", self.inventory.hosts["one"])
        start = 'setsid sh -c "$1" >/dev/null 2>&1 </dev/null & mkdir a; >a/file; chmod 555 a'
        host.run(["sh", "-c", start, "sh", STUBBORN_DAEMON]).check()
        wait_for("the daemon", lambda: status(state)[0].processes >= 2, timeout=10)
        host.close()

    @property
    def init(self) -> int:
        return int((self.state / PID_FILE).read_text())

    @property
    def server(self) -> int:
        return next(p.pid for p in cleanup.running() if p.parent == self.init)

    def assert_gone(self) -> None:
        wait_for("the end of all its processes", self._no_process, timeout=15)
        wait_for("the removal of its files", lambda: not self.state.exists(), timeout=15)

    def _no_process(self) -> bool:
        return not cleanup.tagged(self.lab_id)


@pytest.fixture
def lab(cache: Path) -> Iterator[Running]:
    running = Running(cache / "labs" / "test")
    yield running
    down(running.state)
    cleanup.end(lambda: cleanup.tagged(running.lab_id))


def _both(lab: Running) -> None:
    init, server = lab.init, lab.server
    os.kill(init, signal.SIGSTOP)  # so that it cannot see the server's end
    os.kill(server, signal.SIGKILL)
    os.kill(init, signal.SIGKILL)
    dead = {init, server}
    wait_for("their end", lambda: dead.isdisjoint(p.pid for p in cleanup.running()), timeout=10)


def _status_of_a_dead_lab(state: Path) -> None:
    with pytest.raises(SystemDown, match="does not run"):
        status(state)


def test_down_ends_all(lab: Running):
    down(lab.state)

    assert not cleanup.tagged(lab.lab_id)
    assert not lab.state.exists()


@pytest.mark.parametrize(
    "kill",
    [
        lambda lab: os.kill(lab.init, signal.SIGKILL),
        lambda lab: os.kill(lab.server, signal.SIGKILL),
        lambda lab: os.kill(lab.server, signal.SIGTERM),
        lambda lab: os.kill(lab.init, signal.SIGINT),
        lambda lab: os.kill(lab.init, signal.SIGTERM),
    ],
    ids=["kill-init", "kill-server", "term-server", "int-init", "term-init"],
)
def test_it_ends_by_itself_however_it_is_hit(lab: Running, kill: Callable[[Running], None]):
    kill(lab)

    lab.assert_gone()


@pytest.mark.parametrize(
    "next_command",
    [
        down,
        lambda _: sweep(),
        lambda _: find_labs(),
        _status_of_a_dead_lab,
    ],
    ids=["down", "sweep", "find", "status"],
)
def test_what_both_left_is_swept_by_the_next_command(
    lab: Running, next_command: Callable[[Path], object]
):
    _both(lab)
    assert cleanup.tagged(lab.lab_id), "the daemon should have outlived them"

    next_command(lab.state)

    assert not cleanup.tagged(lab.lab_id)
    assert not lab.state.exists()


def test_up_takes_the_place_of_a_dead_lab(lab: Running):
    _both(lab)

    with running_lab(template(one=["dc"]), lab.state) as inventory:
        assert SshHost("one", inventory.hosts["one"]).run(["true"]).ok
        assert not cleanup.tagged(lab.lab_id)


def test_a_running_lab_is_not_swept(lab: Running):
    assert sweep() == []
    assert find_labs() == [lab.state]
    assert [host.name for host in status(lab.state)] == ["one", "two"]


def test_status_counts_processes_and_memory_by_host(lab: Running):
    one, two = status(lab.state)

    assert (one.address, one.port) == (
        lab.inventory.hosts["one"].address,
        lab.inventory.hosts["one"].port,
    )
    assert one.processes >= 2
    assert 200_000 < one.rss_bytes < 100_000_000
    assert (two.processes, two.rss_bytes) == (0, 0)


def test_a_second_lab_at_the_same_place_is_refused(lab: Running):
    with pytest.raises(ConfigError, match="a lab runs at"):
        up(template(one=["dc"]), lab.state, owner_pid=None, ttl_s=60)

    assert status(lab.state)


def test_somebody_elses_directory_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(ConfigError, match="not the state of a lab"):
        up(template(one=["dc"]), tmp_path, owner_pid=None, ttl_s=60)
    down(tmp_path)

    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_it_ends_with_its_owner(cache: Path):
    state = cache / "labs" / "owned"
    script = f"""
        import os, pathlib, signal
        from fixtures.labs import template
        from lab.loopback.lifecycle import up
        up(template(one=["dc"]), pathlib.Path({str(state)!r}), owner_pid=os.getpid(), ttl_s=300)
        print("up", flush=True)
        signal.pause()
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    lab_id = (state / "lab.id").read_text()

    owner.kill()
    owner.wait(10)
    owner.stdout.close()

    wait_for("the end of the lab", lambda: not state.exists(), timeout=10)
    wait_for("the end of its processes", lambda: not cleanup.tagged(lab_id), timeout=10)


def test_its_time_to_live_ends_it(cache: Path):
    state = cache / "labs" / "brief"
    up(template(one=["dc"]), state, owner_pid=None, ttl_s=4)

    wait_for("the end of the lab", lambda: not state.exists(), timeout=10)


def test_labs_run_side_by_side(cache: Path):
    of = template(one=["dc"])
    with running_lab(of, cache / "labs" / "a") as a, running_lab(of, cache / "labs" / "b") as b:
        assert a.hosts["one"].host_key != b.hosts["one"].host_key
        SshHost("one", a.hosts["one"]).put(b"", "only-in-a")
        assert not SshHost("one", b.hosts["one"]).run(["test", "-e", "only-in-a"]).ok
        assert find_labs() == [cache / "labs" / "a", cache / "labs" / "b"]


def test_a_server_that_does_not_start_is_explained_and_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "asyncssh.py").write_text("raise ImportError('no SSH today')")
    monkeypatch.setenv("PYTHONPATH", str(broken))

    with pytest.raises(LabError, match=r"did not come up; found: ImportError: no SSH today"):
        up(template(one=["dc"]), cache / "labs" / "test", owner_pid=None, ttl_s=60)

    assert not (cache / "labs" / "test").exists()


def test_the_shipped_template_becomes_a_complete_inventory(cache: Path):
    started = time.monotonic()
    with running_lab(inventories.load("embedded"), cache / "labs" / "test") as inventory:
        took = time.monotonic() - started
        written = inventories.load(str(cache / "labs" / "test" / "inventory.yaml"))

        assert written.model_dump() == inventory.model_dump()
        assert written.missing() == []
        assert len({host.address for host in written.hosts.values()}) == 7
        web, registry = (written.systems["tars"].endpoints[name] for name in ("web", "registry"))
        assert f"//{written.hosts['tars-master'].address}:" in web
        assert registry.startswith(f"tcp://{written.hosts['tars-master'].address}:")
        api = written.systems["classroom"].endpoints["api"]
        assert api.startswith(f"https://{written.hosts['edge-a'].address}:")
        with Lab(written) as lab:
            assert len(lab.secret("classroom", "api") or "") >= 24
            assert [host.check(["printenv", "IEC4_HOST"]) for host in lab.with_role("tars-agent")]
    assert took < 5, "the newcomer's lab is up within 5 s"


def test_secrets_are_readable_by_their_owner_alone(lab: Running):
    private = [lab.state / "ca-key.pem", *(lab.state / "keys").iterdir()]
    private += (lab.state / "secrets").iterdir()

    assert len(private) >= 5
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
