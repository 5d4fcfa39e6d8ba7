"""A name service whose answers a test sets; the bytes are QueryF's, as recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.tars.client import Address
from lab.tars.naming import (
    FIND_OBJECT_BY_ID_IN_SAME_SET,
    ByIdInSet,
    EndpointsInSet,
)
from lab.tars.queryf import (
    FIND_OBJECT_BY_ID_IN_SAME_GROUP,
    QUERY_OBJECT,
    ById,
    EndpointF,
    Endpoints,
)
from lab.tars.serving import Call, Servant
from tests.tars.running_server import RunningServer, running_server


@dataclass
class Registry:
    """``active`` and ``inactive`` by object's name; ``asked`` has what was asked for."""

    active: dict[str, list[EndpointF]] = field(default_factory=dict)
    inactive: dict[str, list[EndpointF]] = field(default_factory=dict)
    asked: list[ById | ByIdInSet] = field(default_factory=list)

    def servant(self) -> Servant:
        servant = Servant()

        @servant.offers(FIND_OBJECT_BY_ID_IN_SAME_GROUP)
        def in_group(asked: ById, _call: Call) -> Endpoints:
            self.asked.append(asked)
            return Endpoints(0, self.active.get(asked.id, []), self.inactive.get(asked.id, []))

        @servant.offers(FIND_OBJECT_BY_ID_IN_SAME_SET)
        def in_set(asked: ByIdInSet, _call: Call) -> EndpointsInSet:
            self.asked.append(asked)
            of_set = [e for e in self.active.get(asked.id, []) if e.set_id == asked.set_id]
            return EndpointsInSet(0, of_set, [])

        return servant


def at(address: Address, **fields: object) -> EndpointF:
    """An endpoint as the registry tells it."""
    known = {"timeout": 3000, "istcp": 1, "grid": 0, **fields}
    return EndpointF(host=address.host, port=address.port, **known)  # type: ignore[arg-type]


@contextmanager
def running_registry(port: int = 0) -> Iterator[tuple[Registry, RunningServer]]:
    registry = Registry()
    with running_server({QUERY_OBJECT: registry.servant()}, port=port) as running:
        yield registry, running
