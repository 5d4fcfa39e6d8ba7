"""OpenVidu's own clients for application servers, of Node and Java, drive a classroom."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.nodejs import node_binary, npm_tree
from tests.classroom_backend.people import Person
from tests.classroom_backend.running import SECRET, Backend, new_session_id
from tests.maven import Unavailable, class_path

HERE = Path(__file__).parent
JAVA = "openvidu-java-client-2.13"
CLIENTS = ("openvidu-node-client-2.12", "openvidu-node-client-2.14", JAVA)
#: Versions that the Java client's own parent POM leaves open.
_VERSIONS = ("-Dversion.gson=2.8.6", "-Dversion.slf4j=1.7.30")


@pytest.mark.parametrize("library", CLIENTS)
def test_an_application_server_drives_a_classroom(library: str, shared_backend: Backend) -> None:
    session = new_session_id()
    with _client(library, shared_backend, session) as client:
        steps = _Steps(client)
        tokens = steps.until("ready")
        teacher, student = Person(shared_backend), Person(shared_backend)
        teacher.join_with(session, tokens["teacher"]["result"])
        stream = teacher.publish()
        student.join_with(session, tokens["student"]["result"])
        student.receive(teacher)
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()
        found = tokens | steps.until("token after close")
        assert client.wait(10) == 0
    errors = {title: line["error"] for title, line in found.items() if "error" in line}
    bad_role = {} if library == JAVA else {"bad role": "400"}  # Java's has no others
    assert errors == bad_role | {
        "wrong secret": "401",
        "bad id": "400",
        "start recording": "501",
        "unpublish again": "404",
        "disconnect again": "404",
        "close again": "404",
        "token after close": "404",
    }
    result = {title: line.get("result") for title, line in found.items()}
    assert result["create"] == result["create again"] == session
    assert result["recordings"] == []
    assert (result["fetch"], result["fetch again"]) == (True, False)
    if library != JAVA:  # which does not ask for them
        assert result["statistics"] == [True, stream, "v=0\r"]
    by_role = {connection["role"]: connection for connection in result["connections"]}
    assert by_role["PUBLISHER"] == {
        "id": teacher.connection_id,
        "role": "PUBLISHER",
        "serverData": "Ms A",
        "publishers": [stream],
        "subscribers": [],
    }
    assert by_role["SUBSCRIBER"]["subscribers"] == [stream]
    told = [student.next_frame() for _ in range(4)]
    assert [(notice["method"], *notice["params"].values()) for notice in told] == [
        ("participantUnpublished", teacher.connection_id, "forceUnpublishByServer"),
        ("participantLeft", teacher.connection_id, "forceDisconnectByServer"),
        ("participantEvicted", teacher.connection_id, "forceDisconnectByServer"),
        ("participantEvicted", student.connection_id, "sessionClosedByServer"),
    ]
    teacher.close()
    student.close()


def _client(library: str, backend: Backend, session: str) -> subprocess.Popen[str]:
    """The library's process; Node's verifies the certificate, Java's never does."""
    arguments = (f"{backend.url}/", SECRET, session)
    environment = dict(os.environ)
    if library == JAVA:
        try:
            classes = class_path(HERE / "openvidujava", *_VERSIONS)
        except Unavailable as error:
            pytest.skip(str(error))
        argv = ["java", "-XX:TieredStopAtLevel=1", "-cp", classes, "Lesson", *arguments]
    else:
        environment |= {"NODE_PATH": str(npm_tree(HERE)), "NODE_EXTRA_CA_CERTS": str(backend.ca)}
        argv = [str(node_binary()), str(HERE / "client.js"), library, *arguments]
    return subprocess.Popen(
        argv, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


class _Steps:
    """The client's lines, as they come."""

    def __init__(self, client: subprocess.Popen[str]) -> None:
        assert client.stdout is not None
        self._lines: Iterator[str] = iter(client.stdout)

    def until(self, title: str) -> dict[str, dict[str, Any]]:
        """What came of each step, up to the one of that title."""
        found: dict[str, dict[str, Any]] = {}
        for line in self._lines:
            step = json.loads(line)
            found[step["step"]] = step
            if step["step"] == title:
                return found
        raise AssertionError(f"the client ended before {title!r}; it said {found}")
