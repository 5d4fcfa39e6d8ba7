"""The clients' recipe on loopback hosts: pages there, a browser there, nothing left there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from blueprints.errors import ConfigError
from fixtures.labs import running_lab, template
from lab.chromium import chromium
from lab.classroom.browser import Browser
from lab.classroom.lesson import Lesson
from lab.classroom.token import Role
from lab.clients.probe import probe
from lab.clients.recipe import recipe
from lab.errors import LabError, SystemDown, ToolMissing
from lab.inventory import load
from lab.recipe import StepDone, execute
from lab.session import Lab
from tests.classroom_backend.running import SECRET, Backend, running_backend

#: What pages may take on a machine whose cores others use, too, in seconds.
FIRST_FRAME_S = 8.0


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with running_backend(tmp_path_factory.mktemp("classroom-host")) as backend:
        yield backend


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[Lab]:
    """A teacher's and a student's host, and a classroom that is there."""
    directory = tmp_path_factory.mktemp("clients")
    (directory / "secret").write_text(SECRET)
    hosts = template(front=["teacher"], back=["student"])
    with running_lab(hosts, directory / "lab") as inventory:
        data = inventory.model_dump(mode="json", exclude_none=True)
        data["systems"] = {
            "clients": {},
            "classroom": {
                "adopted": True,
                "endpoints": {"api": backend.url},
                "secrets": {"api": f"file:{directory}/secret"},
                "ca": str(backend.ca),
            },
        }
        file = directory / "clients.yaml"
        file.write_text(yaml.safe_dump(data))
        with Lab(load(str(file))) as lab:
            yield lab


def deploy(lab: Lab) -> dict[str, str]:
    """Deploy; "host: step title" → outcome."""
    outcomes: dict[str, str] = {}

    def done(what: StepDone) -> None:
        outcomes[f"{what.step.host}: {what.step.title}"] = what.outcome

    execute(recipe(lab).steps(lab), lab, done=done)
    return outcomes


def test_browsers_on_their_machines_show_each_other_the_lesson(lab: Lab) -> None:
    try:
        chromium()
    except ToolMissing as missing:
        pytest.skip(str(missing))
    deploy(lab)
    with Lesson(lab) as lesson, Browser.on_machines(lab, ("front", "back")) as browsers:
        front = lab.host("front")
        pid = front.check(["cat", ".iec4/services/classroom-client/pid"]).strip()
        assert "--user-data-dir=" in Path(f"/proc/{pid}/cmdline").read_text()
        stream = browsers["front"].join("teacher", lesson.token(Role.PUBLISHER)).publish()
        student = browsers["back"].join("student", lesson.token(Role.SUBSCRIBER))
        assert student.sees(stream, timeout=FIRST_FRAME_S).codec == "video/VP8"
        with pytest.raises(LabError, match="only this machine's browser"):
            browsers["back"].cut()
    assert not Path(f"/proc/{pid}").exists()
    assert front.check(["ls", "classroom-client"]).split() == ["pages"]


def test_pages_are_brought_once_and_taken_away(lab: Lab) -> None:
    deploy(lab)
    probe(lab)
    assert deploy(lab) == {
        "front: bring the client pages": "unchanged",
        "back: bring the client pages": "unchanged",
    }
    execute(recipe(lab).removal(lab), lab)
    assert not lab.host("front").run(["test", "-e", "classroom-client"]).ok
    with pytest.raises(SystemDown, match="front has no client pages"):
        probe(lab)


def test_a_browser_comes_from_the_machines_own_packages_where_that_is_allowed(lab: Lab) -> None:
    front = lab.inventory.hosts["front"].model_copy(update={"sudo": True})
    hosts = {**lab.inventory.hosts, "front": front}
    with Lab(lab.inventory.model_copy(update={"hosts": hosts})) as allowed:
        plan = [(step.host, step.describe()) for step in recipe(allowed).steps(allowed)]
    assert [host for host, line in plan if line.startswith("sudo ")] == ["front"]
    assert "apt-get install -y --no-install-recommends chromium" in plan[1][1]


def test_a_lab_without_clients_has_no_recipe(tmp_path: Path) -> None:
    data = {"name": "none", "kind": "real", "profile": "lab", "hosts": {}, "systems": {}}
    (tmp_path / "none.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match="no host with a role of teacher, student"):
        recipe(Lab(load(str(tmp_path / "none.yaml"))))
