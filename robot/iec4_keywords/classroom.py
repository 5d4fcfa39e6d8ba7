"""Keywords for the virtual classroom: teacher and student, by what they see and hear."""

from __future__ import annotations

import time

from robot.api.deco import keyword

from iec4_keywords.running import CriterionLibrary, evidence, lab
from lab.classroom.attendee import Attendee
from lab.classroom.lesson import Lesson
from lab.classroom.messages import ParticipantJoined, ParticipantLeft, Signal
from lab.classroom.token import Role

#: How long the first picture may take (s); how soon it must come is a criterion of its own.
PICTURE_S = 5.0


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
        self._open_session()
        self._join("teacher", Role.MODERATOR)

    @keyword
    def the_student_joins(self) -> None:
        """The student joins the teacher's classroom."""
        self._join("student", Role.SUBSCRIBER)

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
        with evidence().judge("the student hears the teacher"):
            student = self._present["student"]
            _hears("the student", student, self._stream, self._tone_hz, seconds)

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

    # -- sports live ----------------------------------------------------------------------

    @keyword
    def a_reporter_films_a_match(self) -> None:
        """A new session, in which a reporter publishes picture and sound."""
        self._open_session()
        self._stream = self._join("reporter", Role.PUBLISHER).publish_tone(picture=True)

    @keyword("${count:\\d+} spectators join")
    def spectators_join(self, count: int) -> None:
        """So many who may only watch."""
        for number in range(1, count + 1):
            self._join(f"spectator {number}", Role.SUBSCRIBER)

    @keyword
    def every_spectator_sees_it(self) -> None:
        """Judged: each spectator's client decodes the reporter's pictures."""
        with evidence().judge("every spectator sees what the camera films"):
            for name, spectator in self._present.items():
                if name.startswith("spectator"):
                    _sees(spectator, self._stream)

    # -- operation guidance ---------------------------------------------------------------

    @keyword
    def a_worker_films_the_work(self) -> None:
        """A new session, in which a worker publishes picture and sound."""
        self._open_session()
        self._stream = self._join("worker", Role.PUBLISHER).publish_tone(picture=True)

    @keyword
    def an_expert_joins(self) -> None:
        """Somebody who may moderate."""
        self._join("expert", Role.MODERATOR)

    @keyword
    def the_expert_sees_the_work(self) -> None:
        """Judged: the expert's client decodes the worker's pictures."""
        with evidence().judge("the expert sees what the worker films"):
            _sees(self._present["expert"], self._stream)

    @keyword
    def a_hint_reaches_the_worker_at_once(self) -> None:
        """Judged: a signal to the worker comes, from the expert, within ``hint_delay``."""
        expert, worker = self._present["expert"], self._present["worker"]
        with evidence().judge("the expert's hint reaches the worker at once"):
            began = time.monotonic()
            expert.signal("signal:hint", "turn the valve", to=[worker.connection_id])
            hint = worker.expect(Signal, timeout=3)
            delay_ms = (time.monotonic() - began) * 1000
            if (hint.data, hint.sender) != ("turn the valve", expert.connection_id):
                raise AssertionError(f"the worker got {hint}")
            evidence().check(evidence().measure("hint_delay", delay_ms, "ms", samples=1))

    # -- gaming ---------------------------------------------------------------------------

    @keyword
    def two_players_talk(self) -> None:
        """A new session, in which two players publish sound, each a tone of its own."""
        self._open_session()
        self._tones = {
            name: (tone_hz, self._join(name, Role.PUBLISHER).publish_tone(tone_hz))
            for name, tone_hz in (("first player", 440.0), ("second player", 660.0))
        }

    @keyword
    def each_player_hears_the_other(self, seconds: float = 0.5) -> None:
        """Judged: each hears the other's tone while it publishes its own."""
        first, second = self._tones
        with evidence().judge("two players hear each other at the same time"):
            for listening, speaking in ((first, second), (second, first)):
                tone_hz, stream = self._tones[speaking]
                _hears(listening, self._present[listening], stream, tone_hz, seconds)

    def _open_session(self) -> None:
        self._lesson = Lesson(lab())

    def _join(self, name: str, role: Role) -> Attendee:
        assert self._lesson is not None, "open a classroom first"
        joined = self._present[name] = self._lesson.join(name, role)
        return joined


def _hears(name: str, whom: Attendee, stream: str, tone_hz: float, seconds: float) -> None:
    """Somebody hears a stream's tone, not silence and not another one."""
    whom.subscribe(stream)
    sound = whom.hear(stream, seconds).sound
    if sound is None or sound.frequency_hz is None:
        raise AssertionError(f"{name} can hear nothing")
    evidence().measure("level", sound.level_db, "dB")
    evidence().measure("tone", sound.frequency_hz, "Hz")
    if abs(sound.frequency_hz - tone_hz) > 20:
        raise AssertionError(f"{name} can hear {sound.frequency_hz:.0f} Hz, not {tone_hz} Hz")


def _sees(whom: Attendee, stream: str) -> None:
    """Somebody's client decodes a stream's pictures."""
    whom.subscribe(stream, audio=False, video=True, timeout=PICTURE_S)
