"""Getting a server onto the platform through TarsWeb, whatever of it is there already."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab.tars.package import APPLICATION, SERVER, SERVER_TYPE
from lab.tars.web import Adapter, Package, Server, ServerSpec, TarsWeb
from lab.wait import wait_for

#: How long a started server may take until it is active; the real one needs up to 6 s.
ACTIVE_TIMEOUT_S = 20.0

#: What both test servants serve.
ECHO_OBJECT = "EchoObj"


def server_on(
    web: TarsWeb, node_name: str, *, application: str, server_name: str, object_name: str
) -> ServerSpec:
    """A server of one object on a node, at a port that is free there."""
    adapter = Adapter(object_name, node_name, web.auto_port(node_name))
    return ServerSpec(application, server_name, node_name, (adapter,), server_type=SERVER_TYPE)


def echo_on(
    web: TarsWeb, node_name: str, *, application: str = APPLICATION, server_name: str = SERVER
) -> ServerSpec:
    """A test servant on a node, at a port that is free there; its name is its program's."""
    return server_on(
        web,
        node_name,
        application=application,
        server_name=server_name,
        object_name=ECHO_OBJECT,
    )


def add_application(web: TarsWeb, name: str) -> bool:
    """Have an application of that name; whether it had to be added."""
    there = any(application.f_name == name for application in web.applications())
    if not there:
        web.add_application(name)
    return not there


def find_server(
    web: TarsWeb, application: str, node_name: str, *, server_name: str = SERVER
) -> Server | None:
    """The server as it is deployed on that node, None when it is not."""
    servers = web.servers(application, server_name)
    return next((server for server in servers if server.node_name == node_name), None)


def upload(web: TarsWeb, application: str, package: Path, *, server_name: str = SERVER) -> Package:
    """Have a package uploaded, once: TarsWeb's comment on it carries the content's SHA-256."""
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    for uploaded in web.packages(application, server_name):
        if uploaded.comment == digest:
            return uploaded
    return web.upload_package(package, application, server_name, comment=digest)


def deploy_echo(
    web: TarsWeb,
    node_name: str,
    package: Path,
    *,
    application: str = APPLICATION,
    server_name: str = SERVER,
) -> tuple[Server, bool]:
    """Have a test servant run from ``package`` on a node; as `deploy`."""
    return deploy(
        web,
        node_name,
        package,
        application=application,
        server_name=server_name,
        object_name=ECHO_OBJECT,
    )


def deploy(
    web: TarsWeb,
    node_name: str,
    package: Path,
    *,
    application: str,
    server_name: str,
    object_name: str,
) -> tuple[Server, bool]:
    """Have a server of one object run from ``package`` on a node.

    Returns the server, active, and whether anything had to be done for it. Raises
    `WebRefused`, `TaskFailed`, `WaitTimeout`, `SystemDown`.
    """
    changed = add_application(web, application)
    server = find_server(web, application, node_name, server_name=server_name)
    if server is None:
        spec = server_on(
            web,
            node_name,
            application=application,
            server_name=server_name,
            object_name=object_name,
        )
        server = web.deploy(spec)
        changed = True
    uploaded = upload(web, application, package, server_name=server_name)
    if server.patch_version != str(uploaded.id):
        web.publish(server.id, uploaded.id)
        changed = True
    elif server.present_state != "active":
        web.start(server.id)
        changed = True
    if changed:
        await_state(web, server.id, "active")
    return web.server(server.id), changed


def await_state(web: TarsWeb, server_id: int, state: str) -> None:
    """Wait until a server's present state is ``state``; raises `WaitTimeout`."""
    wait_for(
        f"server {server_id} becoming {state}",
        lambda: web.state(server_id) == state,
        timeout=ACTIVE_TIMEOUT_S,
        advice="see the server's output on its node, in tarsnode/data/APP.SERVER/log",
    )
