"""Each fault of a management call lies at that call alone, and is over when its flag is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.tars.body import Function
from lab.tars.client import Proxy, TarsClient
from lab.tars.deployment import add_application, echo_on, upload
from lab.tars.embedded.interfaces import CONFIG, Config, ConfigOnHost
from lab.tars.embedded.registry import BySet, EndpointsWithin
from lab.tars.errors import NoAnswer
from lab.tars.faults import FAULTS
from lab.tars.package import build_package
from lab.tars.queryf import QUERY_OBJECT
from lab.tars.web import Adapter, Origin, Server, TarsWeb, WebRefused
from tests.tars_master.platforms import Platform, echo_object

PROFILE = "<tars>\n<made-up>\nk=1\n</made-up>\n</tars>"

#: What a fault is looked for by: the same call gives another result while it is on.
Look = Callable[[Platform, Server], Any]
LOOKS: dict[str, Look] = {}


def looks(fault: str) -> Callable[[Look], Look]:
    def named(look: Look) -> Look:
        LOOKS[fault] = look
        return look

    return named


@looks("tars.application-kept")
def _(platform: Platform, server: Server) -> bool:
    name = f"{server.application}Gone"
    add_application(platform.web, name)
    [there] = [one for one in platform.web.applications() if one.f_name == name]
    platform.web.delete_application(there.f_id)
    return there in platform.web.applications()


LOOKS["tars.tree-empty"] = lambda platform, _: platform.web.tree()
LOOKS["tars.search-empty"] = lambda platform, server: platform.web.search(server.name)
LOOKS["tars.state-wrong"] = lambda platform, server: platform.web.state(server.id)
LOOKS["tars.preview-empty"] = lambda platform, server: platform.web.scaling.preview(
    server, [platform.node_name(2)]
)


@looks("tars.exist-denied")
def _(platform: Platform, server: Server) -> bool:
    return platform.web.exists(server.application, server.server_name, [server.node_name])


@looks("tars.port-taken")
def _(platform: Platform, server: Server) -> bool:
    there = platform.web.search(server.node_name)
    taken = " ".join(one.endpoint for other in there for one in platform.web.adapters(other.id))
    return f" -p {platform.web.auto_port(server.node_name)} " in taken


@looks("tars.adapter-lost")
def _(platform: Platform, server: Server) -> int:
    platform.web.add_adapter(server, Adapter("LostObj", server.node_name, 9))
    return len(platform.web.adapters(server.id))


@looks("tars.adapter-kept")
def _(platform: Platform, server: Server) -> bool:
    added = platform.web.add_adapter(server, Adapter("KeptObj", server.node_name, 9))
    platform.web.delete_adapter(added.id)
    return added in platform.web.adapters(server.id)


@looks("tars.upload-lost")
def _(platform: Platform, server: Server) -> bool:
    package = platform.web.upload_package(
        build_package("1.0.0"), server.application, server.server_name
    )
    return package in platform.web.packages(server.application, server.server_name)


@looks("tars.default-ignored")
def _(platform: Platform, server: Server) -> list[bool]:
    """Whether each of two becomes the default when it is asked for."""

    became = []
    for version in ("1", "2"):
        package = upload(platform.web, server.application, build_package(version))
        platform.web.set_default_package(package)
        default = platform.web.default_package(server.application, server.server_name)
        became.append(default == package.id)
    return became


@looks("tars.package-kept")
def _(platform: Platform, server: Server) -> bool:
    package = platform.web.upload_package(build_package("3"), server.application, "EchoServer")
    platform.web.delete_package(package.id)
    return package in platform.web.packages(server.application, "EchoServer")


@looks("tars.task-cut")
def _(platform: Platform, server: Server) -> int:
    task_no = platform.web.add_task("stop", [server.id, server.id])
    return len(platform.web.finished(task_no).items)


@looks("tars.flow-ignored")
def _(platform: Platform, server: Server) -> str:
    platform.web.set_flow(server.id, [server.node_name], active=False)
    state = platform.web.server(server.id).flow_state
    platform.web.set_flow(server.id, [server.node_name], active=True)
    return state


@looks("tars.set-ignored")
def _(platform: Platform, server: Server) -> int:
    platform.web.put_in_set(server.id, "s.a.1")
    with TarsClient(platform.registry) as client:
        function = Function("findObjectByIdInSameSet", BySet, EndpointsWithin)
        asked = BySet(id=echo_object(server.application), within="s.b.1")
        ret: int = Proxy(client, QUERY_OBJECT).invoke(function, asked).ret
    platform.web.put_in_set(server.id, "")
    return ret


@looks("tars.command-lost")
def _(platform: Platform, server: Server) -> list[bool]:
    return [one.reached for one in platform.web.send_command([server.id], "tars.viewversion")]


@looks("tars.push-lost")
def _(platform: Platform, server: Server) -> list[bool]:
    file = _file(platform, server, "pushed.conf")
    on_nodes = platform.web.configs.on_nodes(file)
    reached = [one.reached for one in platform.web.configs.push([on_nodes[0].id])]
    platform.web.configs.delete(file.id)
    return reached


def _file(platform: Platform, server: Server, name: str) -> Any:
    return platform.web.configs.add_to_server(server.application, "EchoServer", name, "v=1")


@looks("tars.config-lost")
def _(platform: Platform, server: Server) -> bool:
    file = _file(platform, server, "lost.conf")
    kept = platform.web.configs.file(file.id) is not None
    if kept:
        platform.web.configs.delete(file.id)
    return kept


@looks("tars.config-update-lost")
def _(platform: Platform, server: Server) -> str:
    file = _file(platform, server, "updated.conf")
    assert platform.web.configs.update(file.id, "v=2", "why").config == "v=2"
    kept = platform.web.configs.file(file.id)
    platform.web.configs.delete(file.id)
    assert kept is not None
    return kept.config


@looks("tars.config-kept")
def _(platform: Platform, server: Server) -> bool:
    name = f"kept{len(platform.web.configs.of_server(server.application, 'EchoServer'))}.conf"
    file = _file(platform, server, name)
    platform.web.configs.delete(file.id)
    return platform.web.configs.file(file.id) is None


@looks("tars.history-cut")
def _(platform: Platform, server: Server) -> int:
    file = _file(platform, server, "past.conf")
    platform.web.configs.update(file.id, "v=2", "why")
    past = len(platform.web.configs.history(file.id))
    platform.web.configs.delete(file.id)
    return past


def _fetched(platform: Platform, server: Server) -> str | None:
    """A file as ConfigObj gives it; None without an answer."""
    file = _file(platform, server, "fetched.conf")
    try:
        with TarsClient(platform.registry, timeout=0.5) as client:
            function = Function("loadConfigByHost", ConfigOnHost, Config)
            asked = ConfigOnHost(server=server.name, filename="fetched.conf", host="")
            text: str = Proxy(client, CONFIG).invoke(function, asked).config
    except NoAnswer:
        return None
    finally:
        platform.web.configs.delete(file.id)
    return text


LOOKS["tars.config-deaf"] = LOOKS["tars.config-empty"] = _fetched


@looks("tars.template-lost")
def _(platform: Platform, server: Server) -> bool:
    template = platform.web.templates.add(f"{server.application}.lost", "tars.default", PROFILE)
    kept = template.template_name in platform.web.templates.names()
    if kept:
        platform.web.templates.delete(template.id)
    return kept


@looks("tars.template-update-lost")
def _(platform: Platform, server: Server) -> str:
    template = platform.web.templates.add(f"{server.application}.new", "tars.default", PROFILE)
    platform.web.templates.update(replace(template, profile="<tars>\n</tars>"))
    [kept] = platform.web.templates.query(template.template_name)
    platform.web.templates.delete(template.id)
    return kept.profile


@looks("tars.expand-lost")
def _(platform: Platform, server: Server) -> int:
    added = platform.web.scaling.scale_out(server, [platform.node_name(2)])
    for one in added:
        platform.web.undeploy(one.id)
    return len(added)


@looks("tars.anyone-allowed")
def _(platform: Platform, _server: Server) -> bool:
    origin = Origin(address=f"{platform.network}.9")
    with TarsWeb(platform.web.url, origin=origin) as stranger:
        try:
            stranger.nodes()
        except WebRefused:
            return False
    return True


@pytest.mark.parametrize("fault", sorted(LOOKS))
def test_it_lies_at_its_call_and_is_over_with_its_flag(
    platform: Platform, application: str, fault: str
) -> None:
    spec = echo_on(platform.web, platform.node_name(), application=application)
    server = platform.web.deploy(spec)
    before = LOOKS[fault](platform, server)
    with platform.fault(fault):
        during = LOOKS[fault](platform, server)
    assert during != before
    if fault not in _LEAVES_SOMETHING:
        assert LOOKS[fault](platform, server) == before


#: After these, the next call finds more than the first did.
_LEAVES_SOMETHING = ("tars.adapter-lost", "tars.adapter-kept", "tars.application-kept")


def test_a_profile_holds_from_the_next_start_on(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    platform.web.change_server(server.id, profile=PROFILE)
    directory = platform.node_home() / ".iec4" / "tarsnode" / "data" / server.name / "conf"
    file = directory / f"{server.name}.config.conf"
    assert "made-up" not in file.read_text()
    platform.web.restart(server.id)
    assert "made-up" in file.read_text()


def test_every_fault_of_the_master_is_acted_out() -> None:
    place = Path(__file__).parents[2] / "lab" / "tars" / "embedded"
    source = "".join(file.read_text() for file in place.rglob("*.py"))
    acted = {"tars.start-ignored", "tars.stop-ignored", "tars.restart-ignored"}
    acted.add("tars.undeploy-ignored")  # tasks.py makes these names of the command's
    for fault in FAULTS:
        if fault.roles == ("tars-master",):
            assert f'"{fault.name}"' in source or fault.name in acted, fault.name
