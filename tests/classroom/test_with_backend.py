"""The clients against the embedded backend, which runs as a process of its own."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.classroom.attendee import ClassroomLoop
from lab.classroom.endpoint import handshake
from lab.classroom.errors import Disconnected, RestRefused, SignallingRefused
from lab.classroom.messages import (
    ParticipantEvicted,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantPublished,
    ParticipantUnpublished,
    Reason,
    Signal,
)
from lab.classroom.rest import ClassroomApi
from lab.classroom.signalling import CLOSE_REASON_NO_PING
from lab.classroom.signalling_only import SilentParticipant
from lab.classroom.token import Role
from lab.errors import SystemDown, WaitTimeout
from lab.wait import wait_for
from tests.classroom.people import Class
from tests.classroom_backend.running import Backend


def test_a_student_hears_the_teachers_tone(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(523.25)
    published = student.expect(ParticipantPublished, timeout=5)
    assert [one.id for one in published.streams] == [stream]
    assert not published.streams[0].has_video
    listener = student.subscribe(stream)
    assert listener.first_frame_s is not None
    assert listener.first_frame_s < 5
    heard = student.hear(stream, 0.6)
    assert heard.packets > 15
    assert heard.lost == 0
    assert heard.sound is not None
    assert heard.sound.frequency_hz == pytest.approx(523.25, abs=3)
    teacher.mute()
    student.hear(stream, 0.3)
    muted = student.hear(stream, 0.3).sound
    assert muted is not None
    assert muted.frequency_hz is None


def test_two_students_hear_the_teacher_and_one_another(lesson: Class) -> None:
    teacher = lesson.join(Role.MODERATOR)
    first, second = lesson.join(Role.PUBLISHER), lesson.join(Role.SUBSCRIBER)
    streams = {teacher.publish_tone(400): 400, first.publish_tone(900): 900}
    for stream in streams:
        second.subscribe(stream)
    for stream, frequency in streams.items():
        sound = second.hear(stream, 0.4).sound
        assert sound is not None
        assert sound.frequency_hz == pytest.approx(frequency, abs=5)


def test_pictures_reach_a_student(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440, picture=True)
    assert student.expect(ParticipantPublished, timeout=5).streams[0].has_video
    student.subscribe(stream, video=True)
    heard = student.hear(stream, 1.5)
    assert heard.video_frames > 5
    assert heard.audio_frames > 40


def test_who_joins_and_leaves_is_announced(lesson: Class, api: ClassroomApi) -> None:
    teacher = lesson.join(Role.MODERATOR, "Ms A")
    student = lesson.join(Role.SUBSCRIBER, "B")
    assert teacher.expect(ParticipantJoined, timeout=5).id == student.connection_id
    assert [other.metadata for other in student.others.values()] == ["Ms A"]
    there = api.session(lesson.session).connections.content
    assert {one.connection_id for one in there} == {teacher.connection_id, student.connection_id}
    student.leave()
    left = teacher.expect(ParticipantLeft, timeout=5)
    assert (left.connection_id, left.reason) == (student.connection_id, "disconnect")
    assert teacher.others == {}


def test_unpublishing_and_publishing_again(lesson: Class) -> None:
    teacher, student = lesson.join(Role.PUBLISHER), lesson.join(Role.SUBSCRIBER)
    first = teacher.publish_tone(440)
    student.subscribe(first)
    teacher.unpublish()
    gone = student.expect(ParticipantUnpublished, timeout=5)
    assert (gone.connection_id, gone.reason) == (teacher.connection_id, "unpublish")
    second = teacher.publish_tone(660)
    assert second != first
    student.unsubscribe(first)
    student.subscribe(second)
    sound = student.hear(second, 0.4).sound
    assert sound is not None
    assert sound.frequency_hz == pytest.approx(660, abs=5)


def test_silence_instead_of_sound_is_noticed(lesson: Class, inject: Callable[[str], None]) -> None:
    inject("classroom.media-silence")
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone()
    student.subscribe(stream)
    heard = student.hear(stream, 0.5)
    assert heard.packets > 10
    assert heard.sound is not None
    assert heard.sound.frequency_hz is None


def test_packets_that_are_dropped_are_missed(lesson: Class, inject: Callable[[str], None]) -> None:
    inject("classroom.media-blackhole")
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone()
    student.subscribe(stream, first_frame=False)
    heard = student.hear(stream, 0.5)
    assert (heard.packets, heard.audio_frames, heard.sound) == (0, 0, None)


def test_a_used_token_is_refused(lesson: Class, api: ClassroomApi, backend: Backend) -> None:
    with ClassroomLoop() as loop:
        token = api.create_token(lesson.session, Role.PUBLISHER)
        loop.join(backend.url, token, ca=backend.ca)
        with pytest.raises(SignallingRefused) as refused:
            loop.join(backend.url, token, ca=backend.ca)
    assert refused.value.code == 401
    assert "tok_" not in str(refused.value)


def test_roles_are_kept(lesson: Class) -> None:
    student, other = lesson.join(Role.SUBSCRIBER), lesson.join(Role.PUBLISHER)
    with pytest.raises(SignallingRefused, match="code 401"):
        student.publish_tone()
    with pytest.raises(SignallingRefused, match="code 401"):
        other.force_disconnect(student.connection_id)


def test_subscribing_to_what_is_not_there(lesson: Class) -> None:
    student = lesson.join(Role.SUBSCRIBER)
    with pytest.raises(SignallingRefused, match="code 102"):
        student.subscribe("str_CAM_AAAA_con_NOPE000000")


def test_the_moderator_evicts(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.PUBLISHER)
    stream = student.publish_tone()
    teacher.force_unpublish(stream)
    assert teacher.expect(ParticipantUnpublished, timeout=5).reason == "forceUnpublishByUser"
    teacher.force_disconnect(student.connection_id)
    evicted = student.expect(ParticipantEvicted, timeout=5)
    assert (evicted.connection_id, evicted.reason) == (
        student.connection_id,
        "forceDisconnectByUser",
    )
    end = student.ended()
    assert isinstance(end, Disconnected)
    assert end.code == 1000


def test_what_was_told_is_kept_in_its_order(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    teacher.force_disconnect(student.connection_id)
    reason = teacher.told_of(ParticipantEvicted, student.connection_id)
    assert reason == Reason.FORCE_DISCONNECT_BY_USER
    assert [type(one) for one in teacher.history()] == [
        ParticipantJoined,
        ParticipantLeft,
        ParticipantEvicted,
    ]
    with pytest.raises(WaitTimeout, match="no ParticipantLeft within"):
        teacher.told_of(ParticipantLeft, teacher.connection_id, timeout=0.1)


def test_signals_by_participants_and_by_rest(lesson: Class, api: ClassroomApi) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    teacher.signal("signal:chat", "grüß Gott", to=[student.connection_id])
    chat = student.expect(Signal, timeout=5, where=lambda one: one.type == "signal:chat")
    assert (chat.data, chat.sender) == ("grüß Gott", teacher.connection_id)
    api.signal(lesson.session, "signal:bell", "5 minutes")
    for attendee in (teacher, student):
        bell = attendee.expect(Signal, timeout=5, where=lambda one: one.type == "signal:bell")
        assert bell.sender is None
    with pytest.raises(WaitTimeout, match="last seen: Signal"):
        teacher.expect(Signal, timeout=0.2, where=lambda one: one.type == "signal:chat")


def test_rest_ends_stream_connection_and_session(lesson: Class, api: ClassroomApi) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.PUBLISHER)
    stream = student.publish_tone()
    api.unpublish(lesson.session, stream)
    assert teacher.expect(ParticipantUnpublished, timeout=5).reason == "forceUnpublishByServer"
    api.disconnect(lesson.session, student.connection_id)
    assert student.expect(ParticipantEvicted, timeout=5).reason == "forceDisconnectByServer"
    api.close_session(lesson.session)
    assert teacher.expect(
        ParticipantEvicted, timeout=5, where=lambda one: one.connection_id == teacher.connection_id
    )
    with pytest.raises(RestRefused) as gone:
        api.session(lesson.session)
    assert gone.value.status == 404


def test_a_silent_participant_is_one_among_others(
    lesson: Class, api: ClassroomApi, backend: Backend
) -> None:
    teacher = lesson.join(Role.MODERATOR)
    token = api.create_token(lesson.session, Role.SUBSCRIBER)
    with SilentParticipant.join(backend.url, token, ca=backend.ca, metadata="load") as silent:
        assert teacher.expect(ParticipantJoined, timeout=5).metadata == "load"
        assert silent.others == 1
        assert silent.signal("signal:here") < 5
        assert teacher.expect(Signal, timeout=5).sender == silent.connection_id
        silent.leave()
    assert teacher.expect(ParticipantLeft, timeout=5).connection_id == silent.connection_id


def test_a_silent_participant_falls_silent(
    lesson: Class, api: ClassroomApi, backend: Backend
) -> None:
    token = api.create_token(lesson.session, Role.SUBSCRIBER)
    with SilentParticipant.join(backend.url, token, ca=backend.ca, ping_interval_ms=200) as silent:
        with pytest.raises(WaitTimeout, match="did not close"):
            silent.until_closed(0.1)
        closed = silent.until_closed(3)
    assert (closed.code, closed.reason) == (1000, CLOSE_REASON_NO_PING)


def test_the_handshake_tells_what_refuses_it(backend: Backend) -> None:
    assert handshake(backend.url, ca=backend.ca) == 101
    wrong = ("OPENVIDUAPP", "not the secret")
    assert handshake(backend.url, ca=backend.ca, credentials=wrong) == 401
    with pytest.raises(SystemDown, match="cannot be reached"):
        handshake("https://127.0.0.1:1", ca=backend.ca)


def test_nothing_is_left_open(lesson: Class, loop: ClassroomLoop) -> None:
    gc.collect()  # what an earlier test has left to the collector is not to be counted
    before = _open()
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    student.subscribe(teacher.publish_tone())
    assert _open() > before
    for attendee in (teacher, student):
        attendee.drop()  # the loop goes on: nothing is ended by its end
    wait_for("sockets to close", lambda: _open() <= before, timeout=5)


def _open() -> int:
    """How many file descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
