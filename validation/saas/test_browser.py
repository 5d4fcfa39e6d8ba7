"""What a person sees: teacher and student in a real browser, with OpenVidu's own client."""

import pytest

from blueprints.evidence import Evidence
from lab.classroom.browser import Browser
from lab.classroom.lesson import Lesson
from lab.classroom.probe import SYSTEM
from lab.classroom.token import Role
from lab.session import Lab

#: How long a picture is waited for, in seconds: longer than the limit, so that a late first frame
#: is told with its time.
PATIENCE_S = 5.0


@pytest.mark.criterion("SAAS-30")
def test_the_student_sees_the_teacher(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson, Browser.start(lesson.api.url, ca=lab.ca(SYSTEM)) as browser:
        teacher = browser.join("teacher", lesson.token(Role.PUBLISHER))
        stream = teacher.publish()
        student = browser.join("student", lesson.token(Role.SUBSCRIBER))
        with evidence.judge("the teacher's first frame is on the student's screen in time"):
            seen = student.sees(stream, timeout=PATIENCE_S)
            assert seen.after_stream_ms is not None
            first = evidence.measure("first_frame", seen.after_stream_ms, "ms", samples=1)
            evidence.check(first)
            assert (seen.width, seen.height) == (320, 240)
