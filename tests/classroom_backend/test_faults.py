"""Each fault spoils the one act that it names, and nothing when it is cleared."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lab.classroom import embedded
from lab.classroom.attendee import Attendee, ClassroomLoop
from lab.classroom.errors import RestRefused
from lab.classroom.faults import FAULTS
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from tests.classroom_backend.people import Person
from tests.classroom_backend.running import Backend


@pytest.fixture
def api(shared_backend: Backend) -> Iterator[ClassroomApi]:
    with shared_backend.api() as api:
        yield api


def test_deaf_takes_the_request_and_never_answers(shared_backend: Backend) -> None:
    where = f"{shared_backend.url}/config/openvidu-publicurl"
    with shared_backend.fault("classroom.deaf"), pytest.raises(httpx.ReadTimeout):
        httpx.get(where, verify=shared_backend.tls, timeout=httpx.Timeout(5, read=0.5))
    assert httpx.get(where, verify=shared_backend.tls).status_code == 200


def test_any_secret_opens_the_door(shared_backend: Backend) -> None:
    with ClassroomApi(shared_backend.url, "not the secret", ca=shared_backend.ca) as stranger:
        with shared_backend.fault("classroom.accept-any-secret"):
            stranger.sessions()
        with pytest.raises(RestRefused, match="401"):
            stranger.sessions()
    assert shared_backend.ask("GET", "/api/sessions").status == 401


def test_sessions_are_forgotten_and_the_deleted_live_on(
    shared_backend: Backend, api: ClassroomApi
) -> None:
    kept, deleted = api.create_session().id, api.create_session().id
    with shared_backend.fault("classroom.session-forgets"):
        with pytest.raises(RestRefused, match="404"):
            api.session(kept)
        api.close_session(deleted)
        assert deleted in {session.id for session in api.sessions()}
        assert api.session(deleted).id == deleted
    assert api.session(kept).id == kept
    assert deleted not in {session.id for session in api.sessions()}


def test_a_token_says_another_role_but_grants_the_right_one(
    shared_backend: Backend, api: ClassroomApi
) -> None:
    session = api.create_session().id
    credentials = {"Authorization": "Basic T1BFTlZJRFVBUFA6TVlfU0VDUkVU"}
    body = f'{{"session": "{session}", "role": "SUBSCRIBER"}}'
    headers = {**credentials, "Content-Type": "application/json"}
    with shared_backend.fault("classroom.token-wrong-role"):
        token = shared_backend.ask("POST", "/api/tokens", headers, body).body
    assert token["role"] == "PUBLISHER"
    assert "&role=PUBLISHER&" in token["token"]
    person = Person(shared_backend)
    person.join_with(session, token["token"])
    assert api.session(session).connections.content[0].role is Role.SUBSCRIBER
    person.close()


def test_a_token_works_twice(shared_backend: Backend, api: ClassroomApi) -> None:
    session = api.create_session().id
    token = api.create_token(session, Role.PUBLISHER).url
    people = [Person(shared_backend) for _ in range(3)]
    with shared_backend.fault("classroom.token-reusable"):
        assert all("result" in person.join_with(session, token) for person in people[:2])
    assert "result" in people[2].join_with(session, token)
    late = Person(shared_backend)
    assert late.join_with(session, token)["error"]["code"] == 401
    for person in (*people, late):
        person.close()


def test_joining_and_leaving_go_unannounced(shared_backend: Backend, api: ClassroomApi) -> None:
    session = api.create_session().id
    watcher, first, second = (Person(shared_backend) for _ in range(3))
    watcher.join(session)
    with shared_backend.fault("classroom.join-unannounced"):
        first.join(session)
        assert watcher.notices() == []
    second.join(session)
    assert [notice["method"] for notice in watcher.notices()] == ["participantJoined"]
    with shared_backend.fault("classroom.leave-unannounced"):
        first.call("leaveRoom")
        assert watcher.notices() == []
    second.call("leaveRoom")
    assert [notice["method"] for notice in watcher.notices()] == ["participantLeft"]
    for person in (watcher, first, second):
        person.close()


@dataclass(frozen=True)
class Lesson:
    """A teacher who publishes a tone of 440 Hz, and a student who receives it."""

    teacher: Attendee
    student: Attendee
    stream: str


@pytest.fixture
def lesson(shared_backend: Backend, api: ClassroomApi) -> Iterator[Lesson]:
    session = api.create_session().id
    with ClassroomLoop() as loop:
        teacher, student = (
            loop.join(shared_backend.url, api.create_token(session, role), ca=shared_backend.ca)
            for role in (Role.MODERATOR, Role.SUBSCRIBER)
        )
        stream = teacher.publish_tone(440, picture=True)
        student.subscribe(stream, video=True)
        yield Lesson(teacher, student, stream)


def test_media_is_heard_then_silent_then_gone(shared_backend: Backend, lesson: Lesson) -> None:
    """Heard by a student whose ICE, DTLS, SRTP and Opus are aiortc's and FFmpeg's."""
    heard = lesson.student.hear(lesson.stream, 1.0)
    assert heard.packets >= 60
    assert heard.lost == 0
    assert heard.video_frames >= 10
    assert heard.sound.frequency_hz == pytest.approx(440, abs=2)
    with shared_backend.fault("classroom.media-silence"):
        lesson.student.hear(lesson.stream, 0.5)  # what was under way
        silent = lesson.student.hear(lesson.stream, 0.7)
        assert silent.packets >= 40
        assert silent.sound.frequency_hz is None
    with shared_backend.fault("classroom.media-blackhole"):
        lesson.student.hear(lesson.stream, 0.5)
        assert lesson.student.hear(lesson.stream, 0.7).packets == 0
    lesson.student.hear(lesson.stream, 0.5)
    again = lesson.student.hear(lesson.stream, 0.7)
    assert again.sound.frequency_hz == pytest.approx(440, abs=2)


def test_a_join_is_answered_late(shared_backend: Backend, api: ClassroomApi) -> None:
    person = Person(shared_backend)
    session = api.create_session().id
    token = api.create_token(session, Role.PUBLISHER).url
    with shared_backend.fault("classroom.join-slow"):
        started = time.monotonic()
        person.join_with(session, token)
        assert time.monotonic() - started >= 1.4
    person.close()


def test_the_catalogue_names_what_the_backend_looks_at() -> None:
    source = "".join(file.read_text() for file in Path(embedded.__file__).parent.glob("*.py"))
    assert set(re.findall(r"\"(classroom\.[a-z-]+)\"", source)) == {fault.name for fault in FAULTS}
