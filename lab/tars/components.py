"""The framework's optional servers in an embedded lab: what each is, where it runs, its package.

As on the real platform they are servers of the application ``tars`` that nodes run: deployed,
stopped and found through TarsWeb and the name service like any other. Nothing needs them, so
an inventory may place each on a role or leave it out: ``systems.tars.placement``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.payload import ROOT, archive, python_files
from lab.session import Lab
from lab.tars.deployment import await_state, upload
from lab.tars.installation import ABSENT, OPTIONAL_SERVERS
from lab.tars.monitor import FRAMEWORK, framework_servers
from lab.tars.package import PROTOCOL_MODULES, SERVER_TYPE
from lab.tars.probe import SYSTEM
from lab.tars.web import Adapter, Server, ServerSpec, TarsWeb

#: Adding up, keeping and filing are not urgent: they run in the data centre, not on the edge.
PLACED_ON = "dc"
AGENT_ROLE = "tars-agent"

_LAUNCH = ROOT / "lab" / "tars" / "embedded" / "components" / "launch"
#: What travels within a package, beside the protocol.
_MODULES = (*PROTOCOL_MODULES, "lab/faultflags.py", "lab/tars/framework.py", "lab/tars/embedded")


def placement(lab: Lab) -> dict[str, str]:
    """Optional server → the host that it runs on; those that the lab leaves out are not in it.

    Without a host of the role that is asked for, a server runs beside the agents.
    """
    asked = lab.inventory.systems[SYSTEM].placement
    found = {}
    for name in OPTIONAL_SERVERS:
        role = asked.get(name, PLACED_ON)
        hosts = lab.inventory.with_role(role) or lab.inventory.with_role(AGENT_ROLE)
        if role != ABSENT and hosts:
            found[name] = hosts[0]
    return found


def package(name: str) -> Path:
    """An optional server's tgz, as a node installs it; the same sources give the same bytes."""
    files = {f"{name}/{name}": _LAUNCH}
    for inside, path in python_files(["tarsio"], _MODULES).items():
        files[f"{name}/runtime/{inside}"] = path
    return archive(files)[0]


def deploy(web: TarsWeb, nodes: Mapping[str, str]) -> bool:
    """Have the servers of ``nodes`` (name → node) run there, and no others; any change?

    Raises `WebRefused`, `TaskFailed`, `WaitTimeout`.
    """
    there = {
        name: server for name, server in framework_servers(web).items() if name in OPTIONAL_SERVERS
    }
    gone = [name for name, server in there.items() if nodes.get(name) != server.node_name]
    if gone:
        web.finished(web.add_task("undeploy_tars", [there.pop(name).id for name in gone]))
    stale: list[tuple[int, int]] = []
    for name, node in nodes.items():
        server = there[name] if name in there else _add(web, name, node)
        uploaded = upload(web, FRAMEWORK, package(name), server_name=name)
        if server.patch_version != str(uploaded.id) or server.present_state != "active":
            stale.append((server.id, uploaded.id))
    tasks = [
        web.add_task("patch_tars", [server_id], parameters={"patch_id": package_id})
        for server_id, package_id in stale
    ]
    for (server_id, _), task_no in zip(stale, tasks, strict=True):
        web.finished(task_no)
        await_state(web, server_id, "active")
    return bool(gone or stale)


def _add(web: TarsWeb, name: str, node: str) -> Server:
    adapters = tuple(Adapter(of, node, web.auto_port(node)) for of in OPTIONAL_SERVERS[name])
    return web.deploy(ServerSpec(FRAMEWORK, name, node, adapters, server_type=SERVER_TYPE))
