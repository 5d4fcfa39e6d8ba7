"""A lab's edges and data centre, found by the name service, and who may speak to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import cast

from lab.closing import Closing
from lab.cvb import edges
from lab.cvb.contracts import (
    APPLICATION,
    DATA_CENTRE_OBJECT,
    DATA_CENTRE_SERVER,
    EDGE_OBJECT,
    DataCentre,
    Edge,
)
from lab.errors import SystemDown
from lab.session import Lab
from lab.tars.client import Address, TarsClient
from lab.tars.deployment import await_state
from lab.tars.probe import REGISTRY, tars_web
from lab.tars.probe import SYSTEM as TARS
from lab.tars.queryf import resolve

#: The system's name in inventories; its secrets there are the roles' tokens.
SYSTEM = "cvb"


class Site(Closing):
    """The application of a lab. ``edges``: the site's names → proxies, ``addresses``: → places.

    Raises `SystemDown` where the name service knows less than the site needs.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stack = ExitStack()
        registry = lab.address(TARS, REGISTRY)
        hosts = lab.inventory.with_role("tars-agent")
        told = [cast("str", lab.inventory.hosts[name].address) for name in hosts]
        self.addresses: Mapping[str, Address] = edges.of_the_site(edges.found(registry), told)
        #: Edge of the site → the inventory's name of its host.
        self.hosts: Mapping[str, str] = edges.placed(hosts)
        self.edges = {name: self.edge(name) for name in self.addresses}
        endpoints = resolve(registry, DATA_CENTRE_OBJECT)
        if not endpoints:
            raise SystemDown(
                "the data centre is not there",
                found=f"no endpoint of {DATA_CENTRE_OBJECT}",
                expected="one, on the host with the role dc",
            )
        self.data_centre_address = Address(endpoints[0].host, endpoints[0].port)
        self.data_centre = DataCentre(
            self._stack.enter_context(TarsClient(self.data_centre_address)), DATA_CENTRE_OBJECT
        )

    def edge(self, name: str) -> Edge:
        """A proxy with a connection of its own."""
        client = self._stack.enter_context(TarsClient(self.addresses[name]))
        return Edge(client, EDGE_OBJECT)

    def token(self, role: str) -> str:
        """A role's token; raises `SecretUnavailable`, or `SystemDown` when there is none."""
        token = self._lab.secret(SYSTEM, role)
        if token is None:
            raise SystemDown(
                f"nothing says what a {role} of the connected vehicles shows",
                found=f"no secret {role} of the system {SYSTEM} in the inventory",
                expected=f"systems.{SYSTEM}.secrets.{role}: env:…, file:… or agent:…",
            )
        return token

    @contextmanager
    def without_data_centre(self) -> Iterator[None]:
        """The platform has the data centre stopped within the context, and started after it."""
        with tars_web(self._lab) as web:
            [server] = web.servers(APPLICATION, DATA_CENTRE_SERVER)
            web.stop(server.id)
            try:
                yield
            finally:
                web.start(server.id)
                await_state(web, server.id, "active")

    @contextmanager
    def deaf_data_centre(self) -> Iterator[None]:
        """The data centre's process is stopped by a signal within the context: it takes calls
        and answers none. It goes on after it.
        """
        with tars_web(self._lab) as web:
            [server] = web.servers(APPLICATION, DATA_CENTRE_SERVER)
        [host] = [
            self._lab.host(name)
            for name in self._lab.inventory.with_role("dc")
            if self._lab.inventory.hosts[name].address == server.node_name
        ]
        host.check(["kill", "-STOP", str(server.process_id)])
        try:
            yield
        finally:
            host.check(["kill", "-CONT", str(server.process_id)])

    def close(self) -> None:
        self._stack.close()
