"""The client of TarsWeb: what counts as refused, and what it never shows."""

from __future__ import annotations

import logging
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lab.errors import SystemDown, WaitTimeout
from lab.secrets import MASK, redactor
from lab.tars.package import build_package
from lab.tars.web import TarsWeb, Task, TaskItem, WebRefused
from tests.tars_master.platforms import Platform

TICKET = "made-up-ticket-0123456789"


def test_a_200_that_means_failure_is_refused(platform: Platform) -> None:
    with pytest.raises(WebRefused, match="no JSON: Method Not Allowed") as refused:
        platform.web.post("no_such_thing", {})
    assert (refused.value.status, refused.value.ret_code) == (200, None)


def test_a_ret_code_other_than_200_is_refused(platform: Platform, application: str) -> None:
    platform.web.add_application(application)
    with pytest.raises(WebRefused, match="ret_code 500: system error") as refused:
        platform.web.add_application(application)
    assert refused.value.ret_code == 500


def test_a_task_that_nobody_knows_is_not_waited_for(platform: Platform) -> None:
    with pytest.raises(WebRefused, match="system error"):
        platform.web.finished("made-up-task", timeout=30)


def test_a_task_has_ended_when_each_item_has() -> None:
    def item(status: int) -> TaskItem:
        return TaskItem("1", "App", "Server", "node", "restart", status, "", "", 0)

    assert not Task("1", serial=True, status=6, items=(item(3), item(2))).ended
    assert not Task("1", serial=True, status=6, items=(item(3), item(0))).ended
    assert Task("1", serial=True, status=6, items=(item(3), item(4))).ended


def test_nobody_there_is_a_system_that_is_down() -> None:
    with (
        TarsWeb("http://127.0.0.1:9", ticket=TICKET, timeout=2) as web,
        pytest.raises(SystemDown, match="does not answer GET /api/tree") as down,
    ):
        web.tree()
    assert TICKET not in str(down.value)


class Echoing(BaseHTTPRequestHandler):
    """Answers every request with the path that was asked for, ticket included."""

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test looks at its own client's log."""


def test_the_ticket_is_sent_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with HTTPServer(("127.0.0.1", 0), Echoing) as server:
        Thread(target=server.handle_request).start()
        with (
            TarsWeb(f"http://127.0.0.1:{server.server_port}", ticket=TICKET) as web,
            pytest.raises(WebRefused) as refused,
        ):
            web.nodes()
    assert refused.value.message == f"/api/node_list?ticket={MASK}"
    assert redactor.text(f"ticket={TICKET}") == f"ticket={MASK}"
    assert "GET http://127.0.0.1" in caplog.text
    for shown in (caplog.text, str(refused.value), refused.value.evidence, repr(refused.value)):
        assert TICKET not in (shown or "")


def test_uploading_checks_what_arrived(
    platform: Platform, application: str, tmp_path: Path
) -> None:
    package = tmp_path / "any.tgz"
    package.write_bytes(b"any content")
    uploaded = platform.web.upload_package(package, application, "EchoServer", comment="c")
    assert platform.web.packages(application, "EchoServer") == [uploaded]
    assert (uploaded.server, uploaded.comment) == (f"{application}.EchoServer", "c")
    form = {"application": application, "module_name": "EchoServer", "md5": "0" * 32}
    with pytest.raises(WebRefused, match="system error"):
        platform.web.call(
            "POST", "upload_patch_package", data=form, files={"suse": ("any.tgz", b"other")}
        )
    stored = list((platform.master_home / ".iec4" / "tars-master" / "packages").iterdir())
    assert not [file for file in stored if "_suse_" not in file.name], "a refused upload stays"


def test_publishing_with_the_upload_answers_in_text(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    form = {"application": application, "module_name": "EchoServer", "comment": "x"}
    with pytest.raises(WebRefused, match="Method Not Allowed") as told:
        platform.web.call(
            "POST",
            "upload_and_publish",
            data=form,
            files={"suse": ("any.tgz", build_package("3.0.0").read_bytes())},
        )
    assert f"patch serverId: {server.id}, node_name: {platform.node_name()}" in told.value.message
    task_no = told.value.message.partition("[")[2].partition("]")[0]
    platform.web.finished(task_no)
    assert platform.ask(application).version == "3.0.0"
    listed = platform.web.get("task_list", application=application, server_name="EchoServer")
    assert listed["rows"][0]["task_no"] == task_no
    assert listed["count"] == 2


def test_waiting_for_a_task_is_bounded(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    task_no = platform.web.add_task("restart", [server.id])
    with pytest.raises(WaitTimeout, match=task_no):
        platform.web.finished(task_no, timeout=0)
    platform.web.finished(task_no)
