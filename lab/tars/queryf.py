"""The registry's name look-up: ``tars.tarsregistry.QueryObj``.

Source: TarsProtocol ``framework/QueryF.tars``, ``EndpointF.tars``.
"""

from __future__ import annotations

from lab.tars.body import Function, Int, Struct, field
from lab.tars.client import Proxy, TarsClient
from lab.tars.errors import ObjectNotFound

QUERY_OBJECT = "tars.tarsregistry.QueryObj"


class EndpointF(Struct, frozen=True, omit_defaults=True):
    """Where one adapter of an object listens. ``timeout`` is in ms; ``istcp`` 1 is TCP.

    Written as TarsCpp writes it: optional members equal to their default are left out.
    """

    host: str = field(tag=0)
    port: Int = field(tag=1)
    timeout: Int = field(tag=2)
    istcp: Int = field(tag=3)
    grid: Int = field(tag=4)
    groupworkid: Int = field(tag=5, default=0)
    grouprealid: Int = field(tag=6, default=0)
    set_id: str = field(tag=7, default="")
    qos: Int = field(tag=8, default=0)
    bak_flag: Int = field(tag=9, default=0)
    weight: Int = field(tag=11, default=0)
    weight_type: Int = field(tag=12, default=0)
    auth_type: Int = field(tag=13, default=0)
    node_name: str = field(tag=14, default="")


class ById(Struct, frozen=True):
    """Arguments of the look-ups by name."""

    id: str = field(tag=1)


class Found(Struct, frozen=True):
    """Result of findObjectById: the active endpoints."""

    active: list[EndpointF] = field(tag=0)


class Endpoints(Struct, frozen=True):
    """Results of the other look-ups; an unknown object is ret 0 with two empty lists."""

    ret: Int = field(tag=0)
    active: list[EndpointF] = field(tag=2)
    inactive: list[EndpointF] = field(tag=3)


FIND_OBJECT_BY_ID = Function("findObjectById", ById, Found)
FIND_OBJECT_BY_ID_4_ANY = Function("findObjectById4Any", ById, Endpoints)
FIND_OBJECT_BY_ID_IN_SAME_GROUP = Function("findObjectByIdInSameGroup", ById, Endpoints)


class QueryF(Proxy):
    """Typed look-ups; each raises as `TarsClient.call` does."""

    def __init__(self, client: TarsClient, servant: str = QUERY_OBJECT) -> None:
        super().__init__(client, servant)

    def find_object_by_id(self, name: str) -> list[EndpointF]:
        """The active endpoints."""
        return self.invoke(FIND_OBJECT_BY_ID, ById(id=name)).active

    def find_object_by_id_4_any(self, name: str) -> Endpoints:
        """Active and inactive endpoints, wherever they are."""
        return self.invoke(FIND_OBJECT_BY_ID_4_ANY, ById(id=name))

    def find_object_by_id_in_same_group(self, name: str) -> Endpoints:
        """What clients resolve with: endpoints in the caller's group, else all."""
        return self.invoke(FIND_OBJECT_BY_ID_IN_SAME_GROUP, ById(id=name))


def resolve(
    registry: tuple[str, int], object_name: str, *, timeout: float = 3.0
) -> list[EndpointF]:
    """The active endpoints of ``object_name``, as a client asks for them; never empty.

    Raises `ObjectNotFound` when there are none; the registry's list follows its database
    only after up to 13 s, so who has just deployed waits.
    """
    with TarsClient(registry, timeout=timeout) as client:
        found = QueryF(client).find_object_by_id_in_same_group(object_name)
    if not found.active:
        raise ObjectNotFound(
            f"{object_name} has no active endpoint",
            found=f"{len(found.inactive)} inactive endpoints",
            expected="at least one active endpoint",
            advice="check that the server is deployed and started",
        )
    return found.active
