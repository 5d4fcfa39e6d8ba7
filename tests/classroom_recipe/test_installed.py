"""A real lab's OpenVidu by its recipe: exactly what the container engine is told, and how often."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from blueprints.errors import ConfigError
from lab.classroom.lesson import Lesson
from lab.classroom.probe import probe
from lab.classroom.recipe import backend_down, recipe
from lab.errors import DeployFailed, SystemDown
from lab.inventory import Inventory, load
from lab.loopback import ca
from lab.payload import ROOT
from lab.recipe import execute
from lab.secrets import MASK, learn, redactor
from lab.session import Lab
from lab.wait import wait_for
from tests.containers.house import House, bare_hosts, bring_docker, changed, free_port, runs
from tests.containers.house import deploy as deploy_by

SECRET = "canary-of-the-classroom"
HEADER = "Basic canary-of-the-webhook"
WAITS = {"the classroom answers GET /config"}
IMAGES = [
    "redis:5.0.7",
    "openvidu/openvidu-coturn:1.0.0",
    "kurento/kurento-media-server:6.13.1",
    "openvidu/openvidu-server:2.13.0",
    "openvidu/openvidu-proxy:1.0.0",
]
#: In place of openvidu-server: the embedded backend, with the proxy's certificate.
BACKEND = """
printf %s "$OPENVIDU_SECRET" >docker/secret
exec "$0" -m lab.classroom.embedded.backend --home . --listen "$1" --secret-file docker/secret \
    --cert iec4-openvidu/owncert/certificate.cert --key iec4-openvidu/owncert/certificate.key
"""


def deploy(lab: Lab) -> dict[str, str]:
    return deploy_by(recipe(lab), lab, waits=WAITS)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    with bare_hosts(tmp_path_factory.mktemp("lab") / "lab", edge=["tars-agent"]) as inventory:
        yield inventory


@pytest.fixture
def house(hosts: Inventory, tmp_path: Path) -> Iterator[House]:
    """The host with docker on its PATH, and the inventory of a classroom to be installed."""
    assert hosts.state is not None
    address = str(hosts.hosts["edge"].address)
    chain, key = ca.issue(hosts.state, address)
    for name, content in (("chain.pem", chain), ("key.pem", key)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "header").write_text(HEADER)
    endpoint = f"{address}:{free_port(address)}"
    entry = {
        "endpoints": {"api": f"https://{endpoint}"},
        "secrets": {"api": f"file:{tmp_path}/secret"},
        "ca": str(hosts.state / "ca.pem"),
        "openvidu": {
            "certificate": str(tmp_path / "chain.pem"),
            "key": f"file:{tmp_path}/key.pem",
        },
    }
    house = House.of(hosts, tmp_path / "house.yaml", "classroom", entry)
    environment = {"PYTHONPATH": str(ROOT)}
    programs: dict[str, Any] = {image: (["sleep", "300"], environment) for image in IMAGES}
    programs[IMAGES[3]] = (["sh", "-c", BACKEND, sys.executable, endpoint], environment)
    with house.lab() as lab:
        bring_docker(lab, "edge", programs)
        try:
            yield house
        finally:
            bring_docker(lab, "edge", programs)
            execute(recipe(lab).removal(lab), lab)
            lab.host("edge").run(["rm", "-rf", "docker"])


def test_from_a_bare_host_to_a_lesson_and_away_again(house: House) -> None:
    lab = house.lab()
    deploy(lab)
    assert probe(lab) == "2.13.0"
    with Lesson(lab) as lesson:
        lesson.teacher()

    address, _ = lab.address("classroom", "api")
    home = lab.host("edge").check(["pwd"]).strip()
    common = ["--net=host", "--restart=always"]
    zone = ["-v", "/etc/localtime:/etc/localtime:ro", "--label", "LABEL"]
    kept = [f"/opt/openvidu/{name}:/opt/openvidu/{name}" for name in ("recordings", "cdr")]
    layouts = "/opt/openvidu/custom-layout:/opt/openvidu/custom-layout"
    redis, turn, media_server, server, proxy = runs(house.said(lab, "edge"))
    assert redis == [
        "run", "-d", "--name", "openvidu-redis", *common, *zone, "redis:5.0.7",
        "redis-server", "--bind", "127.0.0.1",
    ]  # fmt: skip
    assert turn == [
        "run", "-d", "--name", "openvidu-coturn", *common,
        "-e", f"TURN_PUBLIC_IP={address}", "-e", "TURN_LISTEN_PORT=3478",
        "-e", "REDIS_IP=127.0.0.1", "-e", "DB_NAME=0", "-e", "DB_PASSWORD=turn",
        "-e", "MIN_PORT=57001", "-e", "MAX_PORT=65535", *zone, IMAGES[1],
    ]  # fmt: skip
    assert media_server == [
        "run", "-d", "--name", "openvidu-kms", *common, "--ulimit", "core=-1",
        "-e", "KMS_MIN_PORT=40000", "-e", "KMS_MAX_PORT=57000", "-v", kept[0], *zone, IMAGES[2],
    ]  # fmt: skip
    assert server == [
        "run", "-d", "--name", "openvidu-server", *common,
        "-e", "SERVER_SSL_ENABLED=false", "-e", "SERVER_ADDRESS=127.0.0.1",
        "-e", "SERVER_PORT=5443", "-e", 'KMS_URIS=["ws://localhost:8888/kurento"]',
        "-e", f"COTURN_IP={address}", "-e", "COTURN_REDIS_IP=127.0.0.1",
        "-e", f"OPENVIDU_DOMAIN_OR_PUBLIC_IP={address}", "-e", "CERTIFICATE_TYPE=owncert",
        "-e", "OPENVIDU_RECORDING=false", "-e", "OPENVIDU_RECORDING_VERSION=2.9.0",
        "-e", "OPENVIDU_RECORDING_PATH=/opt/openvidu/recordings",
        "-e", "OPENVIDU_RECORDING_CUSTOM_LAYOUT=/opt/openvidu/custom-layout",
        "-e", "OPENVIDU_RECORDING_NOTIFICATION=publisher_moderator",
        "-e", "OPENVIDU_CDR=false", "-e", "OPENVIDU_CDR_PATH=/opt/openvidu/cdr",
        "-e", "OPENVIDU_WEBHOOK=false", "--env-file", "iec4-openvidu/secrets",
        "-v", "/var/run/docker.sock:/var/run/docker.sock",
        "-v", kept[0], "-v", layouts, "-v", kept[1], *zone, IMAGES[3],
    ]  # fmt: skip
    assert proxy == [
        "run", "-d", "--name", "openvidu-proxy", *common,
        "-e", f"DOMAIN_OR_PUBLIC_IP={address}", "-e", "CERTIFICATE_TYPE=owncert",
        "-e", "PROXY_MODE=CE", "-e", "WITH_DEMOS=false",
        "-v", f"{home}/iec4-openvidu/owncert:/owncert", "-v", layouts, *zone, IMAGES[4],
    ]  # fmt: skip

    execute(recipe(lab).removal(lab), lab)
    assert not lab.host("edge").run(["docker", "inspect", "openvidu-server"]).ok
    assert not lab.host("edge").run(["test", "-e", "iec4-openvidu"]).ok


def test_its_server_is_taken_down_and_brought_back(house: House) -> None:
    lab = house.lab()
    deploy(lab)
    before = runs(house.said(lab, "edge"))
    with backend_down(lab), pytest.raises(SystemDown):
        probe(lab)
    assert wait_for("the server is back", lambda: probe(lab), timeout=10) == "2.13.0"
    assert runs(house.said(lab, "edge")) == [*before, before[3]]


def test_deploying_again_changes_nothing(house: House) -> None:
    lab = house.lab()
    deploy(lab)
    before = runs(house.said(lab, "edge"))
    assert changed(deploy(lab)) == set()
    assert runs(house.said(lab, "edge")) == before


def test_another_certificate_reaches_the_proxy_alone(house: House, hosts: Inventory) -> None:
    lab = house.lab()
    deploy(lab)
    house.made_in_the_past(lab, "edge")
    lab.host("edge").check(["touch", "-d", "2000-01-01", "iec4-openvidu/secrets"])
    assert hosts.state is not None
    chain, key = ca.issue(hosts.state, str(hosts.hosts["edge"].address))
    (house.file.parent / "chain.pem").write_bytes(chain)
    (house.file.parent / "key.pem").write_bytes(key)
    assert changed(deploy(lab)) == {
        "edge: write its key",
        "edge: write its certificate",
        "edge: run openvidu-proxy",
    }


def test_recording_cdr_and_webhook_are_the_servers_options(house: House) -> None:
    data = yaml.safe_load(house.file.read_text())
    data["systems"]["classroom"]["webhook"] = "http://127.0.0.1:7777/events"
    house.file.write_text(yaml.safe_dump(data))
    lab = house.change(
        "openvidu",
        recording=True,
        cdr=True,
        directory="/srv/openvidu",
        webhook_events=["sessionCreated"],
        webhook_headers={"Authorization": f"file:{house.file.parent}/header"},
    )
    plan = [step.describe() for step in recipe(lab).steps(lab)]
    assert "docker pull openvidu/openvidu-recording:2.9.0" in plan
    [server] = [line for line in plan if "--name openvidu-server" in line]
    for option in (
        "OPENVIDU_RECORDING=true",
        "OPENVIDU_RECORDING_PATH=/srv/openvidu/recordings",
        "OPENVIDU_CDR=true",
        "OPENVIDU_WEBHOOK=true",
        "OPENVIDU_WEBHOOK_ENDPOINT=http://127.0.0.1:7777/events",
        """'OPENVIDU_WEBHOOK_EVENTS=["sessionCreated"]'""",
        "/srv/openvidu/recordings:/srv/openvidu/recordings",
    ):
        assert f" {option} " in server
    deploy(lab)
    host = lab.host("edge")
    assert f'OPENVIDU_WEBHOOK_HEADERS=["Authorization: {HEADER}"]' in (
        host.check(["cat", "iec4-openvidu/secrets"])
    )


def test_secrets_are_in_no_command_and_no_plan(house: House) -> None:
    lab = house.lab()
    plan = "\n".join(step.describe() for step in recipe(lab).steps(lab))
    deploy(lab)
    said = "\n".join(" ".join(argv) for argv in house.said(lab, "edge"))
    assert SECRET not in plan + said
    assert "PRIVATE KEY" not in plan + said
    files = ["iec4-openvidu", "iec4-openvidu/secrets", "iec4-openvidu/owncert/certificate.key"]
    assert lab.host("edge").check(["stat", "-c", "%a", *files]).split() == ["700", "600", "600"]


def test_a_run_redacts_the_key_and_the_webhooks_header(house: House) -> None:
    header = house.file.parent / "header"
    learn(house.change("openvidu", webhook_headers={"X": f"file:{header}"}).inventory)
    key = (house.file.parent / "key.pem").read_text().splitlines()[1]
    assert redactor.text(f"{key} {HEADER}") == f"{MASK} {MASK}"


def test_what_is_no_key_is_not_brought(house: House) -> None:
    (house.file.parent / "key.pem").write_text("not a key at all")
    with pytest.raises(DeployFailed, match="holds no private key"):
        deploy(house.lab())


@pytest.mark.parametrize(
    ("openvidu", "says"),
    [
        ({"server": "openvidu/openvidu-server"}, "REPOSITORY:TAG"),
        ({"proxy": "openvidu/openvidu-proxy:latest"}, "another image each day"),
        ({"recorder": "mirror/recording:2.9.0"}, "openvidu/openvidu-recording:TAG"),
        ({"key": "the key itself"}, "by reference"),
        ({"recording_notification": "nobody"}, "recording_notification"),
        ({"directory": "data"}, "directory"),
    ],
)
def test_an_inventory_that_cannot_be_meant_is_refused(
    house: House, openvidu: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        house.change("openvidu", **openvidu)


def test_an_adopted_one_is_not_installed(house: House) -> None:
    data = yaml.safe_load(house.file.read_text())
    data["systems"]["classroom"]["adopted"] = True
    house.file.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match="not adopted"):
        house.lab()


def test_a_lab_that_says_too_little_is_told_so(house: House) -> None:
    data = yaml.safe_load(house.file.read_text())
    del data["systems"]["classroom"]["openvidu"], data["systems"]["classroom"]["secrets"]
    house.file.write_text(yaml.safe_dump(data))
    inventory = load(str(house.file))
    for place in ("systems.classroom.openvidu", "systems.classroom.secrets.api"):
        assert any(place in line for line in inventory.missing())
    with pytest.raises(ConfigError, match="adopted: true"):
        recipe(Lab(inventory))
