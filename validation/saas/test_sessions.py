"""How a classroom session gets its name, who is in it, and how it ends."""

import secrets

import pytest

from blueprints.evidence import Evidence
from lab.classroom.attendee import FOLLOWS_S
from lab.classroom.errors import RestRefused
from lab.classroom.lesson import Lesson
from lab.classroom.messages import ParticipantEvicted, Reason
from lab.classroom.probe import api
from lab.classroom.rest import ClassroomApi
from lab.classroom.signalling_client import PLATFORM
from lab.classroom.token import Role
from lab.session import Lab
from lab.wait import wait_for


def custom_id() -> str:
    return f"lesson-{secrets.token_hex(4)}"


def _gone(classroom: ClassroomApi, session: str) -> bool:
    try:
        classroom.session(session)
    except RestRefused as refused:
        return refused.status == 404
    return False


@pytest.mark.criterion("SAAS-15")
def test_a_session_has_the_id_that_was_asked_for(lab: Lab, evidence: Evidence) -> None:
    with api(lab) as classroom:
        wanted = custom_id()
        with evidence.judge("a session has the id that was asked for"):
            session = classroom.create_session(wanted)
            assert session.id == wanted
            assert classroom.session(wanted).custom_session_id == wanted
        classroom.close_session(wanted)


@pytest.mark.criterion("SAAS-16")
def test_an_id_belongs_to_one_session(lab: Lab, evidence: Evidence) -> None:
    with api(lab) as classroom:
        first = classroom.create_session(custom_id())
        with evidence.judge("an id that is taken is refused, and its session stays"):
            with pytest.raises(RestRefused) as taken:
                classroom.create_session(first.id)
            assert taken.value.status == 409
            assert classroom.create_session(first.id, exists_ok=True) == first
        classroom.close_session(first.id)


@pytest.mark.criterion("SAAS-17")
def test_closing_a_session_sends_everybody_out(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        everybody = [lesson.teacher(), lesson.student()]
        lesson.api.close_session(lesson.session)
        with evidence.judge("who is in a session that is closed is told so, and disconnected"):
            for someone in everybody:
                reason = someone.told_of(ParticipantEvicted, someone.connection_id)
                assert reason == Reason.SESSION_CLOSED_BY_SERVER
                someone.ended()


@pytest.mark.criterion("SAAS-89")
def test_what_is_not_there_is_said_to_be_missing(lab: Lab, evidence: Evidence) -> None:
    with api(lab) as classroom:
        session = classroom.create_session(custom_id()).id
        with evidence.judge("a call about what is not there is refused as documented"):
            for call, body, status in (
                ("GET /api/sessions/nowhere", None, 404),
                ("DELETE /api/sessions/nowhere", None, 404),
                ("DELETE /api/sessions/nowhere/connection/con_x", None, 400),
                ("DELETE /api/sessions/nowhere/stream/str_x", None, 400),
                (f"DELETE /api/sessions/{session}/connection/con_x", None, 404),
                (f"DELETE /api/sessions/{session}/stream/str_x", None, 404),
                ("POST /api/signal", {"session": "nowhere"}, 404),
                ("POST /api/signal", {"session": session}, 406),
                ("GET /api/recordings/nowhere", None, 404),
                ("POST /api/recordings/stop/nowhere", None, 404),
                ("DELETE /api/recordings/nowhere", None, 404),
            ):
                method, _, path = call.partition(" ")
                answer = classroom.ask(method, path, body)
                assert answer.status == status, f"{call} is answered {answer.status}"
        classroom.close_session(session)


@pytest.mark.criterion("SAAS-18")
def test_a_session_ends_with_its_last_participant(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher, student = lesson.teacher(), lesson.student()
        teacher.leave()
        with evidence.judge("a session is there while somebody is in it, and then gone"):
            assert not _gone(lesson.api, lesson.session)
            student.leave()
            wait_for(
                "the session is gone",
                lambda: _gone(lesson.api, lesson.session),
                timeout=FOLLOWS_S,
            )


@pytest.mark.criterion("SAAS-80")
def test_who_is_in_a_session_can_be_read(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        seats = {}
        for role, name in ((Role.MODERATOR, "teacher"), (Role.SUBSCRIBER, "student")):
            token = lesson.api.create_token(lesson.session, role, data=f"seat of the {name}")
            seats[lesson.join(name, token).connection_id] = (role, name)
        with evidence.judge("each connection is listed with its role, platform and data"):
            listed = lesson.api.session(lesson.session).connections
            assert listed.number_of_elements == len(seats)
            for connection in listed.content:
                role, name = seats[connection.connection_id]
                assert (connection.role, connection.platform) == (role, PLATFORM)
                assert connection.client_data == name
                assert connection.server_data == f"seat of the {name}"


@pytest.mark.criterion("SAAS-81")
def test_a_late_joiner_is_told_who_is_there(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        present = {lesson.teacher().connection_id: "teacher"}
        present[lesson.student().connection_id] = "student"
        with evidence.judge("who joins late is told who is there"):
            late = lesson.join("late", Role.SUBSCRIBER)
            assert {who: other.metadata for who, other in late.others.items()} == present
