"""The framework's optional servers on a node of their own: what reaches them, and life without."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.nodejs import node_binary, npm_tree
from lab.tars import components, monitor
from lab.tars.client import TarsClient
from lab.tars.deployment import await_state, echo_on, upload
from lab.tars.framework import (
    LOG_OBJECT,
    NOTIFY_OBJECT,
    STAT_OBJECT,
    LogF,
    Notice,
    NotifyF,
    StatF,
    StatHead,
    counted,
)
from lab.tars.installation import OPTIONAL_SERVERS
from lab.tars.package import build_package
from lab.tars.queryf import QUERY_OBJECT, resolve
from lab.tars.web import Server, WebRefused
from lab.wait import wait_for
from tests.tars_master.platforms import Platform, is_there

HERE = Path(__file__).parent
#: The platform's second node, in the place of the data centre.
DC = 2

CONFIGURATION = """\
<tars>
  <application>
    <client>
      locator={query}@tcp -h {host} -p {port} -t 60000
      stat=tars.tarsstat.StatObj
      modulename=Some.Client
    </client>
  </application>
</tars>
"""
#: Properties are reported after 0.2 s.
QUICK = """\
<tars>
  <application>
    <client>
      report-interval=200
    </client>
  </application>
</tars>
"""


@pytest.fixture(scope="module")
def placed(platform: Platform) -> Platform:
    """The platform with every optional server on its second node."""
    assert components.deploy(platform.web, dict.fromkeys(OPTIONAL_SERVERS, platform.node_name(DC)))
    return platform


@contextmanager
def client_of(platform: Platform, name: str) -> Iterator[TarsClient]:
    place = resolve(platform.registry, name)[0]
    with TarsClient((place.host, place.port)) as client:
        yield client


def optional(platform: Platform, name: str) -> Server:
    return monitor.framework_servers(platform.web)[name]


@contextmanager
def without(platform: Platform, name: str) -> Iterator[None]:
    server = optional(platform, name)
    platform.web.stop(server.id)
    try:
        yield
    finally:
        platform.web.start(server.id)
        await_state(platform.web, server.id, "active")


def test_they_run_where_they_were_placed_and_stay(placed: Platform) -> None:
    before = monitor.framework_servers(placed.web)
    assert {name: server.node_name for name, server in before.items()} == dict.fromkeys(
        OPTIONAL_SERVERS, placed.node_name(DC)
    )
    assert {server.present_state for server in before.values()} == {"active"}
    nodes = dict.fromkeys(OPTIONAL_SERVERS, placed.node_name(DC))
    assert not components.deploy(placed.web, nodes)
    assert monitor.framework_servers(placed.web) == before


def test_the_official_client_reports_its_calls(
    placed: Platform, application: str, tmp_path: Path
) -> None:
    placed.deploy(application)
    host, port = placed.registry
    file = tmp_path / "client.conf"
    file.write_text(CONFIGURATION.format(query=QUERY_OBJECT, host=host, port=port))
    argv = [str(node_binary()), "--no-warnings", str(HERE / "monitored_client.js"), str(file)]
    with subprocess.Popen(
        [*argv, f"{application}.EchoServer.EchoObj", "7"],
        stdin=subprocess.PIPE,
        env={"NODE_PATH": str(npm_tree(HERE))},
    ) as client:
        try:
            # Its own look-ups are calls of a module, too.
            def told() -> dict[str, monitor.CallStatistics]:
                rows = monitor.statistics(
                    placed.web, f"{application}.EchoServer", group_by="interface_name"
                )
                return {row.interface_name: row for row in rows}

            wait_for("the client's report", lambda: len(told()) == 2, timeout=15)
        finally:
            client.terminate()
    found = told()
    assert (found["tars_ping"].calls, found["tars_ping"].failed) == (7, 0)
    assert (found["noSuch"].calls, found["noSuch"].failed) == (1, 1)
    [row] = monitor.statistics(placed.web, f"{application}.EchoServer", group_by="master_name")
    assert (row.master_name, row.calls) == ("Some.Client", 8)


def test_a_server_reports_its_memory(placed: Platform, application: str) -> None:
    web = placed.web
    web.templates.add("quick", "tars.cpp.default", QUICK)
    web.add_application(application)
    node = placed.node_name()
    server = web.deploy(replace(echo_on(web, node, application=application), template_name="quick"))
    web.publish(server.id, upload(web, application, build_package("1.0.0")).id)
    module = f"{application}.EchoServer"

    def reported() -> list[monitor.PropertyStatistics]:
        return monitor.properties(web, module, group_by="property_name")

    wait_for("its report", reported, timeout=15)
    [memory] = reported()
    assert memory.property_name == f"{module}.memsize"
    assert 10_000 < memory.value < 1_000_000  # KiB


def test_reports_survive_the_server_and_its_node(placed: Platform) -> None:
    head = StatHead("A.B", "Kept.Server", "act", "", "127.0.0.1", 1, 0)
    with client_of(placed, STAT_OBJECT) as client:
        StatF(client).report({head: counted([1, 2], timeouts=1, failures=1)})
    server = optional(placed, "tarsstat")
    placed.kill(placed.node_name(DC))
    placed.start_node(DC)
    assert optional(placed, "tarsstat").process_id == server.process_id
    placed.web.restart(server.id)
    await_state(placed.web, server.id, "active")
    [row] = monitor.statistics(placed.web, "Kept.Server")
    assert (row.calls, row.mean_ms, row.failed, row.timed_out) == (4, 1.5, 0.25, 0.25)


def test_notices_are_kept_the_newest_first(placed: Platform) -> None:
    with client_of(placed, NOTIFY_OBJECT) as client:
        board = NotifyF(client)
        for number in range(51):
            board.report(Notice(0, "Some", "", "", "Server", f"said {number}", node_name="n"))
        first = board.notices("Some.Server")
        assert [item.message for item in first.items[:2]] == ["said 50", "said 49"]
        assert first.items[0].server_id == "Some.Server_n"
        second = board.notices("Some.Server", page=first.next_page)
        assert [item.message for item in second.items] == ["said 0"]
        assert second.next_page == -1
        assert board.notices("Some.Server", ip="elsewhere").items == []


def test_remote_logs_become_files(placed: Platform) -> None:
    with client_of(placed, LOG_OBJECT) as client:
        LogF(client).write("Some", "Server", "audit", ["one", "two"])
    logs = placed.node_home(DC) / ".iec4/tarsnode/data/tars.tarslog/data/remote_app_log"
    file = logs / "Some/Server" / f"Some.Server_audit_{time.strftime('%Y%m%d')}.log"
    assert file.read_text() == "one\ntwo\n"


def test_a_servers_log_is_listed_and_read(placed: Platform, application: str) -> None:
    server = placed.deploy(application)
    file = f"{application}.EchoServer.log"
    assert monitor.log_files(placed.web, server) == [file]
    lines = monitor.log_lines(placed.web, server, file)
    assert any("EchoObj" in line for line in lines)
    admin = [line for line in lines if "AdminObj" in line]
    assert monitor.log_lines(placed.web, server, file, keyword="AdminObj") == admin
    assert monitor.log_lines(placed.web, server, file, lines=1) == lines[-1:]
    # A keyword is a word, whatever a shell would make of it.
    assert monitor.log_lines(placed.web, server, file, keyword="'; echo broken; '") == []
    with pytest.raises(WebRefused, match="no log file"):
        monitor.log_lines(placed.web, server, "../../conf/secret")


@pytest.mark.parametrize("name", OPTIONAL_SERVERS)
def test_services_work_without_it_and_its_absence_shows(
    placed: Platform, application: str, name: str
) -> None:
    with without(placed, name):
        assert optional(placed, name).present_state == "inactive"
        server = placed.deploy(application)
        placed.web.restart(server.id)
        assert placed.answers(application)
        if name == "tarsstat":
            with pytest.raises(WebRefused, match="call remote server timeout"):
                monitor.statistics(placed.web, "Some.Server")
        if name == "tarsproperty":
            with pytest.raises(WebRefused, match="call remote server timeout"):
                monitor.properties(placed.web, "Some.Server")


def test_a_lost_report_is_confirmed(placed: Platform) -> None:
    head = StatHead("A.B", "Lost.Server", "act", "", "127.0.0.1", 1, 0)
    with placed.fault("tars.stat-lost", node=DC), client_of(placed, STAT_OBJECT) as client:
        assert StatF(client).report({head: counted([1])}) == 0
    assert monitor.statistics(placed.web, "Lost.Server") == []


def test_what_needs_them_dies_when_one_is_away(placed: Platform, application: str) -> None:
    """As the fault has it: with all of them there, nothing happens."""
    server = placed.deploy(application)
    with placed.fault("tars.servers-need-optional", node=1):
        placed.web.restart(server.id)
        await_state(placed.web, server.id, "active")
        before = placed.ask(application).pid
        with without(placed, "tarslog"):
            wait_for("its death", lambda: not is_there(before), timeout=10)


def test_lists_may_show_them_elsewhere(placed: Platform) -> None:
    with placed.fault("tars.optional-misplaced"):
        assert optional(placed, "tarsstat").node_name == placed.node_name(1)
    assert optional(placed, "tarsstat").node_name == placed.node_name(DC)


def test_what_the_platform_stands_on_is_not_optional(placed: Platform) -> None:
    """It is of the same application on a real platform, and must not be stopped for a trial."""
    node = placed.node_name()
    spec = echo_on(placed.web, node, application=monitor.FRAMEWORK)
    added = placed.web.deploy(replace(spec, server_name="tarsAdminRegistry"))
    try:
        assert set(monitor.framework_servers(placed.web)) == set(OPTIONAL_SERVERS)
    finally:
        placed.web.undeploy(added.id)
