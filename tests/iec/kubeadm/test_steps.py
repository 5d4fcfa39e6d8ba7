"""The recipe's own steps, on real hosts and in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab.errors import DeployFailed, LabError
from lab.iec import manifests
from lab.iec.handing_over import FetchKubeconfig
from lab.iec.kubeadm.runtime import LOOP_CONTENT
from lab.inventory import Inventory
from lab.recipe import SideBySide, Step, StepDone, execute, in_order
from lab.session import Lab
from lab.wait import wait_for
from tests.containers.house import bare_hosts


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IEC4_CACHE", str(tmp_path_factory.mktemp("cache")))
        with bare_hosts(tmp_path_factory.mktemp("lab"), one=["tars-master"]) as inventory:
            yield inventory


@pytest.fixture
def lab(inventory: Inventory) -> Iterator[Lab]:
    with Lab(inventory) as lab:
        yield lab


def test_a_kubeconfig_is_fetched_once_and_only_its_owner_may_read_it(lab: Lab, tmp_path: Path):
    lab.host("one").put(b"kind: Config\n", "admin.conf")
    step = FetchKubeconfig("fetch", "one", "admin.conf", tmp_path / "secrets" / "kubeconfig")

    assert [step.execute(lab), step.execute(lab)] == ["done", "unchanged"]

    assert step.place.read_text() == "kind: Config\n"
    assert step.place.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in step.place.parent.iterdir()] == ["kubeconfig"]


def test_a_place_that_cannot_be_written_is_told(lab: Lab, tmp_path: Path):
    lab.host("one").put(b"kind: Config\n", "admin.conf")
    (tmp_path / "file").touch()
    step = FetchKubeconfig("fetch", "one", "admin.conf", tmp_path / "file" / "kubeconfig")

    with pytest.raises(LabError, match="cannot be written"):
        step.execute(lab)


@dataclass(frozen=True)
class Meeting(Step):
    """Waits until all who are to meet are there; whoever fails does so afterwards."""

    all_here: threading.Barrier
    fails: bool = False

    def execute(self, lab: Lab) -> str:
        del lab
        self.all_here.wait(timeout=10)
        if self.fails:
            raise LabError(f"{self.host} is broken")
        return "done"

    def describe(self) -> str:
        return "meet"


def meeting(*, failing: str = "") -> SideBySide:
    here = threading.Barrier(2)
    lists = [[Meeting(f"meet {name}", name, here, name == failing)] for name in ("one", "two")]
    return SideBySide("meet", "one, two", lists)


def test_lists_side_by_side_run_at_the_same_time_and_tell_of_every_step(lab: Lab):
    done: list[StepDone] = []
    last = Meeting("meet last", "one", threading.Barrier(1))

    execute([meeting(), last], lab, done=done.append)

    assert {what.step.title for what in done[:2]} == {"meet one", "meet two"}
    assert done[2].step is last
    assert [step.title for step in in_order([meeting(), last])] == [
        "meet one",
        "meet two",
        "meet last",
    ]


def test_what_fails_beside_others_ends_the_deployment_when_they_are_done(lab: Lab):
    done: list[StepDone] = []
    never = Meeting("never", "one", threading.Barrier(1))

    with pytest.raises(DeployFailed, match="'meet two' failed on two; found: two is broken"):
        execute([meeting(failing="two"), never], lab, done=done.append)

    assert [what.step.title for what in done] == ["meet one"]


class Loop:
    """The loop that starts a service again, with its files in a directory of its own."""

    def __init__(self, directory: Path, command: str, **environment: str) -> None:
        script = directory / "loop"
        script.write_bytes(LOOP_CONTENT.replace(b"/run/iec4", str(directory).encode()))
        self.directory = directory
        self.process = subprocess.Popen(
            ["/bin/sh", script, "it", "sh", "-c", command, "it"],
            env={**os.environ, "WAITS_FOR": "", "ARGUMENTS": "", **environment},
            start_new_session=True,
        )

    def child(self) -> int | None:
        """The pid that the loop waits for; None while it is being written."""
        text = (self.directory / "it.child").read_text()
        return int(text) if text.endswith("\n") else None

    def said(self) -> list[str]:
        return (self.directory / "said").read_text().split()

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=10)


def test_a_service_that_ends_is_started_again_until_the_loop_is_ended(tmp_path: Path):
    loop = Loop(tmp_path, f"echo $$ >>{tmp_path}/said; exec sleep 60")
    wait_for("its first start", lambda: len(loop.said()) == 1, timeout=10)

    os.kill(int(loop.said()[0]), signal.SIGKILL)
    wait_for("its second start", lambda: len(loop.said()) == 2, timeout=10)
    wait_for("its pid", lambda: loop.child() == int(loop.said()[1]), timeout=10)
    child = loop.child()

    loop.end()
    assert not Path(f"/proc/{child}").exists()


def test_a_service_waits_for_its_file_and_takes_the_arguments_that_come_with_it(tmp_path: Path):
    flags = tmp_path / "flags"
    loop = Loop(
        tmp_path,
        f'echo "$@" >>{tmp_path}/said; exec sleep 60',
        WAITS_FOR=str(tmp_path / "configuration"),
        ARGUMENTS=str(flags),
    )
    wait_for("the loop", loop.child, timeout=10)
    assert not (tmp_path / "said").exists()

    flags.write_text('KUBELET_KUBEADM_ARGS="--node-ip=192.0.2.1 --v=2"\n')
    (tmp_path / "configuration").touch()
    said = wait_for("its start", loop.said, timeout=10)

    loop.end()
    assert said == ["--node-ip=192.0.2.1", "--v=2"]


def test_with_either_way_nobody_learns_more_than_health():
    """Paths that need no name, as the API server's configuration and as a role say them."""
    [authentication] = yaml.safe_load_all(manifests.ours("authentication.yaml"))
    role, _, binding = yaml.safe_load_all(manifests.ours("health.yaml"))

    paths = [condition["path"] for condition in authentication["anonymous"]["conditions"]]
    assert paths == role["rules"][0]["nonResourceURLs"] == ["/healthz", "/livez", "/readyz"]
    assert [subject["name"] for subject in binding["subjects"]] == ["system:authenticated"]
