"""What becomes of a lesson, and of the classroom, when its backend is started anew."""

import time

import pytest

from blueprints.evidence import Evidence
from lab.classroom.lesson import Lesson
from lab.classroom.recipe import backend_down
from lab.session import Lab
from lab.wait import wait_for

#: Longer than the limit, so that a late return is told with its time (s).
PATIENCE_S = 10.0


def _a_lesson_is_held(lab: Lab) -> bool:
    with Lesson(lab) as lesson:
        return lesson.student().connection_id in {
            connection.connection_id
            for connection in lesson.api.session(lesson.session).connections.content
        }


@pytest.mark.criterion("SAAS-82")
def test_lessons_are_held_again_after_a_restart(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        everybody = [lesson.teacher(), lesson.student()]
        with backend_down(lab):
            pass
        since = time.monotonic()
        limit = evidence.limit("back_after")
        patience = PATIENCE_S + (limit.value / 1000 if limit else 0)
        with evidence.judge("a restart ends every lesson openly, and lessons are held again"):
            for someone in everybody:
                someone.ended()
            wait_for("a lesson", lambda: _a_lesson_is_held(lab), timeout=patience)
            after_ms = (time.monotonic() - since) * 1000
            evidence.check(evidence.measure("back_after", after_ms, "ms", samples=1))
