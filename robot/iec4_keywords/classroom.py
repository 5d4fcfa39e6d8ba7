"""Keywords for the virtual classroom: teacher and student, by what they see and hear."""

from __future__ import annotations

from robot.api.deco import keyword

from iec4_keywords.running import CriterionLibrary, evidence, lab
from lab.classroom.attendee import Attendee
from lab.classroom.lesson import Lesson
from lab.classroom.messages import ParticipantJoined, ParticipantLeft


class Classroom(CriterionLibrary):
    """A lesson a test: opened by its first keyword, closed when the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self._lesson: Lesson | None = None
        self._present: dict[str, Attendee] = {}

    def close_test(self) -> None:
        if self._lesson is not None:
            self._lesson.close()
        self._lesson = None
        self._present.clear()

    @keyword
    def the_teacher_opens_a_classroom(self) -> None:
        """A new session, which the teacher joins as its moderator."""
        self._lesson = Lesson(lab())
        self._present["teacher"] = self._lesson.teacher()

    @keyword
    def the_student_joins(self) -> None:
        """The student joins the teacher's classroom."""
        assert self._lesson is not None, "open a classroom first"
        self._present["student"] = self._lesson.student()

    @keyword
    def teacher_and_student_see_each_other(self) -> None:
        """Judged: each learns of the other, the teacher by an announcement."""
        teacher, student = self._present["teacher"], self._present["student"]
        with evidence().judge("teacher and student learn of each other"):
            if teacher.connection_id not in student.others:
                raise AssertionError("the student does not see the teacher")
            teacher.expect(
                ParticipantJoined, timeout=3, where=lambda who: who.id == student.connection_id
            )

    @keyword
    def the_teacher_speaks(self, tone_hz: float = 440) -> None:
        """The teacher publishes a tone."""
        self._stream = self._present["teacher"].publish_tone(tone_hz)
        self._tone_hz = tone_hz

    @keyword
    def the_student_hears_the_teacher(self, seconds: float = 1.0) -> None:
        """Judged: the student hears the teacher's tone, not silence and not another one."""
        student = self._present["student"]
        with evidence().judge("the student hears the teacher"):
            student.subscribe(self._stream)
            sound = student.hear(self._stream, seconds).sound
            if sound is None or sound.frequency_hz is None:
                raise AssertionError("the student can hear nothing")
            evidence().measure("level", sound.level_db, "dB")
            evidence().measure("tone", sound.frequency_hz, "Hz")
            if abs(sound.frequency_hz - self._tone_hz) > 20:
                raise AssertionError(
                    f"the student can hear {sound.frequency_hz:.0f} Hz, not {self._tone_hz} Hz"
                )

    @keyword
    def the_student_leaves(self) -> None:
        """The student leaves as a client does."""
        self._present["student"].leave()

    @keyword
    def the_teacher_learns_that_the_student_left(self) -> None:
        """Judged: the announcement names the student."""
        gone = self._present["student"].connection_id
        with evidence().judge("the teacher learns that the student left"):
            self._present["teacher"].expect(
                ParticipantLeft, timeout=3, where=lambda left: left.connection_id == gone
            )
