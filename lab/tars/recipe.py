"""How Tars gets onto its hosts: in a lab of ours, our master, nodes, and a servant on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blueprints.errors import ConfigError
from lab import service
from lab.payload import python_runtime
from lab.recipe import Await, Command, Install, Recipe, Step, Write
from lab.session import Lab
from lab.tars import components
from lab.tars.client import TarsClient
from lab.tars.echo_client import ECHO_OBJECT, Echo, Identity
from lab.tars.installed import InstalledTars
from lab.tars.package import PROTOCOL_MODULES, node_archive
from lab.tars.probe import REGISTRY, SYSTEM, TICKET, WEB, probe, tars_web
from lab.tars.queryf import resolve
from lab.tars.steps import DeployEcho

#: The system that has a server in the data centre.
CONNECTED_VEHICLES = "cvb"

MASTER_ROLE = "tars-master"
AGENT_ROLE = "tars-agent"

#: What master and nodes need of the suite; nothing else of it travels.
MODULES = (
    *PROTOCOL_MODULES,
    "lab/faultflags.py",
    "lab/tars/framework.py",
    "lab/tars/embedded",
)

MASTER_SERVICE = "tars-master"
NODE_SERVICE = "tarsnode"

# From the host account's home directory.
_MASTER_RUNTIME = "tars/master"
_NODE_RUNTIME = "tars/node"
_NODEJS = "tars/nodejs"
_TOKEN_FILE = "tars/token"  # noqa: S105 - where it lies
_STATE = (".iec4/tars-master", ".iec4/tarsnode")


def recipe(lab: Lab) -> Recipe:
    """The recipe for this kind of lab; raises `ConfigError` where there is none."""
    if lab.inventory.kind in ("embedded", "deep"):
        return EmbeddedTars()
    if lab.inventory.kind == "real" and lab.inventory.systems[SYSTEM].platform:
        return InstalledTars()
    raise ConfigError(
        f"the suite cannot deploy Tars on this {lab.inventory.kind} lab: say what it is installed "
        f"from in systems.{SYSTEM}.platform (real labs; docs/tars.md), or "
        f"systems.{SYSTEM}.adopted: true, with its endpoints, to use one that is there"
    )


def master_runtime() -> tuple[Path, str]:
    """The archive that the master runs from: ``(path, sha256)``."""
    return python_runtime(["aiohttp", "tarsio"], MODULES)


def node_runtime() -> tuple[Path, str]:
    """The archive that a node runs from: ``(path, sha256)``."""
    return python_runtime(["tarsio"], MODULES)


def node_name(lab: Lab, host: str) -> str:
    """What the platform calls the node on ``host``: its address, as the real one does."""
    address = lab.inventory.hosts[host].address
    if address is None:
        raise ConfigError(f"lab {lab.inventory.name} is not up: host {host} has no address")
    return address


@dataclass(frozen=True)
class DeployOptional(Step):
    """Have the framework's optional servers on ``placement`` (server → host), by TarsWeb."""

    placement: Mapping[str, str]

    def execute(self, lab: Lab) -> str:
        nodes = {name: node_name(lab, host) for name, host in self.placement.items()}
        with tars_web(lab) as web:
            return "done" if components.deploy(web, nodes) else "unchanged"

    def describe(self) -> str:
        placed = ", ".join(f"{name} on {host}" for name, host in self.placement.items())
        return f"TarsWeb: of application tars, {placed or 'none'}"


class EmbeddedTars(Recipe):
    """The embedded master on the endpoints' host, a node on each tars-agent and wherever an
    optional server is placed, these servers, and EchoServer.
    """

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        master = _hosts(lab, MASTER_ROLE)[0]
        agents = _hosts(lab, AGENT_ROLE)
        registry = ":".join(map(str, lab.address(SYSTEM, REGISTRY)))
        start, answers = self.start_master(lab)
        steps: list[Step] = [
            Install("bring the embedded Tars master", master, _MASTER_RUNTIME, master_runtime),
            *_token(lab, master),
            start,
        ]
        for agent in agents:
            steps += _nodejs(agent)
        for host in _node_hosts(lab):
            steps += self._node(host, node_name(lab, host), registry)
        first = node_name(lab, agents[0])
        return [
            *steps,
            answers,
            self.nodes_are_back(lab),
            DeployOptional(
                "deploy the framework's optional servers", master, components.placement(lab)
            ),
            DeployEcho("deploy the echo servant", agents[0], first),
            Await("the echo servant answers by name", agents[0], echoed),
        ]

    def start_master(self, lab: Lab) -> tuple[Step, Step]:
        """Start the master, and wait until it answers."""
        master = _hosts(lab, MASTER_ROLE)[0]
        registry = ":".join(map(str, lab.address(SYSTEM, REGISTRY)))
        web = ":".join(map(str, lab.address(SYSTEM, WEB)))
        argv = ["python3", "-m", "lab.tars.embedded.master"]
        options = ["--home", ".", "--registry", registry, "--web", web]
        if _token(lab, master):
            options += ["--token-file", _TOKEN_FILE]
        return (
            service.start(
                master,
                MASTER_SERVICE,
                argv + options,
                env={"PYTHONPATH": _MASTER_RUNTIME},
                runs_from=[_MASTER_RUNTIME],
            ),
            service.Answers(
                "name service and TarsWeb answer",
                master,
                lambda lab: probe(lab) is not None,
                service=MASTER_SERVICE,
            ),
        )

    def nodes_are_back(self, lab: Lab) -> Step:
        names = {node_name(lab, host) for host in _node_hosts(lab)}
        master = _hosts(lab, MASTER_ROLE)[0]
        return Await("every node is there", master, lambda lab: names <= set(probe(lab)))

    def stop_master(self, lab: Lab) -> Step:
        return service.stop(_hosts(lab, MASTER_ROLE)[0], MASTER_SERVICE)

    def _node(self, agent: str, name: str, registry: str) -> list[Step]:
        argv = ["python3", "-m", "lab.tars.embedded.node", "--home", ".", "--name", name]
        return [
            Install("bring the embedded Tars node", agent, _NODE_RUNTIME, node_runtime),
            service.start(
                agent,
                NODE_SERVICE,
                [*argv, "--registry", registry],
                env={"PYTHONPATH": _NODE_RUNTIME},
                runs_from=[_NODE_RUNTIME],
            ),
        ]

    def removal(self, lab: Lab) -> list[Step]:
        agents, masters = _hosts(lab, AGENT_ROLE), _hosts(lab, MASTER_ROLE)
        services = [(host, NODE_SERVICE) for host in _node_hosts(lab)]
        services += [(masters[0], MASTER_SERVICE)]
        files = ["rm", "-rf", "tars", *_STATE]
        return [
            *(service.stop(host, name) for host, name in services),
            *(
                Command(
                    "remove Tars' files", host, [*files, *(["bin/node"] if host in agents else [])]
                )
                for host, _ in services
            ),
        ]


def _node_hosts(lab: Lab) -> list[str]:
    """The hosts that run a node: the agents, and where other servers are placed."""
    elsewhere = [*components.placement(lab).values()]
    if CONNECTED_VEHICLES in lab.inventory.systems:
        elsewhere += lab.inventory.with_role(components.PLACED_ON)
    return list(dict.fromkeys((*_hosts(lab, AGENT_ROLE), *elsewhere)))


def _token(lab: Lab, master: str) -> list[Step]:
    """Bring the suite's token, where it needs one: it is not on the loopback of a deep lab."""
    if TICKET not in lab.inventory.systems[SYSTEM].secrets:
        return []
    private = Command("make a directory for its token", master, ["mkdir", "-p", "tars"])
    token = Write("bring the suite's token", master, _TOKEN_FILE, partial(_secret, lab), mode=0o600)
    return [private, token]


def _secret(lab: Lab) -> bytes:
    return (lab.secret(SYSTEM, TICKET) or "").encode()


def _nodejs(agent: str) -> list[Step]:
    return [
        Install("bring Node.js", agent, _NODEJS, node_archive),
        Command(
            "put Node.js on the PATH",
            agent,
            ["sh", "-c", 'mkdir -p bin && ln -sfn "$1" bin/node', "sh", f"../{_NODEJS}/bin/node"],
            unless=["test", "-x", "bin/node"],
        ),
    ]


@contextmanager
def without_master(lab: Lab) -> Iterator[None]:
    """The master is away within the context, and answers again after it.

    Only for a lab with the capability ``system-restart``; raises as its recipe's steps do.
    """
    tars = EmbeddedTars()
    tars.stop_master(lab).execute(lab)
    try:
        yield
    finally:
        for step in (*tars.start_master(lab), tars.nodes_are_back(lab)):
            step.execute(lab)


def echoed(lab: Lab) -> Identity:
    """Ask the deployed echo servant, found by name, who it is."""
    here = resolve(lab.address(SYSTEM, REGISTRY), ECHO_OBJECT)[0]
    with TarsClient((here.host, here.port)) as client:
        return Echo(client).identity()


def _hosts(lab: Lab, role: str) -> list[str]:
    hosts = lab.inventory.with_role(role)
    if not hosts:
        raise ConfigError(f"lab {lab.inventory.name} has no host with the role {role}")
    return hosts
