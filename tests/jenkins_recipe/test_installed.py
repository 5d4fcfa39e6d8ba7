"""A Jenkins installed by reference on bare hosts: what arrives, what runs, what is refused."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from blueprints.errors import ConfigError
from jobs.render import SITE, render
from lab.errors import DeployFailed, SystemDown
from lab.inventory import load
from lab.jenkins.plugins import CONFIGURING, pinned_plugins
from lab.jenkins.probe import access, client, probe
from lab.jenkins.recipe import recipe
from lab.jenkins.trial import Trial
from lab.recipe import execute
from lab.session import Lab
from pipeline import lab_jobs
from tests.jenkins_recipe.conftest import PASSWORD, SECRETS

WAITS = {"Jenkins answers GET /whoAmI", "its agents are online"}


def deploy(lab: Lab, log: io.StringIO | None = None) -> dict[str, str]:
    """Deploy; step title → outcome. ``log`` gets what a deployment's log says."""
    outcomes: dict[str, str] = {}

    def done(what: Any) -> None:
        outcomes[f"{what.step.host}: {what.step.title}"] = what.outcome
        if log is not None:
            log.write(f"{what.step.title}: {what.outcome}: {what.step.describe()}\n")

    execute(recipe(lab).steps(lab), lab, done=done)
    return outcomes


def changed(outcomes: dict[str, str]) -> set[str]:
    titles = {key.partition(": ")[2] for key, outcome in outcomes.items() if outcome == "done"}
    return titles - WAITS


def edited(lab: Lab, file: Path, **install: object) -> Lab:
    """The lab with other values in ``systems.jenkins.install``."""
    data = yaml.safe_load(file.read_text())
    data["systems"]["jenkins"]["install"] |= install
    file.write_text(yaml.safe_dump(data))
    return Lab(load(str(file)))


def home(lab: Lab) -> Path:
    return Path(lab.host("master").check(["pwd"]).strip()) / "iec4-jenkins"


def pid(lab: Lab) -> str:
    return lab.host("master").check(["cat", ".iec4/services/jenkins/pid"])


def test_from_bare_hosts_to_a_build_on_an_agent_and_away_again(
    lab: Lab, inventory_file: Path
) -> None:
    with pytest.raises(SystemDown):
        probe(lab)

    deploy(lab)
    assert probe(lab)
    nodes = client(lab).json("computer/", tree="computer[displayName,offline,numExecutors]")
    assert {node["displayName"]: node["offline"] for node in nodes["computer"]} == {
        "Built-In Node": False, "edge": False, "master": False
    }  # fmt: skip
    answer = client(lab).json("pluginManager/", tree="plugins[shortName,version]")
    found = {plugin["shortName"]: plugin["version"] for plugin in answer["plugins"]}
    assert found == {**pinned_plugins(), **CONFIGURING}
    with Trial(lab, "echo on $(basename $HOME)", label="iec4") as trial:
        _, result = trial.run()
        assert result == "SUCCESS", trial.output

    running = pid(lab)
    assert changed(deploy(lab)) == set()
    assert pid(lab) == running

    directory = home(lab)
    service = int(running)
    execute(recipe(lab).removal(lab), lab)
    assert not directory.exists()
    assert not Path(f"/proc/{service}").exists()


def test_the_jobs_of_a_site_are_defined_on_it(lab: Lab, inventory_file: Path) -> None:
    data = yaml.safe_load(inventory_file.read_text())
    data["systems"]["jenkins"]["site"] = str(SITE)
    inventory_file.write_text(yaml.safe_dump(data))
    deploy(lab)

    with Lab(load(str(inventory_file))) as with_site:
        [step] = lab_jobs.steps(with_site)
        assert [step.execute(with_site), step.execute(with_site)] == ["done", "unchanged"]
        found = client(with_site).json("", tree="jobs[name]")["jobs"]
    assert {job["name"] for job in found} == set(render())


def test_strangers_are_refused_by_the_one_that_answers(lab: Lab) -> None:
    deploy(lab)
    assert httpx.get(access(lab).base + "api/json").status_code == 403


def test_what_changed_restarts_jenkins_and_nothing_else_does(
    lab: Lab, inventory_file: Path, offered: Path
) -> None:
    deploy(lab)
    before = pid(lab)

    (offered / "nexus").write_text("canary-of-another-nexus")
    with edited(lab, inventory_file) as same:
        assert changed(deploy(same)) == {
            "write the secret credential-iec4-nexus",
            "stop Jenkins if it runs from something else",
            "start jenkins",
        }
        assert pid(same) != before

    with edited(lab, inventory_file, credentials={}, labs=[]) as fewer:
        assert changed(deploy(fewer)) == {
            "write its configuration",
            "remove other secrets",
            "stop Jenkins if it runs from something else",
            "start jenkins",
        }
        assert sorted(file.name for file in (home(fewer) / "secrets").iterdir()) == [
            "account-iec4", "account-root", "iec4-agent-edge", "iec4-agent-master"
        ]  # fmt: skip


def test_a_jenkins_that_died_is_started_again(lab: Lab) -> None:
    deploy(lab)
    lab.host("master").run(["sh", "-c", 'kill -9 "-$1"', "sh", pid(lab).strip()]).check()
    assert changed(deploy(lab)) == {"start jenkins"}


def test_secrets_stand_in_their_own_files_and_nowhere_else(lab: Lab) -> None:
    key = Path((lab.inventory.hosts["edge"].accounts[-1].key or "").removeprefix("file:"))
    canaries = [*SECRETS.values(), key.read_text().splitlines()[1]]
    dry = "\n".join(f"{s.host} {s.title} {s.describe()}" for s in recipe(lab).steps(lab))
    log = io.StringIO()

    deploy(lab, log)

    directory = home(lab)
    service = (directory.parent / ".iec4/services/jenkins/log").read_text()
    arguments = Path(f"/proc/{pid(lab).strip()}/cmdline").read_text()
    environment = Path(f"/proc/{pid(lab).strip()}/environ").read_text()
    written = [
        file
        for file in directory.rglob("*")
        if file.is_file() and "stand-in" not in file.parts and file.parent.name != "secrets"
    ]
    assert directory / "casc.yaml" in written
    texts = [dry, log.getvalue(), service, arguments, environment]
    texts += [file.read_text(errors="replace") for file in written]
    for canary in canaries:
        assert not [text for text in texts if canary in text]
    kept = [directory / "casc.yaml", *(directory / "secrets").iterdir()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in kept} == {0o600}
    assert stat.S_IMODE((directory / "secrets").stat().st_mode) == 0o700
    assert (directory / "secrets/account-iec4").read_text() == PASSWORD + "\n"


def test_a_dry_run_needs_no_secret_and_no_host(lab: Lab, offered: Path) -> None:
    for name in SECRETS:
        (offered / name).unlink()
    titles = [step.title for step in recipe(lab).steps(lab)]
    assert titles[:2] == ["look for Java", "look for Java"]
    assert "write the secret credential-iec4-signing-key" in titles


def test_a_war_with_another_checksum_is_refused(lab: Lab, offered: Path, cache: Path) -> None:
    (offered / "jenkins.war").write_bytes(b"another war")
    with pytest.raises(DeployFailed, match=r"is not the file that is pinned; found: SHA-256 "):
        deploy(lab)
    assert not (home(lab) / "war").exists()
    assert list((cache / "fetched").iterdir()) == []


def test_a_plugin_with_another_checksum_is_refused(lab: Lab, offered: Path) -> None:
    [robot] = offered.glob("robot-*.hpi")
    robot.write_text("another robot")
    with pytest.raises(DeployFailed, match=r"robot-[^ ]*hpi is not the file that is pinned"):
        deploy(lab)
    assert not (home(lab) / "home/plugins").exists()


def test_a_plugin_without_a_checksum_is_refused_before_anything_is_done(
    lab: Lab, offered: Path
) -> None:
    sums = offered / "SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines() if "configuration-as-code" not in line]
    sums.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"no SHA-256 of configuration-as-code-"):
        recipe(lab).steps(lab)


@pytest.mark.parametrize(
    ("says", "found"),
    [
        ("exit 127", "no output"),
        ("echo 'openjdk version \"11.0.2\" 2019-01-15' >&2", "11.0.2"),
        ("echo 'java version \"1.8.0_402\"' >&2", "1.8.0_402"),
    ],
)
def test_java_comes_first(lab: Lab, says: str, found: str) -> None:
    edge = lab.host("edge")
    good = edge.check(["cat", "bin/java"]).encode()
    edge.put(f"#!/bin/sh\n{says}\n".encode(), "bin/java", mode=0o755)
    try:
        with pytest.raises(DeployFailed, match=f"edge has no Java.*{found}.*17 or newer"):
            deploy(lab)
    finally:
        edge.put(good, "bin/java", mode=0o755)
    assert not home(lab).exists()


def test_an_agent_whose_host_key_is_another_stays_offline(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.jenkins.installed.AGENTS_S", 1.0)
    flag = ".iec4/faults/os.other-host-key"
    edge = lab.host("edge")
    edge.run(["mkdir", "-p", ".iec4/faults"]).check()
    edge.run(["true"]).check()  # our own connection is open, and stays
    edge.run(["touch", flag]).check()
    try:
        with pytest.raises(DeployFailed, match=r"agents are offline.*edge"):
            deploy(lab)
    finally:
        edge.run(["rm", flag]).check()


def test_an_adopted_one_is_used_as_it_is(lab: Lab, inventory_file: Path) -> None:
    deploy(lab)
    data = yaml.safe_load(inventory_file.read_text())
    del data["systems"]["jenkins"]["install"]
    data["systems"]["jenkins"]["adopted"] = True
    adopting = inventory_file.with_name("adopting.yaml")
    adopting.write_text(yaml.safe_dump(data))
    with Lab(load(str(adopting))) as adopted:
        assert probe(adopted) == probe(lab)
