"""Master, node or server are killed: nothing acknowledged is lost, and all goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.tars.deployment import add_application, echo_on, find_server, upload
from lab.tars.package import build_package
from lab.tars.web import TaskFailed
from lab.wait import wait_for
from tests.tars_master.platforms import Platform, is_there

#: Starts in a row, window and pause of the start limit, in place of 10, 60 s and 600 s.
QUICK_LIMIT = ("--respawn", "0.05", "--start-limit", "3", "--start-window", "5")


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Platform]:
    running = Platform(tmp_path)
    try:
        running.start_master()
        running.start_node()
        yield running
    finally:
        running.close()


def test_a_killed_master_loses_nothing_that_it_acknowledged(killable: Platform) -> None:
    server = killable.deploy("Kept")
    added = [f"Application{number}" for number in range(20)]
    for name in added:
        add_application(killable.web, name)
    other = killable.web.deploy(echo_on(killable.web, killable.node_name(), application="Late"))
    package = upload(killable.web, "Late", build_package("2.0.0"))
    task_no = killable.web.add_task("patch_tars", [other.id], parameters={"patch_id": package.id})

    killable.kill("master")
    assert is_there(server.process_id)
    killable.start_master()
    wait_for("the node", lambda: killable.node_name() in killable.web.nodes(), timeout=10)

    names = {application.f_name for application in killable.web.applications()}
    assert names >= {"Kept", *added}
    assert killable.web.packages("Late", "EchoServer") == [package]
    # The task was acknowledged, so it is done, by whichever master.
    assert killable.web.finished(task_no, timeout=20).items[0].command == "patch_tars"
    assert killable.ask("Late").version == "2.0.0"
    assert killable.ask("Kept").pid == server.process_id


def test_a_killed_node_finds_its_servers_again(killable: Platform) -> None:
    server = killable.deploy("Orphan")
    killable.kill(killable.node_name())
    wait_for("the master noticing", lambda: killable.web.nodes() == [], timeout=5)
    with pytest.raises(TaskFailed, match="not registered"):
        killable.web.restart(server.id)
    assert killable.ask("Orphan").pid == server.process_id

    killable.start_node()
    wait_for("a restart that works", lambda: killable.web.restart(server.id), timeout=10)
    wait_for(
        "another process by name",
        lambda: killable.ask("Orphan").pid != server.process_id,
        timeout=10,
    )
    assert not is_there(server.process_id)


def test_a_server_that_died_without_its_node_is_started_by_the_next(killable: Platform) -> None:
    server = killable.deploy("Gone")
    killable.kill(killable.node_name())
    os.kill(server.process_id, signal.SIGKILL)
    killable.start_node()
    wait_for("the server", lambda: killable.ask("Gone").pid != server.process_id, timeout=10)


def test_a_new_master_shows_only_nodes_that_are_there(killable: Platform) -> None:
    killable.kill("master")
    killable.kill(killable.node_name())
    killable.start_master()
    assert killable.web.nodes() == []


def test_a_terminated_node_takes_its_servers_along(killable: Platform) -> None:
    server = killable.deploy("Along")
    killable.close()
    assert not is_there(server.process_id)


def test_a_server_that_keeps_dying_is_given_up_for_a_while(tmp_path: Path) -> None:
    running = Platform(tmp_path, *QUICK_LIMIT, "--start-pause", "3")
    try:
        running.start_master()
        running.start_node()
        server = running.deploy("Dying")

        def process() -> int:
            found = find_server(running.web, "Dying", running.node_name())
            assert found is not None
            return found.process_id

        pid = server.process_id
        for _ in range(3):  # the first start was the deployment's
            os.kill(pid, signal.SIGKILL)
            before = pid
            pid = wait_for(
                "a restart", lambda b=before: process() not in (0, b) and process(), timeout=2
            )
        os.kill(pid, signal.SIGKILL)
        wait_for("its end", lambda: process() == 0, timeout=2)

        with pytest.raises(Exception, match="did not happen within 1 s"):
            wait_for("a restart too many", process, timeout=1)
        wait_for("a restart after the pause", process, timeout=10)
    finally:
        running.close()


def test_a_start_task_starts_a_server_that_was_given_up(tmp_path: Path) -> None:
    running = Platform(tmp_path, "--respawn", "0.05", "--start-limit", "0", "--start-pause", "600")
    try:
        running.start_master()
        running.start_node()
        server = running.deploy("GivenUp")
        os.kill(server.process_id, signal.SIGKILL)
        wait_for("its end", lambda: running.web.state(server.id) == "inactive", timeout=5)
        running.web.start(server.id)
        wait_for("the server", lambda: running.answers("GivenUp"), timeout=5)
    finally:
        running.close()
