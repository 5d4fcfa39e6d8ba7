"""What management calls do to servers that run, asked as users ask: through TarsWeb's client."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.tars import profile as profiles
from lab.tars.body import Function
from lab.tars.client import Proxy, TarsClient
from lab.tars.deployment import await_state, echo_on, upload
from lab.tars.echo_client import Echo
from lab.tars.embedded.registry import BySet, EndpointsWithin
from lab.tars.package import build_package
from lab.tars.queryf import QUERY_OBJECT, resolve
from lab.tars.web import Adapter, TaskFailed, WebRefused
from tests.tars_master.platforms import Platform, echo_object

FIND_IN_SET = Function("findObjectByIdInSameSet", BySet, EndpointsWithin)


def loaded_config(platform: Platform, application: str, name: str) -> str:
    """What an echo servant has of a configuration file."""
    place = resolve(platform.registry, echo_object(application))[0]
    with TarsClient((place.host, place.port)) as client:
        return Echo(client).loaded_config(name)


def test_a_pushed_config_file_reaches_the_server(platform: Platform, application: str) -> None:
    platform.deploy(application)
    configs = platform.web.configs
    common = configs.add_to_application(application, "common.conf", "common=1")
    file = configs.add_to_server(application, "EchoServer", "echo.conf", "v=1")
    configs.refer(file.id, common.id)
    assert loaded_config(platform, application, "echo.conf") == ""

    [on_node] = configs.on_nodes(file)
    [answer] = configs.push([on_node.id])
    assert answer.reached, answer
    assert answer.text.endswith("[succ] get remote config:echo.conf\n")
    merged = "common=1\r\n\r\nv=1"
    assert loaded_config(platform, application, "echo.conf") == merged
    assert configs.merged(on_node.id) == merged

    configs.update(file.id, "v=2", "for a test")
    assert loaded_config(platform, application, "echo.conf") == merged
    [answer] = configs.push([on_node.id])
    assert loaded_config(platform, application, "echo.conf") == "common=1\r\n\r\nv=2"
    assert [one.reason for one in configs.history(file.id)] == ["for a test", "add config"]


def test_a_file_that_is_not_there_fails_to_load(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    [answer] = platform.web.send_command([server.id], "tars.loadconfig none.conf")
    assert answer.reached
    assert "[fail] get remote config 'none.conf'" in answer.text


@pytest.mark.parametrize("active", [True, False])
def test_a_server_out_of_the_flow_runs_on(
    platform: Platform, application: str, *, active: bool
) -> None:
    server = platform.deploy(application)
    platform.web.set_flow(server.id, [server.node_name], active=active)
    assert platform.look_up(application) == ((1, 0) if active else (0, 1))
    assert platform.web.server(server.id).present_state == "active"


def test_templates_make_the_configuration_of_servers(platform: Platform, application: str) -> None:
    web = platform.web
    profile = "<tars>\n<application>\n<server>\nmade-up=1\n</server>\n</application>\n</tars>"
    template = web.templates.add(f"{application}.tmpl", "tars.cpp.default", profile)
    server = platform.deploy(application)
    own = "<tars>\n<application>\n<client>\nasyncthread=7\n</client>\n</application>\n</tars>"
    changed = web.change_server(server.id, template_name=template.template_name, profile=own)
    assert (changed.template_name, changed.profile) == (template.template_name, own)
    web.restart(server.id)
    await_state(web, server.id, "active")

    name = f"{application}.EchoServer"
    directory = platform.node_home() / ".iec4" / "tarsnode" / "data" / name
    written = profiles.parse((directory / "conf" / f"{name}.config.conf").read_text())
    part = written["tars"]["application"]
    assert part["server"]["made-up"] == "1"
    assert part["server"]["netthread"] == "1", "of the parent"
    assert part["client"]["asyncthread"] == "7", "of the server itself"
    assert part["server"]["basepath"] == f"{directory}/bin/"
    merged = web.templates.of_server(application, "EchoServer", server.node_name)
    assert "made-up=1\n" in merged
    assert "basepath=${basepath}\n" in merged

    web.templates.update(replace(template, profile=profile.replace("=1", "=2")))
    assert "made-up=2\n" in web.templates.merged(template.template_name)
    web.templates.delete(template.id)
    assert template.template_name not in web.templates.names()


def test_what_is_not_told_of_group_and_set_counts_as_true(
    platform: Platform, application: str
) -> None:
    """The trap that a recorded server shows; the client tells everything."""
    spec = echo_on(platform.web, platform.node_name(), application=application)
    server = platform.web.deploy(spec)
    told = {"id": server.id, "profile": "", "enable_set": False}
    assert platform.web.post("update_server", told)["enable_group"] is True
    with pytest.raises(WebRefused, match="setGroup"):
        platform.web.post("update_server", {"id": server.id, "profile": ""})
    other = platform.web.deploy(replace(spec, application=f"{application}2"))
    assert platform.web.change_server(other.id, async_thread_num=4).set_division == ""
    assert platform.web.get("server", id=other.id)["enable_group"] is False


def test_a_server_of_an_unknown_template_cannot_start(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    platform.web.stop(server.id)
    platform.web.change_server(server.id, template_name="no.such")
    with pytest.raises(TaskFailed, match="server is  not exist"):
        platform.web.start(server.id)


def test_scaling_out(platform: Platform, application: str) -> None:
    web, node = platform.web, platform.node_name(2)
    source = platform.deploy(application)
    file = web.configs.add_to_server(application, "EchoServer", "echo.conf", "v=1")
    [own] = web.configs.on_nodes(file)
    web.configs.update(own.id, "node=1", "its own")

    [row] = web.scaling.preview(source, [node])
    assert (row.node_name, row.obj_name, row.port) == (node, "EchoObj", 0)
    [added] = web.scaling.scale_out(source, [node])
    assert (added.node_name, added.present_state) == (node, "inactive")
    assert added.patch_version == web.server(source.id).patch_version, "as recorded"
    assert platform.look_up(application) == (1, 1)
    [package] = web.packages(application, "EchoServer")
    web.publish(added.id, package.id)
    await_state(web, added.id, "active")
    assert platform.look_up(application) == (2, 0)
    assert web.versions(application, "EchoServer") == dict.fromkeys(
        web.server_nodes(application, "EchoServer"), str(package.id)
    )
    assert {one.config for one in web.configs.on_nodes(file)} == {"node=1"}

    assert web.scaling.scale_out(source, [node]) == [web.server(added.id)], "twice does no harm"


def test_an_adapter_more(platform: Platform, application: str) -> None:
    web = platform.web
    server = platform.deploy(application)
    asked = Adapter("MoreObj", server.node_name, web.auto_port(server.node_name), queuecap=7)
    added = web.add_adapter(server, asked)
    assert (added.servant, added.queuecap) == (f"{application}.EchoServer.MoreObj", 7)
    assert web.add_adapter(server, asked) == added
    assert web.objects(application, "EchoServer") == [echo_object(application), added.servant]
    web.restart(server.id)
    await_state(web, server.id, "active")
    [place] = resolve(platform.registry, added.servant)
    with TarsClient((place.host, place.port)) as client:
        assert Echo(client, added.servant).identity().pid == web.server(server.id).process_id

    assert web.update_adapter(replace(added, thread_num=9)).thread_num == 9
    assert web.adapter(added.id).thread_num == 9
    web.delete_adapter(added.id)
    with pytest.raises(WebRefused, match="system error"):
        web.adapter(added.id)


def test_sets_divide_look_ups(platform: Platform, application: str) -> None:
    web = platform.web
    first = platform.deploy(application)
    spec = echo_on(web, platform.node_name(2), application=application)
    second = web.deploy(replace(spec, set_division="s.a.*"))
    assert second.set_division == "s.a.*"
    [package] = web.packages(application, "EchoServer")
    web.publish(second.id, package.id)
    await_state(web, second.id, "active")
    web.put_in_set(second.id, "")

    def found(division: str) -> tuple[int, set[str]]:
        with TarsClient(platform.registry) as client:
            proxy = Proxy(client, QUERY_OBJECT)
            name = echo_object(application)
            answer = proxy.invoke(FIND_IN_SET, BySet(id=name, within=division))
        return answer.ret, {place.host for place in answer.active}

    both = {first.node_name, second.node_name}
    assert found("s.a.1") == (0, both), "in no set: as in the same group"
    assert web.put_in_set(first.id, "s.a.1").set_division == "s.a.1"
    assert found("s.a.1") == (0, {first.node_name})
    assert found("s.a.2") == (-1, set())
    assert found("s.b.1") == (-1, set())
    assert found("t.a.1") == (0, both), "in no set of that name"
    web.undeploy(second.id)
    second = web.deploy(replace(spec, set_division="s.a.*"))
    web.publish(second.id, package.id)
    await_state(web, second.id, "active")
    assert found("s.a.1") == (0, {first.node_name})
    assert found("s.a.2") == (0, {second.node_name}), "the area's wildcard"
    assert found("s.a.*") == (0, both)
    assert web.choices(3, application, "EchoServer") == ["s.a.1", "s.a.*"]
    assert web.tree()[application] == ["EchoServer"]
    assert [one.id for one in web.servers(application, "EchoServer")] == [first.id, second.id]
    in_no_set = web.get("server_list", tree_node_id=f"1{application}.5EchoServer")
    in_set = web.get("server_list", tree_node_id=f"1{application}.2s.3a.41.5EchoServer")
    assert ([row["id"] for row in in_set], in_no_set) == ([first.id], [])
    with pytest.raises(WebRefused, match="setGroup"):
        web.put_in_set(first.id, "s.a.*")

    web.restart(first.id)
    await_state(web, first.id, "active")
    name = f"{application}.EchoServer"
    file = platform.node_home() / ".iec4" / "tarsnode" / "data" / name / "conf"
    written = profiles.parse((file / f"{name}.config.conf").read_text())
    part = written["tars"]["application"]
    assert (part["enableset"], part["setdivision"]) == ("y", "s.a.1")


def test_packages_have_a_default_and_go(platform: Platform, application: str) -> None:
    web = platform.web
    uploaded = [upload(web, application, build_package(version)) for version in ("1.0.0", "2.0.0")]
    assert web.default_package(application, "EchoServer") == uploaded[1].id
    web.set_default_package(uploaded[0])
    assert web.default_package(application, "EchoServer") == uploaded[0].id
    web.delete_package(uploaded[1].id)
    assert web.packages(application, "EchoServer") == [uploaded[0]]
    stored = (platform.master_home / ".iec4" / "tars-master" / "packages").iterdir()
    assert uploaded[1].tgz not in {file.name for file in stored}


def test_servers_are_found_by_a_word(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    assert platform.web.search(application.upper()) == [server]
    assert platform.web.search(f"{application}.Echo") == [server]
    assert platform.web.search(f"{application}.Other") == []
    assert platform.web.inactive_servers(application) == []
    platform.web.stop(server.id)
    assert [one.id for one in platform.web.inactive_servers(application)] == [server.id]


def test_publishing_with_the_upload(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    [begun] = platform.web.upload_and_publish(build_package("4.0.0"), application, "EchoServer")
    assert (begun.server_id, begun.node_name) == (server.id, server.node_name)
    platform.web.finished(begun.task_no)
    assert platform.ask(application).version == "4.0.0"
    assert platform.web.publishes(application)[0].task_no == begun.task_no
    with pytest.raises(WebRefused, match="server not deploy"):
        platform.web.upload_and_publish(build_package("4.0.0"), application, "NoSuch")


def test_states_as_nodes_and_registry_have_them(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    spec = echo_on(platform.web, "192.0.2.9", application=application)
    far = platform.web.deploy(spec)
    here, there = platform.web.states([server, far])
    assert (here.node_ok, here.setting, here.in_node, here.known) == (
        True,
        "Active",
        "Active",
        True,
    )
    assert (there.node_ok, there.in_node, there.known) == (False, None, False)
