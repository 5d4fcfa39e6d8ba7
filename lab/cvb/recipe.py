"""How the connected vehicles' reference application gets onto its hosts: as Tars packages.

Edges run on the tars-agents, in the order of the blueprint's site; the data centre on the first
host with that role. Packages hold the digests of tokens alone; the edges' own token, which they
show to each other and to the data centre, lies in a private file on each of their hosts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from blueprints.cvb import figures
from blueprints.errors import ConfigError
from lab.cvb.contracts import APPLICATION, DATA_CENTRE_SERVER, EDGE_SERVER
from lab.cvb.edges import placed
from lab.cvb.package import TOKEN_FILE, build
from lab.cvb.probe import probe
from lab.cvb.roles import EDGE, ROLES
from lab.cvb.site import SYSTEM
from lab.recipe import Await, Command, Recipe, Step, Write
from lab.session import Lab
from lab.tars.deployment import deploy
from lab.tars.probe import probe as nodes_of_tars
from lab.tars.probe import tars_web
from lab.tars.recipe import AGENT_ROLE, node_name

DATA_CENTRE_ROLE = "dc"

_OBJECTS = {EDGE_SERVER: "EdgeObj", DATA_CENTRE_SERVER: "DataCentreObj"}
#: Tars is deployed at the same time, and has its nodes before its first server, in seconds.
_TARS_TIMEOUT_S = 240.0


def recipe(lab: Lab) -> Recipe:
    """The recipe for this kind of lab; raises `ConfigError` where there is none."""
    if lab.inventory.kind in ("embedded", "deep"):
        return EmbeddedCvb()
    raise ConfigError(
        f"the suite has no connected vehicles' application for a {lab.inventory.kind} lab: say "
        f"systems.{SYSTEM}.adopted: true, with the tokens that its roles show ("
        f"{', '.join(ROLES)}) as secrets, to judge one that is there"
    )


def edge_hosts(lab: Lab) -> dict[str, str]:
    """Edge of the site → the host that it runs on; raises `ConfigError` when there is none."""
    if found := placed(lab.inventory.with_role(AGENT_ROLE)):
        return found
    raise ConfigError(
        f"lab {lab.inventory.name} has no host with the role {AGENT_ROLE}; "
        f"the site wants one for each of {', '.join(figures().site)}"
    )


def settings(lab: Lab) -> dict[str, Any]:
    """What the application is told: where edges are, digests of tokens, the blueprint's figures."""
    data = figures()
    known = data.model_dump(mode="json", include={"hazard", "merge_m", "frame", "batch"})
    return {
        **known,
        "edges": {
            name: {"host": node_name(lab, host), **data.site[name].model_dump(mode="json")}
            for name, host in edge_hosts(lab).items()
        },
        "digests": {role: hashlib.sha256(_token(lab, role)).hexdigest() for role in ROLES},
        "token_file": TOKEN_FILE,
    }


@dataclass(frozen=True)
class Publish(Step):
    """Have a server of the application deployed, published and started on the host by TarsWeb."""

    server: str
    package: Callable[[], Path]

    def execute(self, lab: Lab) -> str:
        with tars_web(lab) as web:
            _, changed = deploy(
                web,
                node_name(lab, self.host),
                self.package(),
                application=APPLICATION,
                server_name=self.server,
                object_name=_OBJECTS[self.server],
            )
        return "done" if changed else "unchanged"

    def describe(self) -> str:
        return f"TarsWeb: {APPLICATION}.{self.server} on node {self.host}, publish and start"


@dataclass(frozen=True)
class Undeploy(Step):
    """Have the application and its servers gone from the platform."""

    def execute(self, lab: Lab) -> str:
        with tars_web(lab) as web:
            mine = [one for one in web.applications() if one.f_name == APPLICATION]
            for application in mine:
                for server in web.servers(APPLICATION):
                    web.undeploy(server.id)
                web.delete_application(application.f_id)
        return "done" if mine else "unchanged"

    def describe(self) -> str:
        return f"TarsWeb: undeploy all of {APPLICATION}"


class EmbeddedCvb(Recipe):
    """The reference application, through the management API of the lab's Tars."""

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        edges = edge_hosts(lab)
        [core, *_] = lab.inventory.with_role(DATA_CENTRE_ROLE)
        told = partial(settings, lab)
        nodes = {node_name(lab, host) for host in (*edges.values(), core)}
        steps: list[Step] = [
            Await(
                "Tars has its nodes",
                core,
                lambda lab: nodes <= set(nodes_of_tars(lab)),
                timeout=_TARS_TIMEOUT_S,
            )
        ]
        private = ["mkdir", "-p", "-m", "700", "cvb"]
        token = partial(_token, lab, EDGE)
        for host in edges.values():
            steps += [
                Command("make a directory for its token", host, private),
                Write("bring the edges' token", host, TOKEN_FILE, token, mode=0o600),
            ]
        steps += [
            Publish("publish the data centre", core, DATA_CENTRE_SERVER, _built(DATA_CENTRE, told)),
            *(
                Publish("publish an edge", host, EDGE_SERVER, _built(EDGE_PART, told))
                for host in edges.values()
            ),
            Await("edges and data centre answer by name", core, lambda lab: probe(lab) is not None),
        ]
        return steps

    def removal(self, lab: Lab) -> list[Step]:
        edges = edge_hosts(lab)
        first = next(iter(edges.values()))
        return [
            Undeploy("take the application off the platform", first),
            *(
                Command("remove the edges' token", host, ["rm", "-rf", "cvb"])
                for host in edges.values()
            ),
        ]


#: The parts of the application, and their servers.
EDGE_PART = "edge"
DATA_CENTRE = "data-centre"
_SERVERS: Mapping[str, str] = {EDGE_PART: EDGE_SERVER, DATA_CENTRE: DATA_CENTRE_SERVER}


def _built(part: str, told: Callable[[], dict[str, Any]]) -> Callable[[], Path]:
    return lambda: build(_SERVERS[part], part, told())


def _token(lab: Lab, role: str) -> bytes:
    token = lab.secret(SYSTEM, role)
    if token is None:
        raise ConfigError(
            f"lab {lab.inventory.name} has no systems.{SYSTEM}.secrets.{role}: the token of its "
            f"{role}s, as file:PATH or env:NAME"
        )
    return token.encode()
