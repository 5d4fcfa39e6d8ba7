"""A real lab's Tars by its recipe: exactly what the container engine is told, and how often."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from blueprints.errors import ConfigError
from lab.errors import DeployFailed
from lab.inventory import load
from lab.recipe import execute
from lab.secrets import MASK, learn, redactor
from lab.session import Lab
from lab.tars.probe import probe
from lab.tars.recipe import recipe
from tests.containers.house import changed, runs
from tests.containers.house import deploy as deploy_by
from tests.tars_recipe.conftest import FRAMEWORK, MYSQL, NODE, PASSWORD, TarsHouse

WAITS = {"its name service answers", "TarsWeb answers", "every node is registered"}


def deploy(lab: Lab) -> dict[str, str]:
    return deploy_by(recipe(lab), lab, waits=WAITS)


def test_from_bare_hosts_to_an_echo_and_away_again(house: TarsHouse) -> None:
    lab = house.lab()
    deploy(lab)
    addresses = {name: str(host.address) for name, host in lab.inventory.hosts.items()}
    assert set(probe(lab)) == {addresses["edge"], addresses["core"]}

    common = ["--net=host", "--restart=always"]
    zone = ["-v", "/etc/localtime:/etc/localtime:ro", "--label", "LABEL"]
    secret = ["--env-file", "iec4-tars/database"]
    assert runs(house.said(lab, "master")) == [
        ["run", "-d", "--name", "tars-mysql", *common, *secret,
         "-v", "/data/framework-mysql:/var/lib/mysql", *zone, MYSQL],
        ["run", "-d", "--name", "tars-framework", *common,
         "-e", f"MYSQL_HOST={addresses['master']}", "-e", "MYSQL_PORT=3306",
         "-e", "MYSQL_USER=root", "-e", "REBUILD=false", "-e", "SLAVE=false",
         "-e", "INET=eth0", *secret, "-v", "/data/framework:/data/tars", *zone, FRAMEWORK],
    ]  # fmt: skip
    for host, interface in (("edge", "eth0"), ("core", "ens3")):
        assert runs(house.said(lab, host)) == [
            ["run", "-d", "--name", "tars-node", *common, "-e", f"INET={interface}",
             "-e", f"WEB_HOST={lab.url('tars', 'web')}", "-v", "/data/tars:/data/tars",
             *zone, NODE]
        ]  # fmt: skip

    execute(recipe(lab).removal(lab), lab)
    master = lab.host("master")
    assert not master.run(["docker", "inspect", "tars-framework"]).ok
    assert not master.run(["test", "-e", "iec4-tars"]).ok


def test_deploying_again_changes_nothing(house: TarsHouse) -> None:
    lab = house.lab()
    deploy(lab)
    before = {name: runs(house.said(lab, name)) for name in lab.inventory.hosts}
    assert changed(deploy(lab)) == set()
    assert {name: runs(house.said(lab, name)) for name in lab.inventory.hosts} == before


def test_another_image_replaces_only_its_container(house: TarsHouse) -> None:
    house.without_ticket()
    deploy(house.lab())
    data = yaml.safe_load(house.file.read_text())
    newer = data["systems"]["tars"]["platform"]["database"] | {"image": "mysql:5.7"}
    lab = house.platform(database=newer)
    programs = lab.host("master").check(["cat", "docker/programs"]).replace(MYSQL, "mysql:5.7")
    lab.host("master").put(programs.encode(), "docker/programs")
    assert changed(deploy(lab)) == {
        "master: pull mysql:5.7",
        "master: run the framework's database",
    }


def test_another_password_makes_its_containers_anew(house: TarsHouse) -> None:
    house.without_ticket()
    lab = house.lab()
    deploy(lab)
    (house.file.parent / "password").write_text("canary-of-another")
    house.made_in_the_past(lab, "master")
    assert changed(deploy(lab)) == {
        "master: write the database's password",
        "master: run the framework's database",
        "master: run the framework",
    }


def test_a_stopped_node_runs_again(house: TarsHouse) -> None:
    house.without_ticket()
    lab = house.lab()
    deploy(lab)
    edge = lab.host("edge")
    edge.run(["sh", "-c", 'kill -9 "-$(sed "s/.*pid.: \\([0-9]*\\).*/\\1/" docker/containers/*)"'])
    assert "edge: run a node" in changed(deploy(lab))


def test_secrets_are_in_no_command_and_no_plan(house: TarsHouse) -> None:
    house.without_ticket()
    lab = house.lab()
    plan = "\n".join(step.describe() for step in recipe(lab).steps(lab))
    deploy(lab)
    said = "\n".join(
        " ".join(argv) for name in lab.inventory.hosts for argv in house.said(lab, name)
    )
    assert PASSWORD not in plan + said
    master = lab.host("master")
    assert master.check(["stat", "-c", "%a", "iec4-tars", "iec4-tars/database"]).split() == [
        "700",
        "600",
    ]
    assert f'"MYSQL_ROOT_PASSWORD": "{PASSWORD}"' in master.check(
        ["cat", "docker/containers/tars-framework"]
    )


def test_a_run_redacts_the_databases_password(house: TarsHouse) -> None:
    """Also before the step that needs it."""
    value = f"canary-{secrets.token_hex(8)}"
    (house.file.parent / "password").write_text(value)
    learn(house.lab().inventory)
    assert redactor.text(f"password {value}") == f"password {MASK}"


def test_without_a_token_the_list_ends_where_it_is_needed(house: TarsHouse) -> None:
    house.without_ticket()
    titles = [step.title for step in recipe(house.lab()).steps(house.lab())]
    assert titles[-1] == "run a node"


def test_a_database_that_is_there_is_used(house: TarsHouse, tmp_path: Path) -> None:
    lab = house.platform(
        database={"host": "db.example.org", "port": 3307, "user": "tars"}
        | {"password": f"file:{tmp_path}/password"}
    )
    steps = recipe(lab).steps(lab)
    assert "run the framework's database" not in [step.title for step in steps]
    [framework] = [step.describe() for step in steps if step.title == "run the framework"]
    assert "-e MYSQL_HOST=db.example.org -e MYSQL_PORT=3307 -e MYSQL_USER=tars" in framework


def test_a_host_without_an_engine_is_named(house: TarsHouse) -> None:
    lab = house.lab()
    lab.host("core").check(["rm", "bin/docker"])
    with pytest.raises(DeployFailed, match="core has no container engine"):
        deploy(lab)


def test_a_node_beside_the_framework_is_refused(house: TarsHouse) -> None:
    data = yaml.safe_load(house.file.read_text())
    data["hosts"]["master"]["roles"] = ["tars-master", "tars-agent"]
    house.file.write_text(yaml.safe_dump(data))
    lab = house.lab()
    with pytest.raises(ConfigError, match="both take the host's own ports"):
        recipe(lab).steps(lab)


@pytest.mark.parametrize(
    ("platform", "says"),
    [
        ({"framework": "tarscloud/framework"}, "REPOSITORY:TAG"),
        ({"framework": "tarscloud/framework:latest"}, "another image each day"),
        ({"node": "registry:5000/tars-node"}, "REPOSITORY:TAG"),
        ({"database": {"password": "env:P"}}, "one that is there"),
        ({"database": {"password": "env:P", "image": MYSQL, "port": 3307}}, "port 3306"),
        ({"database": {"password": "secret", "host": "h"}}, "by reference"),
        ({"interfaces": {"eedge": "eth1"}}, "did you mean edge"),
        ({"directory": "data"}, "directory"),
    ],
)
def test_an_inventory_that_cannot_be_meant_is_refused(
    house: TarsHouse, platform: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        house.platform(**platform)


def test_a_lab_that_says_too_little_is_told_so(house: TarsHouse) -> None:
    data = yaml.safe_load(house.file.read_text())
    del data["systems"]["tars"]["platform"]
    house.file.write_text(yaml.safe_dump(data))
    inventory = load(str(house.file))
    assert any("systems.tars.platform" in line for line in inventory.missing())
    with pytest.raises(ConfigError, match="adopted: true"):
        recipe(Lab(inventory))
