"""``./iec4 prove`` on the embedded lab, as a person meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from blueprints import model
from blueprints.config import Document
from blueprints.model import BlueprintFile
from lab.wait import wait_for
from tests.pipeline.conftest import Iec4


@pytest.fixture
def hosts_only(tmp_path: Path) -> str:
    """The blueprint's hosts without anything on them: nothing needs to be deployed."""
    shipped = Document(model.DIRECTORY / f"{model.DEFAULT}.yaml").load(BlueprintFile)
    whole = shipped.model_dump(mode="json", exclude_defaults=True)
    whole["layers"] = ["os"]
    whole["sentinels"] = {"os": "OS-02"}
    whole["faults"] = {name: f for name, f in whole["faults"].items() if name.startswith("os.")}
    whole["criteria"] = [one for one in whole["criteria"] if one["layer"] == "os"]
    file = tmp_path / "hosts-only.yaml"
    file.write_text(yaml.safe_dump(whole))
    return str(file)


def log_of(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "proof" / "log.jsonl").read_text().splitlines()]


def test_a_criterion_is_proven_by_its_fault_while_sentinels_watch(
    iec4: Iec4, tmp_path: Path
) -> None:
    done = iec4("prove", "OS-03", "--json", "--run", str(tmp_path / "run"))
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert set(document) == {"criteria", "proven", "unproven", "skipped", "undeclared_flips"}
    assert (done.returncode, document["proven"]) == (0, ["OS-03"])
    [proof] = document["criteria"]
    assert "accepted on dc" in proof["says"]
    [tried] = [line["tried"] for line in log_of(tmp_path / "run") if "tried" in line]
    assert isinstance(tried, dict)
    assert {"PAAS-03", "SAAS-02", "CICD-02"} <= set(tried["faulty"])
    assert json.loads((tmp_path / "run" / "proof.json").read_text()) == document


def test_what_was_proven_before_a_kill_is_kept(iec4: Iec4, tmp_path: Path, hosts_only: str) -> None:
    run = tmp_path / "run"
    argv = ["prove", "OS-01,OS-03", "--blueprint", hosts_only, "--run", str(run)]
    prover = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *argv], cwd=tmp_path, start_new_session=True
    )
    log = run / "proof" / "log.jsonl"
    wait_for("the first proof", lambda: log.exists() and '"tried"' in log.read_text(), timeout=60)
    os.killpg(prover.pid, signal.SIGKILL)
    prover.wait(10)

    done = iec4("prove", "--resume", str(run))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "2 proven, 0 unproven, 0 skipped, 0 undeclared flips" in done.stdout
    lines = log_of(run)
    assert [line["tried"]["trial"]["own"] for line in lines if "tried" in line] == [  # type: ignore[index]
        ["OS-01"],
        ["OS-03"],
    ]
    assert len([line for line in lines if "lab" in line]) == 2
    assert not (run / "lab").exists()

    again = iec4("prove", "--resume", str(run))  # nothing is left: there is no third lab
    assert again.returncode == 0
    assert len([line for line in log_of(run) if "lab" in line]) == 2


def test_a_matrix_finds_what_no_blast_radius_declares(
    iec4: Iec4, tmp_path: Path, hosts_only: str
) -> None:
    blueprint = Path(hosts_only)
    content = yaml.safe_load(blueprint.read_text())
    content["faults"]["os.accept-password"]["blast"] = ["OS-05"]  # and it flips OS-04 alone
    [root] = [one for one in content["criteria"] if one["id"] == "OS-05"]
    [password] = [one for one in content["criteria"] if one["id"] == "OS-04"]
    root["fault"], password["fault"] = password["fault"], root["fault"]
    blueprint.write_text(yaml.safe_dump(content))
    run = tmp_path / "run"
    done = iec4(
        "prove", "OS-03,OS-05", "--matrix", "--sample", "4", "--seed", "7",
        "--blueprint", hosts_only, "--run", str(run),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr + done.stdout
    document = json.loads((run / "proof.json").read_text())
    assert (document["proven"], document["unproven"]) == (["OS-03"], ["OS-05"])
    [flip] = document["undeclared_flips"]
    assert (flip["fault"], flip["criterion"]) == ("os.accept-password", "OS-04")
    assert flip["verdict"] == "FAIL"
    assert "undeclared flips" in done.stdout
    counted = re.search(r"(\d+) of all (\d+) pairs of a fault and a criterion", done.stdout)
    assert counted is not None
    assert int(counted[1]) == sum(
        len(line["tried"]["faulty"])
        for line in log_of(run)
        if "tried" in line  # type: ignore[index]
    )
    page = ElementTree.fromstring((run / "proof.html").read_text().split("\n", 1)[1])
    titles = ["".join(title.itertext()) for title in page.iter("title")]
    assert any(t.startswith("os.accept-stranger-key, OS-03: flipped, as declared") for t in titles)
    assert any(t.startswith("os.accept-password, OS-04: wrong: flipped") for t in titles)
    assert any(t.startswith("os.accept-password, OS-01: stayed, as it must") for t in titles)


def test_resume_takes_no_other_question(iec4: Iec4, tmp_path: Path) -> None:
    both = iec4("prove", "OS-01", "--resume", str(tmp_path))
    assert (both.returncode, "leave the rest away" in both.stderr) == (2, True)
    nothing = iec4("prove", "--resume", str(tmp_path))
    assert (nothing.returncode, "is no run directory" in nothing.stderr) == (2, True)
