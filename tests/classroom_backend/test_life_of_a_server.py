"""What only a server with times of its own shows, or one that is stopped, as it was recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from lab.classroom.embedded.journal import WebhookTarget
from lab.classroom.token import Role
from lab.payload import ROOT
from lab.wait import wait_for
from tests.classroom.recordings import sequence
from tests.classroom_backend.people import Person
from tests.classroom_backend.running import running_backend

#: The recorded server looked every 2 s for sessions older than 6 s; this one is quicker.
INTERVAL_S, THRESHOLD_S = 0.1, 0.5


def test_a_server_that_stops_evicts_everybody(tmp_path: Path) -> None:
    """Who goes first is the real server's chance: there the student, here the teacher."""
    recorded = [
        frame for direction, frame in sequence("server-shutdown", "A") if direction == "s2c"
    ]
    reason = recorded[-1]["params"]["reason"]
    with running_backend(tmp_path, may_end=True) as backend:
        with backend.api() as api:
            api.create_session("s-term")
        teacher, student = Person(backend), Person(backend)
        teacher.join("s-term")
        student.join("s-term", "SUBSCRIBER")
        teacher.publish()
        student.receive(teacher)
        teacher.notices()
        student.notices()
        backend.process.terminate()
        gone, staying = teacher.connection_id, student.connection_id
        assert [_told(teacher)] == [("participantEvicted", gone, reason)]
        assert [_told(student) for _ in range(3)] == [
            ("participantLeft", gone, reason),
            ("participantEvicted", gone, reason),
            ("participantEvicted", staying, reason),
        ]
        for person in (teacher, student):
            with pytest.raises(ConnectionClosed) as end:
                person.next_frame()
            assert end.value.rcvd is not None
            assert (end.value.rcvd.code, end.value.rcvd.reason) == (1000, "")
            person.close()
        assert backend.process.wait(10) == 0


def _told(person: Person) -> tuple[str, str, str]:
    notice = person.next_frame()
    return notice["method"], notice["params"]["connectionId"], notice["params"]["reason"]


def test_sessions_that_nobody_joins_are_forgotten(tmp_path: Path) -> None:
    """With and without a token given; one that was joined stays."""
    options = ("--garbage-interval-s", str(INTERVAL_S), "--garbage-threshold-s", str(THRESHOLD_S))
    with running_backend(tmp_path, *options) as backend, backend.api() as api:
        for session in ("gcNever", "gcToken", "gcJoined"):
            api.create_session(session)
        unused = api.create_token("gcToken", Role.PUBLISHER)
        member = Person(backend)
        member.join("gcJoined")
        wait_for(
            "both sessions are forgotten",
            lambda: [session.id for session in api.sessions()] == ["gcJoined"],
            timeout=10,
        )
        late = Person(backend)
        error = late.join_with("gcToken", unused.url)["error"]
        assert error["code"] == 202
        answer = late.call("ping")
        assert answer["result"] == {"value": "pong"}
        assert "result" in member.call("leaveRoom")
        late.close()
        member.close()


@pytest.mark.parametrize(
    ("endpoint", "headers", "says"),
    [
        ("http://192.0.2.1:80/hook", (), "LOOPBACK-ADDRESS"),
        ("http://localhost:7777/hook", (), "LOOPBACK-ADDRESS"),
        ("ftp://127.0.0.1:7777/hook", (), "LOOPBACK-ADDRESS"),
        ("http://127.0.0.1/hook", (), "LOOPBACK-ADDRESS"),
        ("http://127.0.0.1:7777/", ("no colon",), "Name: value"),
    ],
)
def test_events_leave_to_loopback_only(endpoint: str, headers: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        WebhookTarget(endpoint, headers)


def test_a_backend_with_another_endpoint_does_not_start() -> None:
    argv = [
        sys.executable, "-m", "lab.classroom.embedded.backend", "--home", ".",
        "--listen", "127.0.0.1:1", "--cert", "x", "--key", "x", "--secret-file", "x",
        "--webhook", "http://192.0.2.1:80/hook",
    ]  # fmt: skip
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "LOOPBACK-ADDRESS" in ended.stderr
