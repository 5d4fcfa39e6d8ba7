"""Edges and a data centre in this process, on loopback ports, with a name service of their own.

It has what `lab.cvb.trial` asks of a `Site`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

from blueprints.cvb import figures
from lab.closing import Closing
from lab.cvb.contracts import DATA_CENTRE_OBJECT, EDGE_OBJECT, DataCentre, Edge
from lab.cvb.embedded import tokens
from lab.cvb.embedded.data_centre import DataCentreServer
from lab.cvb.embedded.edge import EdgeServer
from lab.cvb.embedded.links import Finder
from lab.cvb.embedded.settings import EdgePlace, Rectangle, Settings
from lab.cvb.roles import EDGE, ROLES
from lab.faultflags import DIRECTORY, FaultFlags
from lab.tars.client import Address, TarsClient
from lab.tars.queryf import FIND_OBJECT_BY_ID_IN_SAME_GROUP, QUERY_OBJECT, EndpointF, Endpoints
from lab.tars.server import TarsServer
from lab.tars.serving import Call, Servant

HOSTS = {"edge-a": "127.0.0.11", "edge-b": "127.0.0.12", "core": "127.0.0.13"}


def settings(**changed: Any) -> Settings:
    """The blueprint's figures and site, on `HOSTS`; the token of a role is its name."""
    data = figures()
    edges = tuple(
        EdgePlace(name, HOSTS[name], Rectangle(*area.low, *area.high))
        for name, area in data.site.items()
    )
    values = {
        "edges": edges,
        "digests": {role: tokens.digest(role) for role in ROLES},
        "token_file": "token",
        "horizon_s": data.hazard.horizon_ms / 1000,
        "radius_m": data.hazard.radius_m,
        "episode_end_us": data.hazard.episode_end_ms * 1000,
        "merge_m": data.merge_m,
        "moment_off_us": data.frame.moment_off_ms * 1000,
        "detections": data.frame.detections,
        "batch_period_s": 0.05,
        "batch_bound": 5,
    }
    return Settings(**{**values, **changed})


class RunningSite(Closing):
    """The blueprint's site. Servers can be stopped and started again; each has its own home."""

    def __init__(self, place: Path, **changed: Any) -> None:
        self.settings = settings(**changed)
        self.addresses: dict[str, Address] = {}
        self.homes = {name: place / name for name in HOSTS}
        self._ends: dict[str, AsyncExitStack] = {}
        self._clients = ExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.registry = self._do(self._start_registry())
        for name, home in self.homes.items():
            (home / DIRECTORY).mkdir(parents=True)
            self.start(name)

    def start(self, name: str) -> None:
        """Start an edge, or the data centre, ``core``."""
        self._do(self._start(name))

    def stop(self, name: str) -> None:
        """Stop one; the name service does not know it then."""
        self.addresses.pop(name)
        self._do(self._ends.pop(name).aclose())

    def fault(self, name: str, *, at: str = "", value: str = "") -> None:
        """Inject a fault on one host, or all."""
        for host, home in self.homes.items():
            if at in ("", host):
                (home / DIRECTORY / name).write_text(value)

    def token(self, role: str) -> str:
        return role

    def edge(self, name: str) -> Edge:
        client = self._clients.enter_context(TarsClient(self.addresses[name]))
        return Edge(client, EDGE_OBJECT)

    @property
    def data_centre(self) -> DataCentre:
        client = self._clients.enter_context(TarsClient(self.addresses["core"]))
        return DataCentre(client, DATA_CENTRE_OBJECT)

    def close(self) -> None:
        self._clients.close()
        for name in list(self._ends):
            self._do(self._ends.pop(name).aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start_registry(self) -> tuple[str, int]:
        servant = Servant()

        @servant.offers(FIND_OBJECT_BY_ID_IN_SAME_GROUP)
        def find(asked: Any, _call: Call) -> Endpoints:
            edges = [edge.name for edge in self.settings.edges]
            names = ["core"] if asked.id == DATA_CENTRE_OBJECT else edges
            found = [self.addresses[name] for name in names if name in self.addresses]
            return Endpoints(0, [_endpoint(address) for address in found], [])

        return await self._listen("registry", servant, QUERY_OBJECT, "127.0.0.1")

    async def _start(self, name: str) -> None:
        home = self.homes[name]
        faults = FaultFlags(home)
        if name == "core":
            data_centre = DataCentreServer(self.settings, faults, home)
            address = await self._listen(
                name, data_centre.servant(), DATA_CENTRE_OBJECT, HOSTS[name]
            )
            self._ends[name].callback(data_centre.close)
        else:
            finder = Finder(self.registry)
            edge = EdgeServer(
                self.settings,
                self.settings.at(HOSTS[name]),
                token=EDGE,
                finder=finder,
                faults=faults,
                kept=home,
            )
            address = await self._listen(name, edge.servant(), EDGE_OBJECT, HOSTS[name])
            self._ends[name].callback(finder.close)
            await self._ends[name].enter_async_context(edge)
        self.addresses[name] = Address(*address)

    async def _listen(
        self, name: str, servant: Servant, object_name: str, host: str
    ) -> tuple[str, int]:
        server = TarsServer({object_name: servant})
        self._ends[name] = AsyncExitStack()
        self._ends[name].push_async_callback(server.close, grace_s=0.1)
        return await server.listen(host)


def _endpoint(address: Address) -> EndpointF:
    return EndpointF(address.host, address.port, 3000, 1, 0)
