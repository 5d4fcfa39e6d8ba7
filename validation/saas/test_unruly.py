"""Who sends garbage, floods or does not listen harms nobody else."""

import json
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from blueprints.evidence import Evidence
from lab.classroom.attendee import Attendee
from lab.classroom.lesson import Lesson
from lab.classroom.messages import Signal
from lab.classroom.signalling import CLOSE_FRAME_TOO_LONG, MAX_FRAME_CHARACTERS
from lab.classroom.token import Role
from lab.session import Lab

BELL = "signal:bell"
#: How long a signal may take before it counts as lost (s).
ARRIVES_S = 10.0

GARBAGE = ("", "{", "not JSON", "null", "[]", "42", '{"id": 7}', '{"method": 7, "id": 7}')


def rings(teacher: Attendee, student: Attendee, data: str) -> float:
    """Seconds that a teacher's signal takes to the student."""
    sent = time.monotonic()
    teacher.signal(BELL, data, to=[student.connection_id])
    student.expect(Signal, where=lambda signal: signal.data == data, timeout=ARRIVES_S)
    return time.monotonic() - sent


@pytest.mark.criterion("SAAS-66")
def test_garbage_is_passed_over(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson, lesson.stranger() as stranger:
        stranger.join(lesson.token(Role.PUBLISHER))
        with evidence.judge("after texts that are no frames, the socket still serves"):
            with suppress(ConnectionClosed):
                for text in GARBAGE:
                    stranger.send(text)
            assert stranger.serves(), "garbage ended the socket"


@pytest.mark.criterion("SAAS-67")
def test_an_oversized_frame_ends_its_socket(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson, lesson.stranger() as stranger:
        teacher, student = lesson.teacher(), lesson.student()
        stranger.join(lesson.token(Role.PUBLISHER))
        with evidence.judge("a frame beyond the limit ends its socket, and that one alone"):
            signal = {"to": [], "data": "z" * MAX_FRAME_CHARACTERS, "type": BELL}
            call = stranger.core.call("sendMessage", {"message": json.dumps(signal)})
            stranger.send(call.text)
            code = stranger.close_code(ARRIVES_S / 5)
            assert code == CLOSE_FRAME_TOO_LONG, f"the oversized frame's socket: {code}"
            rings(teacher, student, "still here")


@pytest.mark.criterion("SAAS-68")
def test_a_flood_holds_nobody_up(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson, lesson.stranger() as stranger:
        teacher, student = lesson.teacher(), lesson.student()
        used = lesson.token(Role.PUBLISHER)
        stranger.join(used)
        with evidence.judge("a signal passes soon while somebody floods"):
            for _ in range(100):
                stranger.send(stranger.core.join_room(used).text)
                for _ in range(3):
                    stranger.send(
                        stranger.core.on_ice_candidate(teacher.connection_id, "", "0", 0).text
                    )
            took_ms = rings(teacher, student, "through the flood") * 1000
            evidence.check(evidence.measure("signal_delay", took_ms, "ms", samples=1))
        stranger.abort()


@pytest.mark.criterion("SAAS-69")
def test_a_slow_reader_holds_nobody_up(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson, lesson.stranger(compression=None) as stranger:
        teacher, student = lesson.teacher(), lesson.student()
        stranger.join(lesson.token(Role.SUBSCRIBER))
        page = "z" * 50_000
        with evidence.judge("signals pass while somebody does not read"):
            for _ in range(160):
                lesson.api.signal(lesson.session, BELL, page)
            took_ms = rings(teacher, student, "past the sleeper") * 1000
            evidence.check(evidence.measure("signal_delay", took_ms, "ms", samples=1))
        stranger.abort()
