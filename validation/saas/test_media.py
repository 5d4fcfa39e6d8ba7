"""What the teacher publishes reaches the student."""

import pytest

from blueprints.evidence import Evidence
from lab.classroom.lesson import Lesson
from lab.session import Lab

#: Audio is sent in 50 packets a second; one second must bring most of them.
WINDOW_S = 1.0


@pytest.mark.criterion("SAAS-07")
def test_media_flows_to_the_student(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher, student = lesson.teacher(), lesson.student()
        stream = teacher.publish_tone()
        with evidence.judge("media flows"):
            student.subscribe(stream, first_frame=False)
            heard = student.hear(stream, WINDOW_S)
            packets = evidence.measure("audio_packets", heard.packets, "packets", samples=1)
            evidence.measure("audio_lost", heard.lost, "packets", samples=1)
            evidence.check(packets)
