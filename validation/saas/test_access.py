"""Who may manage classrooms, and what sessions and tokens are."""

import pytest

from blueprints.evidence import Evidence
from lab.classroom.errors import RestRefused, SignallingRefused
from lab.classroom.lesson import Lesson
from lab.classroom.probe import SYSTEM, api, check_configuration
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from lab.session import Lab

OPENVIDU = "2.13.0"


@pytest.mark.criterion("SAAS-01")
def test_the_classroom_answers_as_openvidu(lab: Lab, evidence: Evidence) -> None:
    check_configuration(lab)
    with api(lab, timeout=5) as classroom, evidence.judge("the classroom answers as itself"):
        assert classroom.config().version == OPENVIDU


@pytest.mark.criterion("SAAS-02")
def test_a_wrong_secret_is_refused(lab: Lab, evidence: Evidence) -> None:
    url, ca = lab.url(SYSTEM, "api"), lab.ca(SYSTEM)
    stranger = ClassroomApi(url, "not-the-secret", ca=ca)
    with stranger, evidence.judge("a wrong secret is refused"):
        with pytest.raises(RestRefused) as refused:
            stranger.create_session()
        assert refused.value.status == 401


@pytest.mark.criterion("SAAS-03")
def test_a_session_lives_and_ends(lab: Lab, evidence: Evidence) -> None:
    with api(lab) as classroom:
        session = classroom.create_session().id
        with evidence.judge("the session is read and listed while it lives, and gone after"):
            assert classroom.session(session).id == session
            assert session in [one.id for one in classroom.sessions()]
            classroom.close_session(session)
            assert session not in [one.id for one in classroom.sessions()]
            with pytest.raises(RestRefused) as gone:
                classroom.session(session)
            assert gone.value.status == 404


@pytest.mark.criterion("SAAS-04")
def test_a_token_carries_what_it_was_asked_for(lab: Lab, evidence: Evidence) -> None:
    with api(lab) as classroom:
        session = classroom.create_session().id
        with evidence.judge("a token names its session and its role"):
            for role in Role:
                token = classroom.create_token(session, role, data="seat 7")
                assert (token.session, token.role, token.data) == (session, role, "seat 7")
            with pytest.raises(RestRefused) as unknown:
                classroom.create_token("no-such-session")
            assert unknown.value.status == 404
        classroom.close_session(session)


@pytest.mark.criterion("SAAS-05")
def test_a_token_used_twice_is_refused(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        token = lesson.token(Role.SUBSCRIBER)
        lesson.join("student", token)
        with evidence.judge("a token's second use is refused"):
            with pytest.raises(SignallingRefused) as second:
                lesson.join("impostor", token)
            assert second.value.code == 401
