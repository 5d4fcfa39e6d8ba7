"""Upstream's layer files, unmodified, through import, run, gate and submission."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.release_rules import release_rules
from blueprints.security import security_rules
from reports.results import read_results
from submission.bluval import Imported, as_yaml, read
from submission.bundle import Rules, suites
from submission.suites import Suite
from tests.pipeline.conftest import Iec4, iec4
from tests.submission.conftest import RECORDED

__all__ = ["iec4"]  # a fixture
FILES = sorted((RECORDED / "bluval").glob("*.yaml"))


def loaded(imported: Imported, place: Path) -> model.Blueprint:
    file = place / "blueprint.yaml"
    file.write_text(as_yaml(imported.blueprint, "upstream"))
    return model.load(str(file))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_recorded_file_becomes_a_blueprint(file: Path, tmp_path: Path) -> None:
    imported = read(file, None)
    blueprint = loaded(imported, tmp_path)
    assert blueprint.name == file.stem.removeprefix("bluval-")
    assert blueprint.criteria == imported.blueprint.criteria
    assert {c.layer for c in blueprint.criteria} <= set(blueprint.layers)


def test_iec_has_the_mandatory_set() -> None:
    imported = read(RECORDED / "bluval" / "bluval-iec.yaml", None)
    assert [(c.id, c.layer, c.title, c.mandatory_at) for c in imported.blueprint.criteria] == [
        ("OS-01", "os", "lynis", "incubation"),
        ("OS-02", "os", "vuls", "incubation"),
        ("K8S-01", "k8s", "conformance", "incubation"),
        ("K8S-02", "k8s", "kube-hunter", "incubation"),
    ]
    assert imported.notes == ("it calls itself demo, its file iec: that counts",)


def test_optional_tests_and_layers_of_its_own() -> None:
    blueprint = read(RECORDED / "bluval" / "bluval-rec.yaml", None).blueprint
    found = {c.id: c for c in blueprint.criteria}
    assert found["HARDWARE-01"].mandatory_at == "never"
    assert found["DOCKER-01"].bluval == model.BluvalTest(what="docker_bench")
    assert blueprint.own_layers == {"hardware": "HARDWARE", "docker": "DOCKER"}


def test_what_is_skipped_and_left_out_is_told() -> None:
    imported = read(RECORDED / "bluval" / "bluval-dummy.yaml", None)
    first = imported.blueprint.criteria[0]
    assert first.bluval is not None
    assert first.bluval.skip
    assert "layer networking has tests, but is not among the layers: left out" in imported.notes


def layer_file(place: Path, text: str, name: str = "bluval-toy.yaml") -> Path:
    file = place / name
    file.write_text(text)
    return file


ONE = "blueprint: {name: toy, layers: [os], os: [{name: a, what: a%s}]}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ONE % ", optional: maybe", 'expected "True" or "False"; found \'maybe\''),
        (ONE % "/../..", "no plain name"),
        ("blueprint: {name: toy, layers: [../os]}", "no plain name"),
        ("blueprint: {name: toy, layers: []}", "expected a list of layers"),
        ("blueprint: {name: toy, layers: [os]}", "no layer has a test"),
        ("blueprint: {name: toy, layers: [os], os: {}}", "expected a list of tests"),
        ("blueprint: {name: toy, layers: [os], os: [a]}", "expected a mapping"),
        ("blueprint: {name: toy, layers: [os], os: [{what: a}]}", "has no name"),
        ("other: 1", "no mapping 'blueprint'"),
        ("a: &a [*a]", "alias within itself"),
        ("a: !!python/name:os.system", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_one_error(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        read(layer_file(tmp_path, text), None)
    assert says in str(wrong.value)
    assert "bluval-toy.yaml" in str(wrong.value)


def test_yaml_s_own_booleans_are_read_too(tmp_path: Path) -> None:
    file = layer_file(tmp_path, ONE % ", optional: true, extra: 1")
    imported = read(file, None)
    assert imported.blueprint.criteria[0].mandatory_at == "never"
    assert "'extra' is no key of BluVal's" in imported.notes[0]


TOY = """\
blueprint:
    name: toy
    layers: [hardware, os]
    hardware:
        - {name: passes, what: good}
        - {name: again, what: good}
        - {name: absent, what: nowhere, optional: "True"}
        - {name: left out, what: good, skip: "True", optional: "True"}
    os:
        - {name: library, what: needs_library, optional: "True"}
        - {name: broken, what: broken, optional: "True"}
        - {name: fails, what: bad, show_stopper: "True"}
        - {name: after, what: good_too}
"""
SUITES = {
    "hardware/good": "*** Test Cases ***\nThe host is told\n"
    "    Should Be Equal    ${username}    iec4\n    Log    not to be lost    WARN\n",
    "os/needs_library": "*** Settings ***\nLibrary    NoSuchLibrary\n"
    "*** Test Cases ***\nT\n    Go\n",
    "os/broken": "*** Keywords ***\nNo Test Here\n    No Operation\n",
    "os/bad": "*** Test Cases ***\nIt fails\n    Fail    as it must\nIt passes\n    No Operation\n",
    "os/good_too": "*** Test Cases ***\nFine\n    No Operation\n",
}


@pytest.mark.timeout(180)
def test_a_sibling_blueprint_runs_with_its_own_suites(iec4: Iec4, tmp_path: Path) -> None:
    file = layer_file(tmp_path, TOY)
    for name, text in SUITES.items():
        suite = tmp_path / "upstream" / name / f"{name.rpartition('/')[2]}.robot"
        suite.parent.mkdir(parents=True)
        suite.write_text(text)
    imported = iec4("criteria", "import", str(file), "--tests", "upstream")
    assert imported.returncode == 0, imported.stderr
    assert "HARDWARE-03 absent (hardware/nowhere, optional, no suite: SKIP)" in imported.stdout

    ran = iec4("run", "--blueprint", "toy.yaml", "--run", "toy-run", "--quiet", "--json")
    found = {c["id"]: (c["verdict"], c["reason"]) for c in json.loads(ran.stdout)["criteria"]}
    assert found["HARDWARE-01"] == ("PASS", "")
    assert found["HARDWARE-02"] == ("PASS", "")
    assert found["HARDWARE-03"][0] == "SKIP"
    assert "hardware/nowhere" in found["HARDWARE-03"][1]
    assert found["HARDWARE-04"] == ("SKIP", "hardware/good: the layer file says skip")
    assert found["OS-01"][0] == "ERROR"
    assert "imports what is not here" in found["OS-01"][1]
    assert found["OS-02"][0] == "ERROR"
    assert "was not run: Robot ended with status 252" in found["OS-02"][1]
    assert found["OS-03"][0] == "FAIL"
    assert "1 of 2 tests failed; It fails: as it must" in found["OS-03"][1]
    assert found["OS-04"] == ("ERROR", "blocked by show-stopper OS-03 fails")
    assert ran.returncode == 3

    by_name = {f"{s.layer}/{s.test}": s for s in suites_of(tmp_path / "toy-run", tmp_path)}
    assert {c.status for c in by_name["os/bad"].cases} == {"PASS", "FAIL"}
    assert len(by_name["hardware/good"].cases) == 1
    assert [c.name[:5] for c in by_name["os/iec4"].cases] == ["OS-02", "OS-04"]

    gate = iec4("gate", "toy-run", "--json")
    assert gate.returncode == 3, gate.stderr
    blocking = {line["subject"] for line in json.loads(gate.stdout)["blocking"]}
    assert blocking >= {"labs", "OS-03", "OS-04", "os/lynis"}

    sent = iec4("submit", "toy-run", "--sandbox")
    assert sent.returncode == 0, sent.stderr
    assert "snd-embedded/bluval_results/toy/master/" in sent.stdout


def suites_of(run: Path, place: Path) -> list[Suite]:
    rules = Rules(release_rules(), security_rules())
    return suites(read_results(run), model.load(str(place / "toy.yaml")), rules)


def test_without_suites_they_skip_by_name(iec4: Iec4) -> None:
    file = RECORDED / "bluval" / "bluval-iec.yaml"
    assert iec4("criteria", "import", str(file)).returncode == 0
    ran = iec4("run", "--blueprint", "iec.yaml", "--run", "iec-run", "--quiet", "--json")
    assert ran.returncode == 4
    reasons = [c["reason"] for c in json.loads(ran.stdout)["criteria"]]
    assert [reason.partition(":")[0] for reason in reasons] == [
        "os/lynis", "os/vuls", "k8s/conformance", "k8s/kube-hunter",
    ]  # fmt: skip
