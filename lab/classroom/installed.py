"""A real lab's classroom: OpenVidu 2.13.0 in the containers of its own release.

Source: OpenVidu v2.13.0, ``openvidu-server/docker/openvidu-docker-compose`` (images, variables,
ports, the host's own network) and its server's ``application.properties`` (defaults). What is
different here: the services that only the host itself needs listen on its loopback address
(openvidu-server's plain HTTP at 5443, redis), addresses are told instead of asked of the
internet, the demo application is left out, and the certificate is the lab's.
"""

from __future__ import annotations

import json
from pathlib import Path

from blueprints.errors import ConfigError
from lab import secrets
from lab.classroom.installation import OpenViduInstall
from lab.classroom.probe import ENDPOINT, SECRET, SYSTEM, probe
from lab.containers import (
    Container,
    EngineThere,
    RunContainer,
    environment_file,
    private_directory,
    pull,
    remove,
)
from lab.errors import LabError
from lab.recipe import Await, Command, Recipe, Step, Write
from lab.session import Lab

#: The role on whose first host the classroom runs, in any lab.
ROLE = "tars-agent"
#: For the server's first start, which waits for its media server (s).
START_S = 300.0

REDIS, TURN, MEDIA_SERVER = "openvidu-redis", "openvidu-coturn", "openvidu-kms"
SERVER, PROXY = "openvidu-server", "openvidu-proxy"
#: Started in this order, removed in the other.
NAMES = (REDIS, TURN, MEDIA_SERVER, SERVER, PROXY)

# From the account's home directory. The proxy looks for these two names.
_PRIVATE = "iec4-openvidu"
_SECRETS = f"{_PRIVATE}/secrets"
_OWN = f"{_PRIVATE}/owncert"
_CERTIFICATE, _KEY = f"{_OWN}/certificate.cert", f"{_OWN}/certificate.key"

# Ports for media: Kurento's own, and the TURN server's.
_MEDIA_PORTS = ("40000", "57000")
_TURN_PORTS = ("57001", "65535")
_DOCKER_SOCKET = "/var/run/docker.sock"


class InstalledClassroom(Recipe):
    """OpenVidu on the first tars-agent, at the endpoint's host, by its proxy's port 443."""

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        install, host = _install(lab), classroom_host(lab)
        wanted = [install.redis, install.turn, install.media_server, install.server, install.proxy]
        if install.recording:
            wanted.append(install.recorder)
        return [
            EngineThere("look for the container engine", host, install.engine),
            *(pull(install.engine, host, image) for image in wanted),
            private_directory(host, _PRIVATE),
            Write("write its secrets", host, _SECRETS, lambda: _secrets(lab, install), 0o600),
            Command(
                "make room for its certificate",
                host,
                ["mkdir", _OWN],
                unless=["test", "-d", _OWN],
            ),
            Write("write its certificate", host, _CERTIFICATE, lambda: _chain(install)),
            Write("write its key", host, _KEY, lambda: _private_key(install), 0o600),
            *(
                RunContainer(f"run {container.name}", host, install.engine, container)
                for container in _containers(lab, install)
            ),
            Await("the classroom answers GET /config", host, probe, timeout=START_S),
        ]

    def stop(self, lab: Lab) -> Step:
        """Take the server's container away, and with it all sessions; the others stay."""
        return remove(_install(lab).engine, classroom_host(lab), SERVER)

    def start(self, lab: Lab) -> Step:
        """Run the server's container again; it answers a little later."""
        install = _install(lab)
        [server] = [one for one in _containers(lab, install) if one.name == SERVER]
        return RunContainer(f"run {SERVER}", classroom_host(lab), install.engine, server)

    def removal(self, lab: Lab) -> list[Step]:
        """Containers, secrets and certificate; recordings and CDR files stay where they are."""
        install, host = _install(lab), classroom_host(lab)
        return [
            *(remove(install.engine, host, name) for name in reversed(NAMES)),
            Command("remove its secrets", host, ["rm", "-rf", _PRIVATE]),
        ]


def _containers(lab: Lab, install: OpenViduInstall) -> list[Container]:
    address, _ = lab.address(SYSTEM, ENDPOINT)
    recordings = f"{install.directory}/recordings"
    shared = {recordings: recordings}
    server = {
        _DOCKER_SOCKET: _DOCKER_SOCKET,
        **{f"{install.directory}/{name}": f"{install.directory}/{name}" for name in _KEPT},
    }
    return [
        Container(REDIS, install.redis, arguments=("redis-server", "--bind", "127.0.0.1")),
        Container(
            TURN,
            install.turn,
            {
                "TURN_PUBLIC_IP": address,
                "TURN_LISTEN_PORT": "3478",
                "REDIS_IP": "127.0.0.1",
                "DB_NAME": "0",
                "DB_PASSWORD": "turn",  # of a redis that only this host reaches
                "MIN_PORT": _TURN_PORTS[0],
                "MAX_PORT": _TURN_PORTS[1],
            },
        ),
        Container(
            MEDIA_SERVER,
            install.media_server,
            {"KMS_MIN_PORT": _MEDIA_PORTS[0], "KMS_MAX_PORT": _MEDIA_PORTS[1]},
            shared,
            extra=("--ulimit", "core=-1"),
        ),
        Container(
            SERVER,
            install.server,
            _options(address, lab.inventory.systems[SYSTEM].webhook, install),
            server,
            secrets=_SECRETS,
        ),
        Container(
            PROXY,
            install.proxy,
            {
                "DOMAIN_OR_PUBLIC_IP": address,
                "CERTIFICATE_TYPE": "owncert",
                "PROXY_MODE": "CE",
                "WITH_DEMOS": "false",
            },
            {f"~/{_OWN}": "/owncert", f"{install.directory}/custom-layout": _LAYOUTS},
            reads=(_CERTIFICATE, _KEY),
        ),
    ]


#: What the server keeps in its directory on the host.
_KEPT = ("recordings", "custom-layout", "cdr")
#: Where the proxy looks for custom layouts.
_LAYOUTS = "/opt/openvidu/custom-layout"


def _options(address: str, webhook: str | None, install: OpenViduInstall) -> dict[str, str]:
    """The server's own variables, but for what is secret."""
    options = {
        "SERVER_SSL_ENABLED": "false",
        "SERVER_ADDRESS": "127.0.0.1",
        "SERVER_PORT": "5443",
        "KMS_URIS": '["ws://localhost:8888/kurento"]',
        "COTURN_IP": address,
        "COTURN_REDIS_IP": "127.0.0.1",
        "OPENVIDU_DOMAIN_OR_PUBLIC_IP": address,
        "CERTIFICATE_TYPE": "owncert",
        "OPENVIDU_RECORDING": _word(install.recording),
        "OPENVIDU_RECORDING_VERSION": install.recorder.rpartition(":")[2],
        "OPENVIDU_RECORDING_PATH": f"{install.directory}/recordings",
        "OPENVIDU_RECORDING_CUSTOM_LAYOUT": f"{install.directory}/custom-layout",
        "OPENVIDU_RECORDING_NOTIFICATION": install.recording_notification,
        "OPENVIDU_CDR": _word(install.cdr),
        "OPENVIDU_CDR_PATH": f"{install.directory}/cdr",
        "OPENVIDU_WEBHOOK": _word(webhook is not None),
    }
    if webhook is not None:
        options["OPENVIDU_WEBHOOK_ENDPOINT"] = webhook
    if install.webhook_events:
        options["OPENVIDU_WEBHOOK_EVENTS"] = json.dumps(install.webhook_events)
    return options


def _word(value: object) -> str:
    return "true" if value else "false"


def _secrets(lab: Lab, install: OpenViduInstall) -> bytes:
    secret = lab.secret(SYSTEM, SECRET)
    if secret is None:
        raise ConfigError(f"systems.{SYSTEM}.secrets.{SECRET} is missing: OPENVIDU_SECRET")
    values = {"OPENVIDU_SECRET": secret}
    if install.webhook_headers:
        headers = install.webhook_headers.items()
        values["OPENVIDU_WEBHOOK_HEADERS"] = json.dumps(
            [f"{name}: {secrets.resolve(reference)}" for name, reference in headers]
        )
    return environment_file(values)


def _chain(install: OpenViduInstall) -> bytes:
    return _pem(install.certificate, "CERTIFICATE")


def _pem(file: Path, kind: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise LabError(f"{file} cannot be read", found=error.strerror) from error
    if f"-----BEGIN {kind}".encode() not in content:
        raise LabError(f"{file} holds no {kind.lower()}", expected="PEM")
    return content


def _private_key(install: OpenViduInstall) -> bytes:
    key = secrets.resolve(install.key)
    if "PRIVATE KEY-----" not in key:
        raise LabError(
            f"systems.{SYSTEM}.openvidu.key holds no private key",
            expected="PEM, without a passphrase",
        )
    return key.encode() + b"\n"


def _install(lab: Lab) -> OpenViduInstall:
    install = lab.inventory.systems[SYSTEM].openvidu
    if install is None:
        raise ConfigError(f"lab {lab.inventory.name} has no systems.{SYSTEM}.openvidu")
    return install


def classroom_host(lab: Lab) -> str:
    """The host that the classroom runs on; raises `ConfigError` without one."""
    hosts = lab.inventory.with_role(ROLE)
    if not hosts:
        raise ConfigError(f"lab {lab.inventory.name} has no host with the role {ROLE}")
    return hosts[0]
