"""What the platform does with a real server, asked as users ask: through TarsWeb."""

from __future__ import annotations

import os
import signal
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from lab.tars.deployment import (
    add_application,
    await_state,
    deploy_echo,
    echo_on,
    find_server,
    upload,
)
from lab.tars.package import build_package
from lab.tars.web import TaskFailed, WebRefused
from lab.wait import wait_for
from tests.tars_master.platforms import Platform, is_there


def deployed_only(platform: Platform, application: str, node: str) -> int:
    """The number of a server that is deployed and has no package."""
    return platform.web.deploy(echo_on(platform.web, node, application=application)).id


def test_publishes_and_finds_by_name(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    assert server.present_state == "active"
    assert platform.look_up(application) == (1, 0)
    assert platform.ask(application).pid == server.process_id
    assert application in platform.web.tree()


def test_deploying_twice_changes_nothing(platform: Platform, application: str) -> None:
    first = platform.deploy(application)
    package = build_package("1.0.0")
    again, changed = deploy_echo(
        platform.web, platform.node_name(), package, application=application
    )
    assert (again, changed) == (first, False)


def test_what_was_published_last_runs(platform: Platform, application: str) -> None:
    platform.deploy(application, version="1.0.0")
    server = platform.deploy(application, version="2.0.0")
    assert platform.ask(application).version == "2.0.0"
    packages = platform.web.packages(application, "EchoServer")
    assert str(packages[0].id) == server.patch_version
    assert len(packages) == 2


def test_stops_and_starts(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    platform.web.stop(server.id)
    assert platform.web.state(server.id) == "inactive"
    assert platform.look_up(application) == (0, 1)
    assert not is_there(server.process_id)

    again = platform.web.stop(server.id)
    assert again.items[0].execute_info == "succ:server state is Inactive. "

    platform.web.start(server.id)
    await_state(platform.web, server.id, "active")
    assert platform.ask(application).pid != server.process_id

    again = platform.web.start(server.id)
    assert again.items[0].execute_info.endswith("server is already Active")


def test_restarts_into_another_process(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    platform.web.restart(server.id)
    await_state(platform.web, server.id, "active")
    assert platform.ask(application).pid not in (server.process_id, 0)
    assert not is_there(server.process_id)


def test_undeploys_a_running_server(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    platform.web.undeploy(server.id)
    assert platform.web.servers(application) == []
    assert platform.look_up(application) == (0, 0)
    assert not is_there(server.process_id)
    with pytest.raises(WebRefused, match="system error"):
        platform.web.server(server.id)


@pytest.mark.parametrize("serial", [True, False])
def test_a_task_of_two_servers_does_both(
    platform: Platform, application: str, serial: bool
) -> None:
    servers = [platform.deploy(application, node=node) for node in (1, 2)]
    assert platform.look_up(application) == (2, 0)
    numbers = [server.id for server in servers]
    task = platform.web.finished(platform.web.add_task("restart", numbers, serial=serial))
    assert (task.status, task.serial) == (3, serial)
    for server in servers:
        await_state(platform.web, server.id, "active")
        assert platform.web.server(server.id).process_id != server.process_id


def test_one_failed_item_makes_a_task_partial(platform: Platform, application: str) -> None:
    running = platform.deploy(application)
    nowhere = deployed_only(platform, application, "192.0.2.9")
    with pytest.raises(TaskFailed, match="not registered") as failed:
        platform.web.finished(platform.web.add_task("start", [running.id, nowhere]))
    assert failed.value.task.status == 6
    assert [item.status for item in failed.value.task.items] == [3, 4]


def test_a_server_on_an_unreachable_node_is_undeployed(
    platform: Platform, application: str
) -> None:
    number = deployed_only(platform, application, "192.0.2.9")
    task = platform.web.undeploy(number)
    assert "not registered  or heartbeart timeout" in task.items[0].execute_info
    assert platform.web.servers(application) == []


def test_a_start_without_package_fails(platform: Platform, application: str) -> None:
    number = deployed_only(platform, application, platform.node_name())
    with pytest.raises(TaskFailed, match=r"bin/EchoServer is not exist"):
        platform.web.start(number)


def test_a_package_without_the_binary_fails_and_removes_the_old_one(
    platform: Platform, application: str, tmp_path: Path
) -> None:
    server = platform.deploy(application)
    package = tmp_path / "other.tgz"
    with tarfile.open(package, "w:gz") as tar:
        tar.add(__file__, "EchoServer/other.txt")
    uploaded = platform.web.upload_package(package, application, "EchoServer")
    with pytest.raises(TaskFailed, match="is not exist"):
        platform.web.publish(server.id, uploaded.id)
    assert platform.web.state(server.id) == "inactive"
    with pytest.raises(TaskFailed, match="is not exist"):
        platform.web.start(server.id)


def test_a_cut_off_package_fails_and_leaves_the_old_one(
    platform: Platform, application: str, tmp_path: Path
) -> None:
    server = platform.deploy(application)
    package = tmp_path / "cut.tgz"
    package.write_bytes(build_package("2.0.0").read_bytes()[:5000])
    uploaded = platform.web.upload_package(package, application, "EchoServer")
    with pytest.raises(TaskFailed, match="cannot unpack"):
        platform.web.publish(server.id, uploaded.id)
    assert platform.ask(application).pid == server.process_id


def test_an_unknown_package_fails(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    with pytest.raises(TaskFailed, match="load patch info from database error, patchId:999999"):
        platform.web.publish(server.id, 999999)


def test_an_unknown_command_fails(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    with pytest.raises(TaskFailed, match="command not support!"):
        platform.web.finished(platform.web.add_task("fly", [server.id]))


def test_a_used_port_leaves_the_server_activating(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    endpoint = platform.web.adapters(server.id)[0].endpoint.split()
    port = int(endpoint[endpoint.index("-p") + 1])
    other = f"{application}2"
    add_application(platform.web, other)
    spec = echo_on(platform.web, platform.node_name(), application=other)
    clash = replace(spec, adapters=(replace(spec.adapters[0], port=port),))
    clashing = platform.web.deploy(clash)
    uploaded = upload(platform.web, other, build_package("1.0.0"))
    platform.web.publish(clashing.id, uploaded.id)  # which the real one calls a success too
    assert platform.look_up(other) == (0, 1)
    platform.web.undeploy(clashing.id)


def test_a_killed_server_comes_back(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    os.kill(server.process_id, signal.SIGKILL)
    wait_for(
        "another process of the killed server",
        lambda: platform.ask(application).pid != server.process_id,
        timeout=5,
    )
    found = find_server(platform.web, application, platform.node_name())
    assert found is not None
    assert found.present_state == "active"


def test_a_package_that_changed_on_its_way_is_not_put_in_place(
    platform: Platform, application: str
) -> None:
    server = platform.deploy(application)
    uploaded = upload(platform.web, application, build_package("2.0.0"))
    stored = platform.master_home / ".iec4" / "tars-master" / "packages" / uploaded.tgz
    stored.write_bytes(build_package("3.0.0").read_bytes())
    with pytest.raises(TaskFailed, match="arrived with md5"):
        platform.web.publish(server.id, uploaded.id)
    assert platform.ask(application).pid == server.process_id
    assert platform.web.server(server.id).patch_version == server.patch_version


def test_a_server_that_heeds_nothing_is_killed_with_all_that_it_started(
    platform: Platform, application: str, tmp_path: Path
) -> None:
    script = tmp_path / "EchoServer"
    pids = tmp_path / "pids"
    script.write_text(f"#!/bin/sh\ntrap '' TERM\nsleep 60 &\necho $$ $! >{pids}\nwait\nwait\n")
    package = tmp_path / "stubborn.tgz"
    with tarfile.open(package, "w:gz") as tar:
        tar.add(script, "EchoServer/EchoServer")
    number = deployed_only(platform, application, platform.node_name())
    uploaded = platform.web.upload_package(package, application, "EchoServer")
    platform.web.publish(number, uploaded.id)
    # It never said keepAlive, so it is not active, and not found.
    assert platform.web.state(number) == "activating"
    assert platform.look_up(application) == (0, 1)
    group = [int(pid) for pid in pids.read_text().split()]
    assert all(map(is_there, group))

    platform.web.stop(number)
    wait_for("the end of all", lambda: not any(map(is_there, group)), timeout=2)
    assert platform.web.state(number) == "inactive"
