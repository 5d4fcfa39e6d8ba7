"""The client of TarsWeb reads what the real one answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lab.tars.web import Adapter, ServerSpec, TarsWeb, TaskFailed, WebRefused

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings" / "tars" / "web"

ECHO_1 = "<echo>\nv=1\n</echo>"


def recording(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return read


@contextmanager
def real_answers(*names: str) -> Iterator[TarsWeb]:
    """A client of a server that gives the recorded answers, by path and in their order."""
    answers: dict[str, list[bytes]] = {}
    for name in names:
        recorded = recording(name)
        bodies = [
            poll.get("body") or poll["response"]["body"] for poll in recorded.get("polls", [])
        ]
        for body in bodies or [recorded["response"]["body"]]:
            text = body if isinstance(body, str) else json.dumps(body)
            answers.setdefault(recorded["request"]["path"], []).append(text.encode())

    class Recorded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            waiting = answers[self.path.partition("?")[0]]
            body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as http.server names it

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Recorded) as server:
        serving = Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            with TarsWeb(f"http://127.0.0.1:{server.server_port}", timeout=5) as web:
                yield web
        finally:
            server.shutdown()
            serving.join()


def test_lists() -> None:
    with real_answers(
        "down_node_list", "query_application", "tree_after_delete_application"
    ) as web:
        assert web.nodes() == ["127.0.0.1"]
        assert "Demo" in [application.f_name for application in web.applications()]
        assert web.tree()["NotAdded"] == ["Stray"]


def test_versions_of_the_nodes_that_are_there() -> None:
    with real_answers("list_tars_node") as web:
        assert web.node_versions() == {"127.0.0.1": "3.0.17", "127.0.0.2": "3.0.17"}


def test_servers() -> None:
    with real_answers("server_list_two_nodes", "get_realtime_state_active_later") as web:
        servers = web.servers("Demo", "EchoServer")
        assert [(server.id, server.node_name) for server in servers] == [
            (11, "127.0.0.1"),
            (22, "127.0.0.2"),
        ]
        assert servers[0].process_id == 27213
        assert web.state(11) == "active"


def test_deploying() -> None:
    spec = ServerSpec("Demo", "EchoServer", "127.0.0.1", (Adapter("EchoObj", "127.0.0.1", 19101),))
    with real_answers("deploy_server", "server_list_two_nodes") as web:
        assert web.deploy(spec).id == 11


def test_adapters_and_ports() -> None:
    with real_answers("adapter_conf_list", "auto_port_two") as web:
        [adapter] = web.adapters(11)
        assert adapter.servant == "Demo.EchoServer.EchoObj"
        assert web.auto_port("127.0.0.1;127.0.0.2") == 21945


def test_packages(tmp_path: Path) -> None:
    package = tmp_path / "any.tgz"
    package.write_bytes(b"any")
    with real_answers("upload_patch_package", "server_patch_list") as web:
        assert web.upload_package(package, "Demo", "EchoServer").id == 1
        assert [package.id for package in web.packages("Demo", "EchoServer")] == [5, 3, 2, 1]


def test_publishing_is_waited_for() -> None:
    with real_answers("task_publish", "task_publish_poll") as web:
        task = web.publish(11, 1, timeout=10)
    assert task.status == 3
    assert task.items[0].execute_info.startswith("server is activating, please check")


def test_a_failed_publish_is_told() -> None:
    with (
        real_answers("task_publish_no_binary", "task_publish_no_binary_poll") as web,
        pytest.raises(TaskFailed, match=r"patch_tars of Demo\.EchoServer .* is not exist"),
    ):
        web.publish(11, 3, timeout=10)


@pytest.mark.parametrize("name", ["task_restart_two_serial_poll", "task_two_servers_parallel_poll"])
def test_a_task_that_shows_6_may_still_run(name: str) -> None:
    *_, last = recording(name)["polls"]
    with real_answers(name) as web:
        for _ in recording(name)["polls"]:
            task = web.task("any")
    assert task.status == (last.get("body") or last["response"]["body"])["data"]["status"] == 6
    assert not task.ended


def test_a_server_in_all_its_fields() -> None:
    with real_answers("server_flow_off") as web:
        server = web.server(11)
    assert (server.flow_state, server.enable_set, server.set_division) == ("inactive", False, "")
    assert (server.template_name, server.profile) == ("tars.cpp.default", "<tars>\n</tars>")


def test_states_and_existence() -> None:
    with real_answers("server_list_two_nodes", "server_state_active_later") as web:
        [state] = web.states(web.servers("Demo", "EchoServer")[:1])
    assert (state.in_node, state.in_registry, state.known) == ("Active", "Active", True)
    with real_answers("server_list_two_nodes", "server_state_new", "server_exist_yes") as web:
        [state] = web.states(web.servers("Demo", "EchoServer")[:1])
        assert (state.node_ok, state.in_node, state.known) == (True, "Inactive", False)
        assert web.exists("Demo", "EchoServer", ["127.0.0.1"])
    with real_answers("server_patch_list") as web:
        assert web.default_package("Demo", "EchoServer") == 5


def test_adapters_one_by_one() -> None:
    asked = Adapter("MoreObj", "127.0.0.1", 19105)
    with real_answers("server_flow_off", "add_adapter_conf", "adapter_conf") as web:
        added = web.add_adapter(web.server(11), asked)
        assert web.adapter(added.id) == added
    assert (added.thread_num, added.queuetimeout, added.protocol) == (2, 60000, "tars")
    with real_answers("update_adapter_conf", "all_adapter_conf_list") as web:
        assert web.update_adapter(added).thread_num == 3
        assert web.objects("Demo", "EchoServer") == ["Demo.EchoServer.EchoObj"]


@pytest.mark.parametrize(
    ("name", "reached", "text"),
    [
        ("send_command_viewversion", True, "$3.0.22$"),
        ("send_command_stopped", False, "error:server state is Inactive. "),
        ("send_command_not_running", False, "server is not exist"),
        ("down_send_command", False, "{}"),  # an object where a text was due
    ],
)
def test_commands(name: str, reached: bool, text: str) -> None:
    with real_answers(name) as web:
        [answer] = web.send_command([11], "tars.viewversion")
    assert answer.reached is reached
    assert text in answer.text


def test_lists_and_choices() -> None:
    with real_answers("inactive_server_list", "cascade_select_server_5") as web:
        assert "BadPort" in [server.server_name for server in web.inactive_servers("Demo")]
        assert web.choices(5, "Demo", "EchoServer") == ["Demo.EchoServer.EchoObj"]
    with real_answers("server_now_version", "task_list") as web:
        assert web.versions("Demo", "EchoServer") == {"127.0.0.1": "1"}
        assert [task.status for task in web.publishes("Demo", "EchoServer")] == [3, 3, 4]


def test_publishing_with_the_upload_is_read_from_text(tmp_path: Path) -> None:
    package = tmp_path / "any.tgz"
    package.write_bytes(b"any")
    with real_answers("upload_and_publish") as web:
        [begun] = web.upload_and_publish(package, "Demo", "EchoServer")
    assert (begun.server_id, begun.node_name) == (11, "127.0.0.1")
    assert begun.task_no == "739230206f814ec99c6c851d6b88f380"
    with (
        real_answers("upload_and_publish_inactive") as web,
        pytest.raises(WebRefused, match="no active server"),
    ):
        web.upload_and_publish(package, "Demo", "TwoObj")


def test_configuration_files() -> None:
    with real_answers(
        "config_file_list_server",
        "node_config_file_list_expanded",
        "config_file_history_list_no_page",
        "config_file_history",
        "config_ref_list",
        "merged_node_config",
        "push_config_file",
    ) as web:
        [file] = web.configs.of_server("Demo", "EchoServer")
        assert (file.server_name, file.level, file.config) == ("Demo.EchoServer", 2, ECHO_1)
        on_nodes = web.configs.on_nodes(file)
        assert [(one.node_name, one.level) for one in on_nodes] == [
            ("127.0.0.2", 3),
            ("127.0.0.1", 3),
        ]
        past = web.configs.history(file.id)
        assert [one.reason for one in past] == ["second", "made-up reason", "add config"]
        assert web.configs.revision(past[0].id) == past[0]
        [reference] = web.configs.references(file.id)
        assert (reference.file_id, reference.filename) == (1, "app.conf")
        assert web.configs.merged(3).startswith("<app>")
        [answer] = web.configs.push([3])
        assert answer.reached
    with real_answers("config_file_unknown", "config_file_history_unknown") as web:
        assert web.configs.file(999999) is None
        assert web.configs.revision(999999) is None
    with (
        real_answers("add_config_file_duplicate") as web,
        pytest.raises(WebRefused, match="File with the same name"),
    ):
        web.configs.add_to_server("Demo", "EchoServer", "echo.conf", "x")


def test_templates() -> None:
    with real_answers(
        "query_profile_template",
        "template_name_list",
        "get_merge_profile_template_unknown",
        "view_server_merge",
        "add_profile_template",
        "update_profile_template",
    ) as web:
        [template] = web.templates.query("tars.cpp.default")
        assert (template.id, template.parents_name) == (2, "tars.default")
        assert "tars.default" in web.templates.names()
        assert web.templates.merged("no.such") == ""
        assert "netthread=1\n" in web.templates.of_server("Demo", "EchoServer", "127.0.0.1")
        added = web.templates.add("demo.tmpl", "tars.cpp.default", "<tars>\n</tars>")
        assert "made-up=2" in web.templates.update(added).profile


def test_scaling_out() -> None:
    with real_answers(
        "server_list_expanded", "expand_server_preview", "auto_port_two", "expand_server"
    ) as web:
        source, _ = web.servers("Demo", "EchoServer")
        [row] = web.scaling.preview(source, ["127.0.0.2"])
        assert (row.obj_name, row.port, row.set) == ("EchoObj", 0, "")
        [added] = web.scaling.scale_out(source, ["127.0.0.2"])
    assert (added.id, added.node_name, added.setting_state) == (22, "127.0.0.2", "inactive")


def test_users() -> None:
    with real_answers("auth_add_token", "auth_login_ok", "auth_is_enable_login") as web:
        assert web.users.login_enabled()
        token = web.users.add_token("ci", "2027-01-01 00:00:00")
        assert (token.id, token.token) == (1, "<token>")
        assert web.users.log_in("admin", "made-up-1") == "<ticket>"
    with real_answers("auth_login_wrong") as web, pytest.raises(WebRefused, match="Incorrect"):
        web.users.log_in("admin", "made-up-wrong")
