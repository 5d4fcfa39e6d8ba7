"""What a teacher does with a stream, as a student hears and sees it, over the backend."""

from __future__ import annotations

import pytest

from lab.classroom.media import PICTURES_PER_SECOND
from lab.classroom.messages import ParticipantPublished, StreamPropertyChanged
from lab.classroom.token import Role
from tests.classroom.people import Class


def test_mute_is_silence_and_unmute_is_sound(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440)
    student.subscribe(stream)
    loud = student.hear(stream, 0.4).sound
    teacher.mute()
    change = student.expect(StreamPropertyChanged)
    assert (change.stream_id, change.property, change.new_value, change.reason) == (
        stream,
        "audioActive",
        "false",
        "publishAudio",
    )
    student.hear(stream, 0.3)  # what was on its way
    silent = student.hear(stream, 0.4)
    teacher.mute(False)
    assert student.expect(StreamPropertyChanged, where=lambda one: one.new_value == "true")
    student.hear(stream, 0.3)
    again = student.hear(stream, 0.4).sound
    assert silent.packets > 10
    assert loud is not None
    assert silent.sound is not None
    assert again is not None
    assert silent.sound.energy < loud.energy / 1000
    assert again.energy > loud.energy / 2


def test_a_hidden_picture_is_black_and_comes_back(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440, picture=True, size=(480, 360))
    student.subscribe(stream, video=True)
    student.hear(stream, 0.3)
    shown = student.hear(stream, 1.0).picture
    teacher.hide()
    assert student.expect(StreamPropertyChanged).property == "videoActive"
    student.hear(stream, 0.5)
    black = student.hear(stream, 0.5).picture
    teacher.hide(False)
    student.hear(stream, 0.5)
    again = student.hear(stream, 0.5).picture
    assert shown is not None
    assert black is not None
    assert again is not None
    assert (shown.width, shown.height) == (480, 360)
    assert shown.rate == pytest.approx(PICTURES_PER_SECOND, rel=0.2)
    assert black.brightness < 0.1
    assert min(shown.brightness, again.brightness) > 0.3


def test_a_screen_is_announced_as_one(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440, screen=True)
    (announced,) = student.expect(ParticipantPublished).streams
    assert announced.id == stream
    assert announced.type_of_video == "SCREEN"
    assert stream.startswith("str_SCR_")


def test_a_restarted_stream_keeps_its_listeners(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440, picture=True)
    student.subscribe(stream, video=True)
    teacher.restart_publishing()
    student.hear(stream, 0.5)
    heard = student.hear(stream, 0.5)
    assert heard.sound is not None
    assert heard.sound.frequency_hz == pytest.approx(440, abs=5)
    assert heard.video_frames > 3
