"""Each fault of streams spoils what it names, as our own client notices it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.classroom.attendee import Attendee, ClassroomLoop
from lab.classroom.messages import ParticipantLeft, ParticipantUnpublished, StreamPropertyChanged
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from lab.errors import WaitTimeout
from tests.classroom.people import Class
from tests.classroom_backend.running import Backend

Inject = Callable[[str], None]


def tone(listener: Attendee, stream: str) -> float | None:
    """The frequency that is heard in Hz; None for silence."""
    listener.hear(stream, 0.3)
    sound = listener.hear(stream, 0.4).sound
    return sound and sound.frequency_hz


def test_the_picture_is_lost_and_the_sound_is_not(lesson: Class, inject: Inject) -> None:
    inject("classroom.picture-lost")
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440, picture=True)
    student.subscribe(stream, video=True)
    heard = student.hear(stream, 0.6)
    assert (heard.video_frames, heard.picture) == (0, None)
    assert heard.audio_frames > 15


def test_without_key_frames_nothing_is_seen(lesson: Class, inject: Inject) -> None:
    inject("classroom.keyframes-withheld")
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440, picture=True)
    student.subscribe(stream, audio=False, video=True, first_frame=False)
    heard = student.hear(stream, 0.8)
    assert heard.packets > 5
    assert heard.video_frames == 0


def test_who_was_muted_stays_so(lesson: Class, inject: Inject) -> None:
    inject("classroom.unmute-lost")
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440)
    student.subscribe(stream)
    assert tone(student, stream) is not None
    teacher.mute()
    student.hear(stream, 0.2)
    teacher.mute(False)
    assert tone(student, stream) is None


def test_changes_go_untold(lesson: Class, inject: Inject) -> None:
    inject("classroom.change-untold")
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    teacher.publish_tone(440)
    teacher.mute()
    with pytest.raises(WaitTimeout):
        student.expect(StreamPropertyChanged, timeout=0.1)


def test_a_restart_loses_who_listens(lesson: Class, inject: Inject) -> None:
    inject("classroom.restart-lost")
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440)
    student.subscribe(stream)
    teacher.restart_publishing()
    student.hear(stream, 0.3)
    assert student.hear(stream, 0.3).packets == 0


def test_another_classroom_is_heard(
    lesson: Class, inject: Inject, backend: Backend, api: ClassroomApi, loop: ClassroomLoop
) -> None:
    for session in api.sessions():
        if session.id != lesson.session:
            api.close_session(session.id)
    other = Class(backend, api, loop, api.create_session().id)
    other.join(Role.PUBLISHER).publish_tone(900)
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440)
    inject("classroom.rooms-mixed")
    student.subscribe(stream)
    assert tone(student, stream) == pytest.approx(900, abs=5)


@pytest.mark.parametrize(
    "fault", ["classroom.unpublish-leaks", "classroom.unsubscribe-leaks", None]
)
def test_what_was_ended_flows_on(lesson: Class, inject: Inject, fault: str | None) -> None:
    if fault:
        inject(fault)
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = lesson.join(Role.PUBLISHER).publish_tone(440)
    student.subscribe(stream)
    if fault == "classroom.unsubscribe-leaks":
        student.unsubscribe(stream, listen_on=True)
    else:
        teacher.force_unpublish(stream)
        assert student.expect(ParticipantUnpublished).reason == "forceUnpublishByUser"
    student.hear(stream, 0.2)
    flows_on = student.hear(stream, 0.3).packets > 0
    assert flows_on is (fault is not None)


def test_the_lost_stay(lesson: Class, inject: Inject, api: ClassroomApi) -> None:
    inject("classroom.lost-stay")
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    student.cut()
    with pytest.raises(WaitTimeout):
        teacher.expect(ParticipantLeft, timeout=1.3)  # it would be told after 1 s
    assert api.session(lesson.session).connections.number_of_elements == 2
    api.close_session(lesson.session)
