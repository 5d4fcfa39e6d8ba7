"""A real lab's Tars, in the containers that its documentation names.

Sources: TarsDocs ``installation/docker.md`` (framework and MySQL: MYSQL_HOST, MYSQL_PORT,
MYSQL_USER, MYSQL_ROOT_PASSWORD, REBUILD, SLAVE, INET; data at /data/tars) and
``installation/node.md`` (node: INET, WEB_HOST; the host's own network, so that name look-ups
give addresses that other hosts reach). All is inspected before it is changed: a container that
runs from the same image, options and secrets is left alone.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from blueprints.errors import ConfigError
from lab import secrets
from lab.errors import SystemDown
from lab.recipe import Await, Command, Recipe, Step, Write
from lab.session import Lab
from lab.tars.client import TarsClient
from lab.tars.installation import TarsInstall
from lab.tars.probe import REGISTRY, SYSTEM, TICKET, WEB, tars_web
from lab.tars.queryf import QueryF
from lab.tars.steps import DeployEcho
from lab.tars.web import Calls

MASTER_ROLE, AGENT_ROLE, DC_ROLE = "tars-master", "tars-agent", "dc"

#: Seconds: for an image to arrive, for a first start with its database, for nodes to register.
PULL_S = 900.0
START_S = 300.0
NODES_S = 120.0
#: What a container engine may need for a command.
_ENGINE_S = 120.0

DATABASE, FRAMEWORK, NODE = "tars-mysql", "tars-framework", "tars-node"
#: The label by which a container is known again.
_LABEL = "iec4.made-from"
#: Environment files, from the account's home directory.
_SECRETS = "iec4-tars"

# Exit status 0: the container runs, was made from this, and after its secrets were written.
_CURRENT = """
engine=$1 name=$2 made_from=$3 secrets=$4
[ "$("$engine" inspect -f '{{.State.Running}} {{index .Config.Labels "iec4.made-from"}}' "$name" \
    2>/dev/null)" = "true $made_from" ] || exit 1
[ -z "$secrets" ] && exit 0
made=$("$engine" inspect -f '{{.Created}}' "$name") || exit 1
[ "$(date -d "$made" +%s)" -ge "$(stat -c %Y "$secrets")" ]
"""
# Whatever has the name goes, its data stays; then it is made anew.
_MAKE = """
engine=$1 name=$2; shift 2
if "$engine" inspect "$name" >/dev/null 2>&1; then "$engine" rm -f "$name" >/dev/null || exit; fi
exec "$engine" run -d --name "$name" "$@"
"""
_GONE = 'if "$1" inspect "$2" >/dev/null 2>&1; then exec "$1" rm -f "$2"; fi'


@dataclass(frozen=True)
class EngineThere(Step):
    """Look for the container engine; nothing is installed."""

    engine: str

    def execute(self, lab: Lab) -> str:
        found = lab.host(self.host).run(
            [self.engine, "version", "--format", "{{.Server.Version}}"], timeout=_ENGINE_S
        )
        if not found.ok:
            raise SystemDown(
                f"{self.host} has no container engine that the suite's account may use",
                found=found.last_line,
                expected=f"an answer of {self.engine} version",
                advice="install it, and let the account use it (for docker: the group docker)",
            )
        return "unchanged"

    def describe(self) -> str:
        return f"{self.engine} version answers"


@dataclass(frozen=True)
class Container:
    """A container on the host's own network, restarted with the engine.

    ``environment`` holds nothing secret; ``volumes``: directory on the host → in the container.
    """

    name: str
    image: str
    environment: Mapping[str, str]
    volumes: Mapping[str, str]
    secrets: str | None = None

    def options(self) -> list[str]:
        """The arguments of ``run`` after the name, the image last."""
        options = ["--net=host", "--restart=always"]
        for name, value in self.environment.items():
            options += ["-e", f"{name}={value}"]
        if self.secrets is not None:
            options += ["--env-file", self.secrets]
        for outside, inside in {**self.volumes, "/etc/localtime": "/etc/localtime:ro"}.items():
            options += ["-v", f"{outside}:{inside}"]
        digest = hashlib.sha256(json.dumps([*options, self.image]).encode()).hexdigest()
        return [*options, "--label", f"{_LABEL}={digest}", self.image]

    @property
    def made_from(self) -> str:
        return self.options()[-2].partition("=")[2]


@dataclass(frozen=True)
class RunContainer(Step):
    """Have a container run as it is described."""

    engine: str
    container: Container

    def execute(self, lab: Lab) -> str:
        host, it = lab.host(self.host), self.container
        current = [_CURRENT, "sh", self.engine, it.name, it.made_from, it.secrets or ""]
        if host.run(["sh", "-c", *current], timeout=_ENGINE_S).ok:
            return "unchanged"
        make = ["sh", "-c", _MAKE, "sh", self.engine, it.name, *it.options()]
        host.run(make, timeout=_ENGINE_S).check(advice=f"see {self.engine} logs {it.name}")
        return "done"

    def describe(self) -> str:
        argv = [self.engine, "run", "-d", "--name", self.container.name]
        return shlex.join([*argv, *self.container.options()])


class InstalledTars(Recipe):
    """Framework and database on the tars-master, a node on each tars-agent and dc host.

    A token of TarsWeb is a person's to make. Until the inventory has it (``secrets.ticket``),
    the list ends where it is needed; deploying again then goes on.
    """

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        install = _install(lab)
        master, nodes = _hosts(lab)
        images = {master: [install.framework], **{host: [install.node] for host in nodes}}
        if install.database.image is not None:
            images[master].insert(0, install.database.image)
        steps: list[Step] = [
            EngineThere("look for the container engine", host, install.engine) for host in images
        ]
        for host, wanted in images.items():
            steps += [_pull(install.engine, host, image) for image in wanted]
        steps += self._framework(lab, install, master)
        for host in nodes:
            container = Container(
                NODE,
                install.node,
                {
                    "INET": install.interfaces.get(host, install.interface),
                    "WEB_HOST": lab.url(SYSTEM, WEB),
                },
                {f"{install.directory}/tars": "/data/tars"},
            )
            steps.append(RunContainer("run a node", host, install.engine, container))
        if TICKET not in lab.inventory.systems[SYSTEM].secrets:
            return steps
        names = {_address(lab, host) for host in nodes}
        agent = lab.inventory.with_role(AGENT_ROLE)[0]
        return [
            *steps,
            Await(
                "every node is registered",
                master,
                lambda lab: names <= set(_nodes(lab)),
                timeout=NODES_S,
            ),
            DeployEcho("deploy the echo servant", agent, _address(lab, agent)),
        ]

    def _framework(self, lab: Lab, install: TarsInstall, master: str) -> list[Step]:
        database, engine = install.database, install.engine
        file = f"{_SECRETS}/database"
        steps: list[Step] = [
            Command(
                "keep its secrets to itself",
                master,
                ["install", "-d", "-m", "700", _SECRETS],
                unless=["sh", "-c", '[ "$(stat -c %a "$1")" = 700 ]', "sh", _SECRETS],
            ),
            Write(
                "write the database's password",
                master,
                file,
                lambda: _environment({"MYSQL_ROOT_PASSWORD": secrets.resolve(database.password)}),
                0o600,
            ),
        ]
        if database.image is not None:
            keeps = {f"{install.directory}/framework-mysql": "/var/lib/mysql"}
            container = Container(DATABASE, database.image, {}, keeps, secrets=file)
            steps.append(RunContainer("run the framework's database", master, engine, container))
        container = Container(
            FRAMEWORK,
            install.framework,
            {
                "MYSQL_HOST": database.host or _address(lab, master),
                "MYSQL_PORT": str(database.port),
                "MYSQL_USER": database.user,
                "REBUILD": "false",
                "SLAVE": "false",
                "INET": install.interfaces.get(master, install.interface),
            },
            {f"{install.directory}/framework": "/data/tars"},
            secrets=file,
        )
        return [
            *steps,
            RunContainer("run the framework", master, engine, container),
            Await("its name service answers", master, _name_service, timeout=START_S),
            Await("TarsWeb answers", master, _web_there, timeout=START_S),
        ]

    def removal(self, lab: Lab) -> list[Step]:
        """Containers and secrets; data of database and nodes stay where they are."""
        install = _install(lab)
        master, nodes = _hosts(lab)
        engine = install.engine
        names = [(host, NODE) for host in nodes] + [(master, FRAMEWORK)]
        if install.database.image is not None:
            names.append((master, DATABASE))
        return [
            *(
                Command(
                    f"remove {name}",
                    host,
                    ["sh", "-c", _GONE, "sh", engine, name],
                    timeout=_ENGINE_S,
                )
                for host, name in names
            ),
            Command("remove its secrets", master, ["rm", "-rf", _SECRETS]),
        ]


def _install(lab: Lab) -> TarsInstall:
    install = lab.inventory.systems[SYSTEM].platform
    if install is None:
        raise ConfigError(f"lab {lab.inventory.name} has no systems.{SYSTEM}.platform")
    return install


def _hosts(lab: Lab) -> tuple[str, list[str]]:
    """The tars-master, and the hosts that get a node; raises `ConfigError`."""
    masters = lab.inventory.with_role(MASTER_ROLE)
    agents = lab.inventory.with_role(AGENT_ROLE)
    for role, hosts in ((MASTER_ROLE, masters), (AGENT_ROLE, agents)):
        if not hosts:
            raise ConfigError(f"lab {lab.inventory.name} has no host with the role {role}")
    nodes = list(dict.fromkeys((*agents, *lab.inventory.with_role(DC_ROLE))))
    if masters[0] in nodes:
        raise ConfigError(
            f"host {masters[0]} is tars-master and would get a node: the framework's container "
            "holds one already, and both take the host's own ports"
        )
    return masters[0], nodes


def _address(lab: Lab, host: str) -> str:
    address = lab.inventory.hosts[host].address
    if address is None:
        raise ConfigError(f"hosts.{host}.address is missing")
    return address


def _pull(engine: str, host: str, image: str) -> Step:
    return Command(
        f"pull {image}",
        host,
        [engine, "pull", image],
        unless=[engine, "image", "inspect", image],
        timeout=PULL_S,
    )


def _environment(values: Mapping[str, str]) -> bytes:
    """An environment file, which has a line for each value and no quoting."""
    for name, value in values.items():
        if "\n" in value or value != value.strip():
            raise ConfigError(f"{name} has a line break or outer blanks: no file can carry it")
    return "".join(f"{name}={value}\n" for name, value in values.items()).encode()


def _name_service(lab: Lab) -> bool:
    with TarsClient(lab.address(SYSTEM, REGISTRY)) as client:
        QueryF(client).ping()
    return True


def _web_there(lab: Lab) -> bool:
    """Any answer of its own: without a token that is a refusal."""
    with Calls(lab.url(SYSTEM, WEB), ca=lab.ca(SYSTEM)) as web:
        answer: bool = "ret_code" in web.request("GET", "node_list").text
    return answer


def _nodes(lab: Lab) -> list[str]:
    with tars_web(lab) as web:
        return web.nodes()
