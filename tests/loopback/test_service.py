"""A service on a host: it runs from what was brought there last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.labs import running_lab, template
from lab import service
from lab.payload import archive
from lab.recipe import Install, Step
from lab.session import Lab
from lab.wait import wait_for

PROGRAM = "echo {0}; exec sleep {0}"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path / "cache"))
    with running_lab(template(one=["dc"]), tmp_path / "lab") as inventory, Lab(inventory) as lab:
        yield lab


def deployment(program: Path, *arguments: str) -> list[Step]:
    return [
        Install("bring it", "one", "code", lambda: archive({"program": program})),
        service.start("one", "it", ["sh", "code/program", *arguments], runs_from=["code"]),
    ]


def deploy(lab: Lab, program: Path, *arguments: str) -> tuple[list[str], str]:
    """What came of the steps, and the service's pid."""
    outcomes = [step.execute(lab) for step in deployment(program, *arguments)]
    return outcomes, lab.host("one").check(["cat", ".iec4/services/it/pid"]).strip()


def test_it_starts_anew_when_what_it_runs_from_or_with_has_changed(lab: Lab, tmp_path: Path):
    program = tmp_path / "program"
    program.write_text(PROGRAM.format(71))
    outcomes, first = deploy(lab, program)
    assert outcomes == ["done", "done"]
    assert deploy(lab, program) == (["unchanged", "unchanged"], first)

    program.write_text(PROGRAM.format(72))
    outcomes, second = deploy(lab, program)
    assert outcomes == ["done", "done"]
    assert not Path(f"/proc/{first}").exists()
    command = Path(f"/proc/{second}/cmdline")
    wait_for("the new program", lambda: command.read_bytes() == b"sleep\x0072\0", timeout=10)

    outcomes, third = deploy(lab, program, "another")
    assert outcomes == ["unchanged", "done"]
    assert not Path(f"/proc/{second}").exists()
    assert deploy(lab, program, "another") == (["unchanged", "unchanged"], third)
