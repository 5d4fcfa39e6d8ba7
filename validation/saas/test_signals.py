"""Who gets a signal, and from whom."""

import pytest

from blueprints.evidence import Evidence
from lab.classroom.errors import RestRefused, SignallingRefused
from lab.classroom.lesson import Lesson
from lab.classroom.messages import Signal
from lab.classroom.signalling import Code
from lab.session import Lab

CHAT = "signal:chat"
#: How long a signal may take (s).
ARRIVES_S = 3.0


@pytest.mark.criterion("SAAS-75")
def test_a_signal_reaches_everybody(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher, students = lesson.teacher(), [lesson.student(), lesson.student()]
        teacher.signal(CHAT, "good morning")
        with evidence.judge("a signal to all reaches everybody, its sender too, with its sender"):
            for whom in (teacher, *students):
                got = whom.expect(Signal, timeout=ARRIVES_S)
                assert got == Signal("good morning", teacher.connection_id, CHAT)


@pytest.mark.criterion("SAAS-76")
def test_a_signal_to_one_reaches_that_one(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher, asked, other = lesson.teacher(), lesson.student(), lesson.student()
        with evidence.judge("a signal to one reaches that one, and nobody else"):
            teacher.signal(CHAT, "your turn", to=[asked.connection_id])
            teacher.signal(CHAT, "for all of you")
            assert asked.expect(Signal, timeout=ARRIVES_S).data == "your turn"
            for whom in (other, teacher):
                first = whom.expect(Signal, timeout=ARRIVES_S)
                assert first.data == "for all of you"


@pytest.mark.criterion("SAAS-77")
def test_a_signal_by_rest_has_no_sender(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        student, other = lesson.student(), lesson.student()
        lesson.api.signal(lesson.session, "break", "ten minutes", to=[student.connection_id])
        lesson.api.signal(lesson.session, "bell", "school is over")
        with evidence.judge("a signal by REST arrives as it was sent, and from nobody"):
            assert student.expect(Signal, timeout=ARRIVES_S) == Signal("ten minutes", None, "break")
            assert other.expect(Signal, timeout=ARRIVES_S) == Signal("school is over", None, "bell")


@pytest.mark.criterion("SAAS-78")
def test_a_signal_to_nobody_is_refused(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher = lesson.teacher()
        to = [teacher.connection_id, "con_nobody123"]
        with evidence.judge("a signal to somebody who is not there is refused"):
            with pytest.raises(SignallingRefused) as by_socket:
                teacher.signal(CHAT, to=to)
            assert by_socket.value.code == Code.SIGNAL_RECEIVER
            with pytest.raises(RestRefused) as by_rest:
                lesson.api.signal(lesson.session, CHAT, to=to)
            assert by_rest.value.status == 406
