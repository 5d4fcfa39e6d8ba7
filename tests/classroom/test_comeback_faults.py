"""The faults that the browser's criteria are proven by, as our own client notices them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.classroom.errors import NotReconnected
from lab.classroom.messages import ParticipantPublished
from lab.classroom.token import Role
from lab.errors import WaitTimeout
from tests.classroom.people import Class

Inject = Callable[[str], None]


def test_who_is_muted_stays_loud(lesson: Class, inject: Inject) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440)
    student.subscribe(stream)
    inject("classroom.media-loud")
    student.hear(stream, 0.3)
    teacher.mute()
    student.hear(stream, 0.3)  # what was under way
    assert student.hear(stream, 0.4).sound is not None


def test_a_second_stream_is_not_announced(lesson: Class, inject: Inject) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    inject("classroom.restart-unannounced")
    teacher.publish_tone(440)
    student.expect(ParticipantPublished)
    teacher.unpublish()
    again = teacher.publish_tone(440)
    with pytest.raises(WaitTimeout):
        student.expect(
            ParticipantPublished, timeout=0.2, where=lambda event: event.streams[0].id == again
        )


def test_a_screen_is_taken_for_a_camera(lesson: Class, inject: Inject) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    inject("classroom.screen-unnamed")
    teacher.publish_tone(screen=True)
    assert student.expect(ParticipantPublished).streams[0].type_of_video == "CAMERA"


def test_nobody_comes_back(lesson: Class, inject: Inject) -> None:
    student = lesson.join(Role.SUBSCRIBER, reconnects=True)
    inject("classroom.reconnect-refused")
    student.cut()
    assert isinstance(student.ended(), NotReconnected)
