"""What the master serves by Tars frames: look-ups for clients, and its side of the nodes.

One port serves QueryObj, RegistryObj, AdminRegObj, PatchObj and ConfigObj, which the real one
spreads over five. Look-ups follow the database at once, where the real one reloads its lists every
13 s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from lab.tars.body import Empty, Int, Struct, decode_body, encode_body, field
from lab.tars.embedded import configobj, rows
from lab.tars.embedded import interfaces as api
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.servants import Call, Dropped, Function
from lab.tars.embedded.states import ServerState
from lab.tars.embedded.store import Row, now
from lab.tars.profile import fill
from lab.tars.queryf import QUERY_OBJECT, ById, EndpointF, Endpoints, Found

#: The size of a package's pieces, bytes.
_PIECE = 1024 * 1024

#: An adapter's endpoint: ``tcp -h HOST -t MS -p PORT -e 0``, in any order.
_ENDPOINT = re.compile(r"^(?P<kind>tcp|udp)(?=.* -h (?P<host>\S+))(?=.* -p (?P<port>\d+))")
_TIMEOUT = re.compile(r" -t (\d+)")

#: The objects that the master has itself, where no server is deployed for them.
_OWN = (QUERY_OBJECT, api.REGISTRY, api.ADMIN_REGISTRY, api.PATCH, api.CONFIG)

#: What tars.lookup-invents shows for an object that nobody deployed.
_INVENTED = EndpointF(host="127.0.0.1", port=9, timeout=60000, istcp=1, grid=0)


class BySet(Struct, frozen=True):
    """Arguments of findObjectByIdInSameSet and …InSameStation."""

    id: str = field(tag=1)
    within: str = field(tag=2)


class EndpointsWithin(Struct, frozen=True):
    """Their results."""

    ret: Int = field(tag=0)
    active: list[EndpointF] = field(tag=3)
    inactive: list[EndpointF] = field(tag=4)


class NodeNames(Struct, frozen=True):
    """Results of findObjectNodeName, which the real one answers with -1 for every object."""

    ret: Int = field(tag=0, default=-1)
    names: list[str] = field(tag=2, default_factory=list)


def endpoint(text: str, node_name: str, set_id: str = "") -> EndpointF | None:
    """An adapter's endpoint as look-ups show it; None when it is none (a port in words)."""
    found = _ENDPOINT.match(text)
    if found is None or int(found["port"]) > 65535:
        return None
    timeout = _TIMEOUT.search(text)
    return EndpointF(
        host=found["host"],
        port=int(found["port"]),
        timeout=int(timeout[1]) if timeout else 3000,
        istcp=int(found["kind"] == "tcp"),
        grid=0,
        groupworkid=-1,
        grouprealid=-1,
        set_id=set_id,
        weight=-1,
        node_name=node_name,
    )


@dataclass(frozen=True)
class Registry:
    """The master's servants. ``address`` is where they listen: (host, port)."""

    parts: Parts
    address: tuple[str, int]
    started: str = dataclass_field(default_factory=now)

    def servants(self) -> Mapping[str, Mapping[str, Function]]:
        return {
            QUERY_OBJECT: {
                name: self._unless_deaf(function)
                for name, function in {
                    "tars_ping": lambda _: encode_body(Empty()),
                    "findObjectById": self._find,
                    "findObjectById4Any": self._find_all,
                    "findObjectById4All": self._find_all,
                    "findObjectByIdInSameGroup": self._find_all,
                    "findObjectByIdInSameSet": self._find_in_set,
                    "findObjectByIdInSameStation": self._find_in_station,
                    "findObjectNodeName": lambda _: encode_body(NodeNames()),
                }.items()
            },
            api.REGISTRY: {
                api.REGISTER_NODE.name: self._register_node,
                api.KEEP_ALIVE.name: self._keep_alive,
                api.UPDATE_SERVER.name: self._update_server,
                api.UPDATE_PATCH_RESULT.name: self._update_patch_result,
                api.GET_SERVERS.name: self._get_servers,
            },
            api.ADMIN_REGISTRY: {
                api.REPORT_NODE.name: self._report_node,
                api.REPORT_RESULT.name: self._report_result,
            },
            api.PATCH: {api.DOWNLOAD.name: self._download},
            api.CONFIG: configobj.functions(self.parts.configs, self.parts.flags),
        }

    # QueryObj

    def _unless_deaf(self, function: Function) -> Function:
        def hearing(call: Call) -> bytes:
            if self.parts.flags.active("tars.registry-deaf"):
                raise Dropped
            return function(call)

        return hearing

    def _places(self, name: str) -> tuple[list[EndpointF], list[EndpointF]]:
        """Active and inactive endpoints of an object."""
        places = self.parts.database.places(name)
        if not places and name in _OWN:
            host, port = self.address
            here = endpoint(f"tcp -h {host} -p {port} -t 60000", host)
            return [here] if here else [], []
        return self._divided(places)

    def _divided(self, places: list[Row]) -> tuple[list[EndpointF], list[EndpointF]]:
        """Active and inactive endpoints of what an object's servers have."""
        flags = self.parts.flags
        lists: tuple[list[EndpointF], list[EndpointF]] = [], []
        if places and flags.active("tars.lookup-empty"):
            return lists
        if not places and flags.active("tars.lookup-invents"):
            return [_INVENTED], []
        if flags.active("tars.restart-forgets"):
            places = [place for place in places if place["posttime"] > self.started]
        stale = flags.active("tars.lookup-stale")
        for place in places:
            found = endpoint(place["endpoint"], place["node_name"], rows.set_division(place))
            if found is not None:
                states = {place["setting_state"], place["present_state"], place["flow_state"]}
                lists[0 if stale or states == {"active"} else 1].append(found)
        if flags.active("tars.inactive-hidden"):
            lists[1].clear()
        if flags.active("tars.lookup-one"):
            del lists[0][1:]
        return lists

    def _find(self, call: Call) -> bytes:
        active, _ = self._places(decode_body(ById, call.body).id)
        return encode_body(Found(active=active))

    def _find_all(self, call: Call) -> bytes:
        active, inactive = self._places(decode_body(ById, call.body).id)
        return encode_body(Endpoints(ret=0, active=active, inactive=inactive))

    def _find_in_set(self, call: Call) -> bytes:
        """The endpoints within a set, ``name.area.group``.

        Who is in no set of that name is found as in the same group; within it, the group
        counts, else the area's wildcard ``*``; where neither has anybody, -1. Source:
        QueryImp.cpp and DbHandle.cpp of TarsFramework.
        """
        asked = decode_body(BySet, call.body)
        name, *deeper = asked.within.split(".")
        if len(deeper) != 2 or "*" in (name, deeper[0]):
            return encode_body(EndpointsWithin(ret=-1, active=[], inactive=[]))
        area, group = deeper
        places = [
            place
            for place in self.parts.database.places(asked.id)
            if place["enable_set"] and place["set_name"] == name
        ]
        if not places or self.parts.flags.active("tars.set-ignored"):
            active, inactive = self._places(asked.id)
            return encode_body(EndpointsWithin(ret=0, active=active, inactive=inactive))
        here = [place for place in places if place["set_area"] == area]
        if group != "*":
            exactly = [place for place in here if place["set_group"] == group]
            here = exactly or [place for place in here if place["set_group"] == "*"]
        active, inactive = self._divided(here) if here else ([], [])
        return encode_body(EndpointsWithin(ret=0 if here else -1, active=active, inactive=inactive))

    def _find_in_station(self, _: Call) -> bytes:
        return encode_body(EndpointsWithin(ret=-1, active=[], inactive=[]))

    # RegistryObj

    def _register_node(self, call: Call) -> bytes:
        node = decode_body(api.RegisterNode, call.body)
        self.parts.database.register_node(node.name, node.info.data_dir, node.info.version)
        return encode_body(api.Done())

    def _keep_alive(self, call: Call) -> bytes:
        self.parts.database.node_seen(decode_body(api.KeepAlive, call.body).name)
        return encode_body(api.Done())

    def _update_server(self, call: Call) -> bytes:
        update = decode_body(api.UpdateServer, call.body)
        key = (update.application, update.server_name, update.node_name)
        self.parts.database.set_present(key, ServerState(update.info.state), update.info.process_id)
        return encode_body(api.Done())

    def _update_patch_result(self, call: Call) -> bytes:
        patched = decode_body(api.UpdatePatchResult, call.body).result
        key = (patched.application, patched.server_name, patched.node_name)
        self.parts.database.set_patched(key, patched.version, patched.user)
        return encode_body(api.Done())

    def _get_servers(self, call: Call) -> bytes:
        asked = decode_body(api.GetServers, call.body)
        servers = self.parts.database.servers(
            asked.application or None, asked.server_name or None, asked.node_name
        )
        described = [self._descriptor(server) for server in servers]
        return encode_body(api.Servers(servers=[one for one in described if one is not None]))

    def _descriptor(self, row: Row) -> api.ServerDescriptor | None:
        """None for a server that cannot be described: its template is unknown or broken."""
        profile = self.parts.templates.profile_of(row)
        if not profile:
            return None
        division = rows.set_division(row)
        own_set = {"enableset": "y" if division else "n", "setdivision": division or "NULL"}
        return api.ServerDescriptor(
            application=row["application"],
            server_name=row["server_name"],
            node_name=row["node_name"],
            setting_state=row["setting_state"],
            profile=fill(profile, own_set),
            patch_version=row["patch_version"],
            adapters={
                adapter["adapter_name"]: api.AdapterDescriptor(
                    adapter_name=adapter["adapter_name"],
                    thread_num=str(adapter["thread_num"]),
                    endpoint=adapter["endpoint"],
                    max_connections=adapter["max_connections"],
                    allow_ip=adapter["allow_ip"],
                    servant=adapter["servant"],
                    queuecap=adapter["queuecap"],
                    queuetimeout=adapter["queuetimeout"],
                    protocol=adapter["protocol"],
                )
                for adapter in self.parts.database.adapters(*rows.key(row))
            },
            server_type=row["server_type"],
            async_thread_num=row["async_thread_num"],
        )

    # AdminRegObj

    def _report_node(self, call: Call) -> bytes:
        report = decode_body(api.ReportNode, call.body).report
        self.parts.nodes.reported(report.node_name, call.peer)
        return encode_body(api.Done())

    def _report_result(self, call: Call) -> bytes:
        self.parts.nodes.answered(decode_body(api.ReportResult, call.body))
        return b""

    # PatchObj

    def _download(self, call: Call) -> bytes:
        asked = decode_body(api.FilePiece, call.body)
        file = self.parts.packages.file(asked.path)
        if file is None:
            return encode_body(api.Piece(ret=-1, data=b""))
        with file.open("rb") as content:
            content.seek(asked.position)
            data = content.read(_PIECE)
        return encode_body(api.Piece(ret=0 if data else 1, data=data))
