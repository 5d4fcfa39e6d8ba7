"""What a token is made for, and that no other one admits."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from blueprints.evidence import Evidence
from lab.classroom.errors import RestRefused, SignallingRefused
from lab.classroom.lesson import Lesson
from lab.classroom.probe import api
from lab.classroom.signalling import Code
from lab.classroom.token import Role, Token
from lab.session import Lab

NO_SUCH_ROLE = "HEADMASTER"


def _refusal(lesson: Lesson, token: Token) -> int:
    with pytest.raises(SignallingRefused) as refused:
        lesson.join("impostor", token)
    return refused.value.code


@pytest.mark.criterion("SAAS-19")
def test_a_token_is_for_a_session_that_exists(lab: Lab, evidence: Evidence) -> None:
    with (
        api(lab) as classroom,
        evidence.judge("a token for no session is refused as such, whatever else is wrong"),
        pytest.raises(RestRefused, match="404"),
    ):
        classroom.create_token("no-such-session", NO_SUCH_ROLE)


@pytest.mark.criterion("SAAS-46")
def test_a_token_is_for_a_role_that_exists(lab: Lab, evidence: Evidence) -> None:
    with api(lab) as classroom:
        session = classroom.create_session().id
        with evidence.judge("a token for an unknown role is refused"):
            with pytest.raises(RestRefused) as refused:
                classroom.create_token(session, NO_SUCH_ROLE)
            assert refused.value.status == 400
        classroom.close_session(session)


@pytest.mark.criterion("SAAS-47")
def test_no_other_token_admits(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson, Lesson(lab) as other:
        given, elsewhere = lesson.token(Role.PUBLISHER), other.token(Role.PUBLISHER)
        made_up = replace(given, url=_with_secret(given.url, str.swapcase))
        with evidence.judge("a made-up token admits nobody, nor does another session's"):
            assert _refusal(lesson, made_up) == Code.UNAUTHORIZED
            assert _refusal(lesson, replace(elsewhere, session=lesson.session)) == Code.UNAUTHORIZED


@pytest.mark.criterion("SAAS-48")
def test_a_tokens_role_cannot_be_changed(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        given = lesson.token(Role.SUBSCRIBER)
        promoted = replace(given, url=given.url.replace(given.role, Role.MODERATOR))
        with evidence.judge("a student who writes MODERATOR into the token is refused"):
            assert _refusal(lesson, promoted) == Code.UNAUTHORIZED


def _with_secret(url: str, change: Callable[[str], str]) -> str:
    """The token's URL with its secret part changed."""
    head, mark, rest = url.partition("tok_")
    secret, ampersand, tail = rest.partition("&")
    return f"{head}{mark}{change(secret)}{ampersand}{tail}"
