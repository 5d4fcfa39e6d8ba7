"""Objects by name: what to ask the registry for them, and what its answer means.

The part that the synchronous and the asyncio communicator share; neither socket nor clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.tars import body as of_tars
from lab.tars.body import Function, Struct
from lab.tars.errors import ObjectNotFound, RegistryRefused
from lab.tars.queryf import FIND_OBJECT_BY_ID_IN_SAME_GROUP, ById, EndpointF, Endpoints
from lab.tars.routing import REFRESH_S, Blocking, Endpoint, Route, parse_object


class ByIdInSet(Struct, frozen=True):
    """Arguments of a look-up within a set: ``set_id`` is NAME.AREA.GROUP, GROUP may be *."""

    id: str = of_tars.field(tag=1)
    set_id: str = of_tars.field(tag=2)


class EndpointsInSet(Struct, frozen=True):
    ret: of_tars.Int = of_tars.field(tag=0)
    active: list[EndpointF] = of_tars.field(tag=3)
    inactive: list[EndpointF] = of_tars.field(tag=4)


FIND_OBJECT_BY_ID_IN_SAME_SET = Function("findObjectByIdInSameSet", ByIdInSet, EndpointsInSet)


def endpoint_of(found: EndpointF) -> Endpoint:
    """An endpoint as registries describe it."""
    return Endpoint(
        host=found.host,
        port=found.port,
        transport="tcp" if found.istcp else "udp",
        timeout_ms=found.timeout,
        weight=found.weight,
        weight_type=found.weight_type,
        set_name=found.set_id,
        node_name=found.node_name,
    )


@dataclass
class Names:
    """The objects that a communicator has been asked for.

    ``set_name``: the set that the caller belongs to, "" for none; look-ups are then made
    within it, else within the caller's group.
    """

    set_name: str = ""
    refresh_s: float = REFRESH_S
    rules: Blocking = field(default_factory=Blocking)
    _routes: dict[str, Route] = field(default_factory=dict)

    def route(self, servant: str) -> Route:
        """The route to ``Obj`` or ``Obj@ENDPOINT:…``; the same text has the same route.

        Raises `InvalidEndpoint`.
        """
        if servant not in self._routes:
            name, endpoints = parse_object(servant)
            route = Route(name, None if endpoints else self.refresh_s, self.rules)
            if endpoints:
                route.update(endpoints, now=0.0)
            self._routes[servant] = route
        return self._routes[servant]

    def question(self, route: Route) -> tuple[str, bytes]:
        """The registry's function to call, and the body of the call."""
        if self.set_name:
            asked: Struct = ByIdInSet(route.name, self.set_name)
            return FIND_OBJECT_BY_ID_IN_SAME_SET.name, of_tars.encode_body(asked)
        asked = ById(route.name)
        return FIND_OBJECT_BY_ID_IN_SAME_GROUP.name, of_tars.encode_body(asked)

    def learn(self, route: Route, answer: bytes, now: float) -> None:
        """Take the registry's answer; raises `MalformedBody`, `RegistryRefused`."""
        found: Endpoints | EndpointsInSet
        if self.set_name:
            found = of_tars.decode_body(EndpointsInSet, answer)
        else:
            found = of_tars.decode_body(Endpoints, answer)
        if found.ret != 0:
            raise RegistryRefused(
                f"the registry did not look up {route.name}",
                found=f"return code {found.ret}" + (f", set {self.set_name}" * bool(self.set_name)),
                expected="0",
                advice="check the set's name: NAME.AREA.GROUP" if self.set_name else None,
            )
        route.update(map(endpoint_of, found.active), map(endpoint_of, found.inactive), now=now)


def no_registry(route: Route) -> ObjectNotFound:
    """What to raise for a name without endpoints where no registry is known."""
    return ObjectNotFound(
        f"{route.name} cannot be looked up",
        found="no registry",
        expected="a registry's address, or Obj@tcp -h HOST -p PORT",
    )
