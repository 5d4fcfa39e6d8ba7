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

from lab.tars.web import Adapter, ServerSpec, TarsWeb, TaskFailed

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings" / "tars" / "web"


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
            answers.setdefault(recorded["request"]["path"], []).append(json.dumps(body).encode())

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
