"""The classroom's recipe on an embedded lab: over SSH, from bare host to lesson to bare host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from blueprints.errors import ConfigError
from lab.classroom.installed import ROLE
from lab.classroom.lesson import Lesson
from lab.classroom.recipe import recipe, runtime
from lab.inventory import load
from lab.loopback import lifecycle
from lab.payload import ROOT
from lab.recipe import execute
from lab.session import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    state = tmp_path / "lab"
    inventory = lifecycle.up(load("embedded"), state, owner_pid=os.getpid(), ttl_s=120)
    try:
        with Lab(inventory) as lab:
            yield lab
    finally:
        lifecycle.down(state)


def deploy(lab: Lab) -> dict[str, str]:
    """Deploy; step title → outcome."""
    outcomes: dict[str, str] = {}
    steps = recipe(lab).steps(lab)
    execute(steps, lab, done=lambda done: outcomes.update({done.step.title: done.outcome}))
    return outcomes


def service_pid(lab: Lab) -> int:
    host = lab.with_role(ROLE)[0]
    return int(host.check(["cat", ".iec4/services/classroom/pid"]))


def test_from_a_bare_host_to_a_lesson_and_back(lab: Lab) -> None:
    host = lab.with_role(ROLE)[0]
    before = host.check(["ls", "-A"])
    deploy(lab)
    pid = service_pid(lab)
    with Lesson(lab) as lesson:
        stream = lesson.teacher().publish_tone(440)
        student = lesson.student()
        student.subscribe(stream)
        assert student.hear(stream, 0.7).sound.frequency_hz == pytest.approx(440, abs=2)

    assert deploy(lab) == {
        "bring the embedded classroom backend": "unchanged",
        "issue its certificate": "unchanged",
        "write its secret": "unchanged",
        "start classroom": "unchanged",
        "the classroom answers GET /config": "done",
    }
    assert service_pid(lab) == pid
    assert host.check(["stat", "-c", "%a", "classroom/secret", "classroom/server-key.pem"]) == (
        "600\n600\n"
    )
    assert_runs_from_what_was_copied(pid)

    execute(recipe(lab).removal(lab), lab)
    assert not Path(f"/proc/{pid}").exists()
    left = set(host.check(["ls", "-A"]).split()) - set(before.split())
    assert left <= {".iec4"}


def assert_runs_from_what_was_copied(pid: int) -> None:
    """No library of the process lies in the checkout or in its environment."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    packages = {line.split()[-1] for line in maps.splitlines() if "site-packages" in line}
    assert packages == set()
    copied = [line for line in maps.splitlines() if "classroom/runtime" in line]
    assert copied, "the libraries that were copied are in use"
    checkout = [line for line in maps.splitlines() if f" {ROOT}/" in line]
    assert checkout == []


def test_the_secret_is_not_in_what_a_dry_run_prints(lab: Lab) -> None:
    secret = lab.secret("classroom", "api")
    assert secret is not None
    steps = [*recipe(lab).steps(lab), *recipe(lab).removal(lab)]
    assert not [step for step in steps if secret in f"{step.title} {step.describe()} {step.host}"]


def test_ffmpeg_does_not_travel() -> None:
    archive, _ = runtime()
    assert archive.stat().st_size < 50e6


def test_a_real_lab_is_told_to_adopt_its_classroom() -> None:
    with Lab(load("inwinstack")) as lab, pytest.raises(ConfigError, match="adopted: true"):
        recipe(lab)
