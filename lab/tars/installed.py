"""A real lab's Tars, in the containers that its documentation names.

Sources: TarsDocs ``installation/docker.md`` (framework and MySQL: MYSQL_HOST, MYSQL_PORT,
MYSQL_USER, MYSQL_ROOT_PASSWORD, REBUILD, SLAVE, INET; data at /data/tars) and
``installation/node.md`` (node: INET, WEB_HOST; the host's own network, so that name look-ups
give addresses that other hosts reach).
"""

from __future__ import annotations

from blueprints.errors import ConfigError
from lab import secrets
from lab.containers import (
    Container,
    EngineThere,
    RunContainer,
    environment_file,
    private_directory,
    pull,
    remove,
)
from lab.recipe import Await, Command, Recipe, Step, Write
from lab.session import Lab
from lab.tars.client import TarsClient
from lab.tars.installation import TarsInstall
from lab.tars.probe import REGISTRY, SYSTEM, TICKET, WEB, tars_web
from lab.tars.queryf import QueryF
from lab.tars.steps import DeployEcho
from lab.tars.web import Calls

MASTER_ROLE, AGENT_ROLE, DC_ROLE = "tars-master", "tars-agent", "dc"

#: Seconds: for a first start with its database, for nodes to register.
START_S = 300.0
NODES_S = 120.0

DATABASE, FRAMEWORK, NODE = "tars-mysql", "tars-framework", "tars-node"
#: Environment files, from the account's home directory.
_SECRETS = "iec4-tars"


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
            steps += [pull(install.engine, host, image) for image in wanted]
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
            private_directory(master, _SECRETS),
            Write(
                "write the database's password",
                master,
                file,
                lambda: environment_file(
                    {"MYSQL_ROOT_PASSWORD": secrets.resolve(database.password)}
                ),
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
            *(remove(engine, host, name) for host, name in names),
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
