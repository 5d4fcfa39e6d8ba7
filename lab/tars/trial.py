"""A trial: a server of its own on the platform, for one criterion, gone afterwards."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from typing import Any

from lab.closing import Closing
from lab.errors import LabError
from lab.session import Lab
from lab.tars.client import TarsClient
from lab.tars.deployment import await_state, echo_on
from lab.tars.echo_client import Echo, Identity
from lab.tars.package import ECHO, Program
from lab.tars.probe import REGISTRY, SYSTEM, tars_web
from lab.tars.queryf import Endpoints, QueryF, resolve
from lab.tars.recipe import AGENT_ROLE, node_name
from lab.tars.routing import parse_endpoint
from lab.tars.web import Server, ServerSpec
from lab.wait import wait_for

#: The real platform's lists follow after up to 13 s.
FOLLOWS_S = 20.0


class Trial(Closing):
    """An application of its own, and a test servant in it on the first tars-agent.

    ``program`` is the servant: `ECHO`, the official library's, or `PROBE`, our own. ``limits``
    are its adapter's: thread_num, queuecap, queuetimeout (ms), max_connections.

    Use as a context manager, or `close` it: the server is undeployed, the application
    deleted. `deploy` and `publish` arrange; calls raise as `TarsWeb` and `TarsClient` do.
    """

    def __init__(self, lab: Lab, program: Program = ECHO, **limits: Any) -> None:
        self.web = tars_web(lab)
        self.program = program
        self.application = f"Trial{secrets.token_hex(4)}"
        self.host = lab.inventory.with_role(AGENT_ROLE)[0]
        self._node = node_name(lab, self.host)
        self.registry = lab.address(SYSTEM, REGISTRY)
        self._server: Server | None = None
        self._more: list[Server] = []
        try:
            self.f_id = self.web.add_application(self.application).f_id
            spec = echo_on(
                self.web, self._node, application=self.application, server_name=program.server
            )
            [adapter] = spec.adapters
            self.spec: ServerSpec = replace(spec, adapters=(replace(adapter, **limits),))
        except BaseException:
            self.web.close()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Where the server listens once it runs."""
        adapter = self.spec.adapters[0]
        return adapter.bind_ip, adapter.port

    @property
    def object_name(self) -> str:
        return f"{self.application}.{self.program.server}.{self.spec.adapters[0].obj_name}"

    @property
    def server(self) -> Server:
        assert self._server is not None, "deploy it first"
        return self._server

    def deploy(self) -> Server:
        """Deploy the server; it has no package yet, and does not run."""
        self._server = self.web.deploy(self.spec)
        return self._server

    def publish(self, version: str) -> None:
        """Upload and publish the servant as ``version``; the platform starts it."""
        package = self.program.build(version)
        uploaded = self.web.upload_package(
            package, self.application, self.program.server, comment=version
        )
        self.web.publish(self.server.id, uploaded.id)

    def spread(self, lab: Lab) -> list[tuple[str, int]]:
        """Have it run on every further tars-agent, too; all addresses, the first one's first.

        Raises `WaitTimeout` when one does not become active.
        """
        further = [node_name(lab, host) for host in lab.inventory.with_role(AGENT_ROLE)[1:]]
        self._more = self.web.scaling.scale_out(self.server, further)
        [package, *_] = self.web.packages(self.application, self.program.server)
        for server in self._more:
            self.web.publish(server.id, package.id)
            await_state(self.web, server.id, "active")
        places = [parse_endpoint(self.web.adapters(s.id)[0].endpoint) for s in self._more]
        return [self.address, *(place.address for place in places)]

    def run(self, version: str = "1.0.0") -> Identity:
        """Deploy, publish and wait until it answers; returns who answers."""
        self.deploy()
        self.publish(version)
        await_state(self.web, self.server.id, "active")
        return self.answer()

    def identity(self) -> Identity:
        """Ask the server at its own address who it is."""
        with TarsClient(self.address, timeout=2.0) as client:
            return Echo(client, self.object_name).identity()

    def answer(self, *, timeout: float = FOLLOWS_S) -> Identity:
        """Wait until the server answers; returns who answers."""
        return wait_for(f"an answer of {self.object_name}", self.identity, timeout=timeout)

    def silence(self, *, timeout: float = FOLLOWS_S) -> None:
        """Wait until nothing answers at the server's address."""

        def silent() -> bool:
            with suppress(LabError):
                self.identity()
                return False
            return True

        wait_for(f"the silence of {self.object_name}", silent, timeout=timeout)

    def look_up(self) -> Endpoints:
        """What the name service has of the server, active and inactive."""
        with TarsClient(self.registry) as client:
            return QueryF(client).find_object_by_id_in_same_group(self.object_name)

    def found_by_name(self) -> tuple[str, int]:
        """The first endpoint that the name service gives for the server."""
        endpoint = resolve(self.registry, self.object_name)[0]
        return endpoint.host, endpoint.port

    def close(self) -> None:
        """Undeploy and delete what is there; a platform that refuses is left as it is."""
        with self.web:
            for server in (*self._more, *filter(None, [self._server])):
                with suppress(LabError):
                    self.web.undeploy(server.id)
            with suppress(LabError):
                self.web.delete_application(self.f_id)
