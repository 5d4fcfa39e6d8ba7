"""The configuration that a master gets, as data; and what an inventory may say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from blueprints.errors import ConfigError
from jobs.render import SITE, render
from lab import secrets
from lab.checkup import check
from lab.inventory import Inventory, load
from lab.jenkins.plugins import CONFIGURING, pinned_plugins
from lab.jenkins.recipe import recipe
from lab.payload import ROOT
from lab.session import Lab

SHA = "0" * 64


@pytest.fixture
def entry(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "SUMS").write_text(
        "".join(f"{SHA}  {name}.hpi\n" for name in {**pinned_plugins(), **CONFIGURING})
    )
    return {
        "endpoints": {"web": "https://ci.example.org/jenkins"},
        "secrets": {"iec4": "env:SUITE"},
        "install": {
            "war": {"at": "https://mirror.example.org/jenkins.war", "sha256": SHA},
            "plugins": {
                "at": "https://mirror.example.org/{name}/{version}/{name}.hpi",
                "sums": str(tmp_path / "SUMS"),
            },
            "agents": {"edge": ["iec4", "tars-agent"]},
            "admins": {"root": "env:ROOT"},
            "readers": {"guest": "env:GUEST"},
            "credentials": {
                "git": {"user": "${git}", "key": "env:GIT"},
                "nexus": {"user": "up", "password": "env:NEXUS"},
                "signing": {"file": "file:/signing.pem"},
                "hook": {"text": "env:HOOK"},
            },
            "labs": ["inwinstack"],
            "resource_root": "https://reports.example.org",
            "listen": "127.0.0.1:8080",
        },
    }


def inventory(tmp_path: Path, entry: dict[str, Any], **changes: Any) -> Inventory:
    """The inventory of a lab that is nowhere, with this ``systems.jenkins``."""
    host = {"host_key": "ssh-ed25519 AAAAHOSTKEY comment", "port": 2222}
    accounts = [{"name": "iec4", "key": "file:/k"}, {"name": "builder", "key": "file:/b"}]
    data: dict[str, Any] = {
        "name": "house",
        "kind": "real",
        "profile": "lab",
        "hosts": {
            "ci": {"roles": ["jenkins-master"], "address": "192.0.2.1", "accounts": accounts},
            "edge": {"roles": ["tars-agent"], "address": "192.0.2.2", "accounts": accounts},
        },
        "systems": {"jenkins": entry},
    }
    for each in data["hosts"].values():
        each.update(host)
    file = tmp_path / "house.yaml"
    file.write_text(yaml.safe_dump(data | changes))
    return load(str(file))


def configuration(inventory: Inventory) -> dict[str, Any]:
    [step] = [
        s
        for s in recipe(Lab(inventory)).steps(Lab(inventory))
        if s.title == "write its configuration"
    ]
    found: dict[str, Any] = yaml.safe_load(step.content)
    return found


def test_the_whole_of_it(tmp_path: Path, entry: dict[str, Any]) -> None:
    found = configuration(inventory(tmp_path, entry))
    jenkins = found["jenkins"]

    assert jenkins["numExecutors"] == 0
    assert jenkins["securityRealm"]["local"] == {
        "allowsSignup": False,
        "users": [
            {"id": name, "password": f"${{account-{name}}}"} for name in ("iec4", "guest", "root")
        ],
    }
    matrix = {
        who["user"]["name"]: who["user"]["permissions"]
        for who in jenkins["authorizationStrategy"]["globalMatrix"]["entries"]
    }
    assert matrix["root"] == ["Overall/Administer"]
    assert matrix["guest"] == ["Overall/Read", "Job/Read", "View/Read"]
    assert "Job/Configure" in matrix["iec4"]
    assert "Overall/Administer" not in matrix["iec4"]
    assert matrix.keys() == {"root", "guest", "iec4"}
    assert [node["permanent"] for node in jenkins["nodes"]] == [
        {
            "name": "edge",
            "remoteFS": "/home/builder/iec4-agent",
            "numExecutors": 2,
            "labelString": "iec4 tars-agent",
            "mode": "EXCLUSIVE",
            "retentionStrategy": "always",
            "launcher": {
                "ssh": {
                    "host": "192.0.2.2",
                    "port": 2222,
                    "credentialsId": "iec4-agent-edge",
                    "sshHostKeyVerificationStrategy": {
                        "manuallyProvidedKeyVerificationStrategy": {
                            "key": "ssh-ed25519 AAAAHOSTKEY"
                        }
                    },
                }
            },
        }
    ]
    [domain] = found["credentials"]["system"]["domainCredentials"]
    kinds = {
        given["id"]: (kind, given["scope"])
        for credential in domain["credentials"]
        for kind, given in credential.items()
    }
    assert kinds == {
        "iec4-agent-edge": ("basicSSHUserPrivateKey", "SYSTEM"),
        "iec4-jenkins-token": ("string", "GLOBAL"),
        "git": ("basicSSHUserPrivateKey", "GLOBAL"),
        "nexus": ("usernamePassword", "GLOBAL"),
        "signing": ("file", "GLOBAL"),
        "hook": ("string", "GLOBAL"),
    }
    users = {
        given["id"]: given.get("username")
        for credential in domain["credentials"]
        for given in credential.values()
    }
    assert (users["git"], users["nexus"]) == ("^${git}", "up")
    assert found["unclassified"]["location"] == {"url": "https://ci.example.org/jenkins/"}
    assert found["unclassified"]["resourceRoot"] == {"url": "https://reports.example.org"}


def test_the_throttle_categories_are_those_that_the_jobs_use(
    tmp_path: Path, entry: dict[str, Any]
) -> None:
    used = {
        category
        for xml in render().values()
        for category in _between(xml, "<string>", "</string>")
        if category.startswith("iec4-")
    }
    assert used
    entry["install"]["labs"] = [category.removeprefix("iec4-") for category in used]

    throttle = configuration(inventory(tmp_path, entry))["unclassified"]["throttleJobProperty"]

    limits = {each["categoryName"]: each["maxConcurrentTotal"] for each in throttle["categories"]}
    assert limits == dict.fromkeys((*used, "iec4-house"), 1)


def _between(text: str, start: str, end: str) -> list[str]:
    return [piece.partition(end)[0] for piece in text.split(start)[1:]]


def test_where_it_listens(tmp_path: Path, entry: dict[str, Any]) -> None:
    def options() -> str:
        lab = Lab(inventory(tmp_path, entry))
        [step] = [s for s in recipe(lab).steps(lab) if s.title == "write its options"]
        return str(step.content.decode())

    assert options() == "--httpListenAddress=127.0.0.1\n--httpPort=8080\n--prefix=/jenkins\n"
    del entry["install"]["listen"]
    with pytest.raises(ConfigError, match=r"a proxy ends TLS; say in .*\.listen"):
        options()
    entry["endpoints"]["web"] = "http://192.0.2.1:8081"
    assert options() == "--httpListenAddress=192.0.2.1\n--httpPort=8081\n"


WRONG = {
    "no checksum": ({"war": {"at": "/jenkins.war"}}, r"install\.war\.sha256 is missing"),
    "short checksum": ({"war": {"at": "/w", "sha256": "12"}}, r"install\.war\.sha256"),
    "relative war": ({"war": {"at": "w", "sha256": SHA}}, "absolute path on this machine"),
    "one plugin": ({"plugins": {"at": "/p.hpi", "sums": "/s"}}, r"holds \{name\}"),
    "another field": ({"plugins": {"at": "/{name}{x}", "sums": "/s"}}, r"holds \{name\}"),
    "no agent": ({"agents": {}}, r"install\.agents"),
    "unknown host": ({"agents": {"egde": ["iec4"]}}, "unknown host 'egde'; did you mean edge"),
    "misspelt": ({"admin": {}}, "unknown key 'admin'; did you mean admins"),
    "two kinds": (
        {"credentials": {"x": {"text": "env:A", "file": "env:B"}}},
        r"a credential is .*; found file, text",
    ),
    "a path as name": ({"credentials": {"../x": {"text": "env:A"}}}, r"install\.credentials"),
}


@pytest.mark.parametrize(("change", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, entry: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    entry["install"] |= change
    with pytest.raises(ConfigError, match=rf"house\.yaml:\d+:\d+: .*{says}"):
        inventory(tmp_path, entry)


@pytest.mark.parametrize(
    "change",
    [
        {"admins": {"root": "canary-written-in"}},
        {"credentials": {"x": {"text": "canary-written-in"}}},
        {"war": {"at": "https://me:canary-written-in@mirror.example.org/w", "sha256": SHA}},
    ],
)
def test_a_secret_written_in_is_refused_and_not_repeated(
    tmp_path: Path, entry: dict[str, Any], change: dict[str, Any]
) -> None:
    entry["install"] |= change
    with pytest.raises(ConfigError, match=r"by reference|no credentials") as refused:
        inventory(tmp_path, entry)
    assert "canary" not in str(refused.value)


CROSSED = {
    "nobody runs jobs": ({"agents": {"edge": ["tars-agent"]}}, "none has the label iec4"),
    "same name": ({"resource_root": "https://ci.example.org"}, "another host name"),
    "own id": ({"credentials": {"iec4-jenkins-token": {"text": "env:A"}}}, "the suite's own id"),
    "twice": ({"admins": {"iec4": "env:A"}}, "an account stands once"),
    "no sums": ({"plugins": {"at": "/{name}", "sums": "/nowhere"}}, "/nowhere"),
}


@pytest.mark.parametrize(("change", "says"), CROSSED.values(), ids=CROSSED)
def test_what_does_not_go_together_is_refused_before_any_step(
    tmp_path: Path, entry: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    entry["install"] |= change
    lab = Lab(inventory(tmp_path, entry))
    with pytest.raises(ConfigError, match=says):
        recipe(lab).steps(lab)


def test_an_agent_beside_jenkins_needs_an_account_of_its_own(
    tmp_path: Path, entry: dict[str, Any]
) -> None:
    entry["install"]["agents"] = {"ci": ["iec4"]}
    found = inventory(tmp_path, entry)
    lab = Lab(found)
    assert recipe(lab).steps(lab)
    host = found.hosts["ci"]
    alone = host.model_copy(update={"accounts": host.accounts[:1]})
    lab = Lab(found.model_copy(update={"hosts": {**found.hosts, "ci": alone}}))
    with pytest.raises(ConfigError, match=r"hosts\.ci\.accounts: an agent beside Jenkins"):
        recipe(lab).steps(lab)


def test_an_agents_key_that_only_ssh_can_use_is_refused(
    tmp_path: Path, entry: dict[str, Any]
) -> None:
    found = inventory(tmp_path, entry)
    held = found.hosts["edge"].accounts[-1].model_copy(update={"key": "agent:me"})
    edge = found.hosts["edge"].model_copy(update={"accounts": (held,)})
    lab = Lab(found.model_copy(update={"hosts": {**found.hosts, "edge": edge}}))
    with pytest.raises(ConfigError, match=r"needs its key as file:PATH or env:NAME"):
        recipe(lab).steps(lab)


def test_check_says_what_is_missing(tmp_path: Path, entry: dict[str, Any]) -> None:
    del entry["install"], entry["secrets"]
    entry["endpoints"] = {}
    with Lab(inventory(tmp_path, entry, hosts={})) as lab:
        said = {finding.name: finding.says for finding in check(lab)}
        with pytest.raises(ConfigError, match=r"systems\.jenkins\.install .*adopted: true"):
            recipe(lab)
    assert said.keys() == {
        "systems.jenkins.endpoints.web",
        "systems.jenkins.install",
        "systems.jenkins.secrets",
        "hosts",
    }
    assert "adopted: true" in said["systems.jenkins.install"]


def test_an_adopted_jenkins_needs_none_of_it(tmp_path: Path, entry: dict[str, Any]) -> None:
    entry["adopted"] = True
    with pytest.raises(ConfigError, match="that is not adopted"):
        inventory(tmp_path, entry)
    del entry["install"]
    assert inventory(tmp_path, entry).missing() == []


def test_its_secrets_are_redacted_before_anything_uses_them(
    inventory_file: Path, offered: Path
) -> None:
    (offered / "nexus").write_text("canary-only-of-this-test")
    secrets.learn(load(str(inventory_file)))
    assert "canary-only" not in secrets.redactor.text("a log with canary-only-of-this-test in it")


def test_the_example_in_the_documentation_is_one(tmp_path: Path, entry: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "jenkins.md").read_text()
    block = page.split("    systems:\n")[1].split("\n\n")[0]
    block = block.replace("5f1c…", "5f1c" * 16)
    example = yaml.safe_load("systems:\n" + block)["systems"]["jenkins"]
    example["install"]["agents"] = {"edge": example["install"]["agents"]["tars-agent"]}
    example["site"] = str(SITE)
    example["install"]["plugins"]["sums"] = entry["install"]["plugins"]["sums"]

    lab = Lab(inventory(tmp_path, example))

    assert lab.inventory.missing() == []
    assert recipe(lab).steps(lab)
    for name, version in CONFIGURING.items():
        assert f"`{name}` {version}" in page
