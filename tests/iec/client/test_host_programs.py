"""The control plane's programs, found on an embedded host among those of others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fixtures.labs import running_lab, template
from lab.errors import SystemDown
from lab.iec.host_programs import ClusterHost
from lab.session import Lab

NAME = "kube-apiserver"
WAIT = "import sys, signal; print('up', flush=True); signal.pause()"


@contextmanager
def program(place: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that says that it is the program at ``place``."""
    argv = [str(place), "-c", WAIT, *flags]
    with subprocess.Popen(argv, executable=sys.executable, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        try:
            yield started
        finally:
            started.kill()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[ClusterHost]:
    of = template(master=["tars-master"])
    with running_lab(of, tmp_path / "state") as inventory, Lab(inventory) as lab:
        yield ClusterHost(lab)


def test_a_host_s_own_program_is_found_with_its_flags(host: ClusterHost, tmp_path: Path) -> None:
    home = Path(host.host.check(["sh", "-c", 'echo "$HOME"']).strip())
    with ExitStack() as stack:
        stack.enter_context(program(tmp_path / "other" / NAME, "--audit-log-path=/other"))
        stack.enter_context(program(tmp_path / "talks", f"--of={NAME}", NAME))
        ours = stack.enter_context(program(home / NAME, "--audit-log-path=/log/a=b", "--v"))
        found = host.program(NAME)
        assert found.pid == ours.pid
        assert found.flag("audit-log-path") == "/log/a=b"
        assert found.flag("v") == "true"
        with pytest.raises(SystemDown, match="runs without --etcd-servers"):
            found.flag("etcd-servers")
        host.end(found)
        assert ours.wait(timeout=10) != 0
        with pytest.raises(SystemDown, match="no kube-apiserver runs on master"):
            host.program(NAME)
