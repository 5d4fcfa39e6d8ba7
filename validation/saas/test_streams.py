"""What teacher and students do with streams: mute, watch, restart, share, lose, come back."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from blueprints.evidence import Evidence
from lab.classroom.attendee import Attendee
from lab.classroom.conversation import Reconnected
from lab.classroom.errors import SignallingRefused
from lab.classroom.lesson import Lesson
from lab.classroom.media import SILENCE_DB
from lab.classroom.messages import (
    ParticipantLeft,
    ParticipantPublished,
    Reason,
    StreamPropertyChanged,
)
from lab.classroom.signalling import Code
from lab.classroom.token import Role
from lab.errors import LabError
from lab.session import Lab

#: What the teacher of the shared lesson says, and others (Hz).
TONE, OTHER_TONE = 440.0, 660.0
SIZE = (320, 240)
#: What was sent before a change lies in buffers for a while; then it is listened for so long (s).
SETTLE_S, LISTEN_S = 0.3, 0.5
#: How long pictures are counted (s).
WATCH_S = 1.5
#: How long something is waited for that must be there at once, and a lost participant's end (s).
PATIENCE_S, LONG_PATIENCE_S = 4.0, 14.0


@dataclass
class Taught:
    """A lesson in which the teacher speaks and shows a picture, and a student receives both."""

    lesson: Lesson
    teacher: Attendee
    student: Attendee
    stream: str

    def listening(self, stream: str) -> Attendee:
        """Another student, who hears ``stream``."""
        student = self.lesson.student()
        student.subscribe(stream, timeout=PATIENCE_S)
        return student


@pytest.fixture(scope="module")
def taught(lab: Lab) -> Iterator[Taught]:
    with Lesson(lab) as lesson:
        teacher, student = lesson.teacher(), lesson.student()
        stream = teacher.publish_tone(TONE, picture=True, size=SIZE)
        student.subscribe(stream, video=True)
        yield Taught(lesson, teacher, student, stream)


@pytest.fixture
def assistant(taught: Taught) -> Iterator[Attendee]:
    """Somebody else who may publish, with whom a test may do anything."""
    joined = taught.lesson.join("assistant", Role.PUBLISHER, reconnects=True)
    yield joined
    with suppress(LabError):  # it may have gone already
        joined.leave()


def level_of(listener: Attendee, stream: str) -> float:
    """How loud a stream is now, in dB of full scale."""
    listener.hear(stream, SETTLE_S)
    sound = listener.hear(stream, LISTEN_S).sound
    return SILENCE_DB if sound is None else sound.level_db


def assert_hears(listener: Attendee, stream: str, tone_hz: float) -> None:
    listener.hear(stream, SETTLE_S)
    sound = listener.hear(stream, LISTEN_S).sound
    assert sound is not None, "nothing can be heard"
    assert sound.frequency_hz is not None, "silence can be heard"
    assert abs(sound.frequency_hz - tone_hz) < 20, f"{sound.frequency_hz:.0f} Hz can be heard"


@pytest.mark.criterion("SAAS-50")
def test_mute_is_silence(taught: Taught, evidence: Evidence) -> None:
    assert_hears(taught.student, taught.stream, TONE)
    taught.teacher.mute()
    try:
        with evidence.judge("nothing is heard of a teacher who is muted"):
            level = level_of(taught.student, taught.stream)
            evidence.check(evidence.measure("muted_level", level, "dB", samples=1))
    finally:
        taught.teacher.mute(False)


@pytest.mark.criterion("SAAS-51")
def test_unmute_is_sound(taught: Taught, evidence: Evidence) -> None:
    taught.teacher.mute()
    level_of(taught.student, taught.stream)
    taught.teacher.mute(False)
    with evidence.judge("a teacher who is no longer muted is heard again"):
        level = level_of(taught.student, taught.stream)
        evidence.check(evidence.measure("unmuted_level", level, "dB", samples=1))


@pytest.mark.criterion("SAAS-52")
def test_changes_are_told(taught: Taught, evidence: Evidence) -> None:
    student = taught.lesson.student()
    try:
        taught.teacher.mute()
        taught.teacher.hide()
        with evidence.judge("students are told that the teacher's sound and picture are off"):
            for changed in ("audioActive", "videoActive"):
                told = student.expect(
                    StreamPropertyChanged,
                    timeout=PATIENCE_S,
                    where=lambda one, changed=changed: one.property == changed,
                )
                assert (told.stream_id, told.new_value) == (taught.stream, "false")
    finally:
        taught.teacher.mute(False)
        taught.teacher.hide(False)
        student.leave()


@pytest.mark.criterion("SAAS-53")
def test_the_picture_arrives_as_it_is_sent(taught: Taught, evidence: Evidence) -> None:
    with evidence.judge("the picture arrives in the size and at the rate at which it is sent"):
        seen = taught.student.hear(taught.stream, WATCH_S)
        assert seen.picture is not None, "no picture can be seen"
        rate, lost = seen.picture.rate_percent, seen.loss_percent
        evidence.check(
            evidence.measure("freezes", seen.picture.freezes, "count", samples=seen.video_frames),
            evidence.measure("picture_rate", rate, "%", samples=seen.video_frames),
            evidence.measure("packet_loss", lost, "%", samples=seen.packets + seen.lost),
        )
        assert (seen.picture.width, seen.picture.height) == SIZE


@pytest.mark.criterion("SAAS-54")
def test_a_late_student_sees_the_teacher(taught: Taught, evidence: Evidence) -> None:
    student = taught.lesson.student()
    streams = student.others[taught.teacher.connection_id].streams
    assert [stream.id for stream in streams] == [taught.stream]
    with evidence.judge("who comes late sees the teacher soon"):
        watching = student.subscribe(taught.stream, audio=False, video=True, timeout=PATIENCE_S)
        assert watching.first_frame_s is not None
        first = evidence.measure("first_frame", watching.first_frame_s * 1000, "ms", samples=1)
        evidence.check(first)
    student.leave()


@pytest.mark.criterion("SAAS-55")
def test_a_restarted_stream_is_heard_on(
    taught: Taught, assistant: Attendee, evidence: Evidence
) -> None:
    stream = assistant.publish_tone(OTHER_TONE)
    student = taught.listening(stream)
    with evidence.judge("who hears a publisher that starts anew hears it on"):
        assistant.restart_publishing()
        assert_hears(student, stream, OTHER_TONE)


@pytest.mark.criterion("SAAS-56")
def test_two_classrooms_do_not_hear_each_other(
    lab: Lab, taught: Taught, evidence: Evidence
) -> None:
    with Lesson(lab) as other:
        teacher, student = other.teacher(), other.student()
        stream = teacher.publish_tone(OTHER_TONE)
        with evidence.judge("a student hears the own teacher, and nobody of another classroom"):
            assert set(student.others) == {teacher.connection_id}
            student.subscribe(stream, timeout=PATIENCE_S)
            assert_hears(student, stream, OTHER_TONE)
            with pytest.raises(SignallingRefused) as refused:
                student.subscribe(taught.stream, first_frame=False)
            assert refused.value.code == Code.USER_NOT_FOUND


@pytest.mark.criterion("SAAS-57")
def test_a_shared_screen_is_announced_as_one(
    taught: Taught, assistant: Attendee, evidence: Evidence
) -> None:
    stream = assistant.publish_tone(screen=True)
    with evidence.judge("a screen is announced as a screen"):
        told = taught.student.expect(
            ParticipantPublished,
            timeout=PATIENCE_S,
            where=lambda one: one.id == assistant.connection_id,
        )
        assert [(one.id, one.type_of_video) for one in told.streams] == [(stream, "SCREEN")]
        assert stream.startswith("str_SCR_"), f"the stream is called {stream}"


@pytest.mark.criterion("SAAS-10")
def test_a_short_cut_keeps_the_participant(
    taught: Taught, assistant: Attendee, evidence: Evidence
) -> None:
    stream = assistant.publish_tone(OTHER_TONE)
    student = taught.listening(stream)
    with evidence.judge("who comes back in time is still in the classroom, and is heard"):
        assistant.cut()
        back = assistant.expect(Reconnected, timeout=PATIENCE_S)
        evidence.measure("came_back", back.after_s * 1000, "ms", samples=1)
        assert_hears(student, stream, OTHER_TONE)
        assert assistant.connection_id in student.others, "the others were told that it has left"


@pytest.mark.criterion("SAAS-11")
def test_a_long_cut_removes_the_participant(taught: Taught, evidence: Evidence) -> None:
    lost = taught.lesson.join("lost", Role.PUBLISHER)
    with evidence.judge("who does not come back is removed in time, for a failed network"):
        began = time.monotonic()
        lost.cut()
        told = taught.student.expect(
            ParticipantLeft,
            timeout=LONG_PATIENCE_S,
            where=lambda one: one.connection_id == lost.connection_id,
        )
        after = time.monotonic() - began
        assert told.reason == Reason.NETWORK_DISCONNECT
        evidence.check(
            evidence.measure("kept_for", after, "s", samples=1),
            evidence.measure("gone_after", after, "s", samples=1),
        )


@pytest.mark.criterion("SAAS-12")
def test_forced_unpublishing_stops_the_media(
    taught: Taught, assistant: Attendee, evidence: Evidence
) -> None:
    stream = assistant.publish_tone(OTHER_TONE)
    student = taught.listening(stream)
    with evidence.judge("no media comes of a stream that the teacher has ended"):
        taught.teacher.force_unpublish(stream)
        student.hear(stream, SETTLE_S)
        packets = student.hear(stream, LISTEN_S).packets
        evidence.check(evidence.measure("packets_after", packets, "packets", samples=1))


@pytest.mark.criterion("SAAS-14")
def test_who_unsubscribes_is_sent_no_more(taught: Taught, evidence: Evidence) -> None:
    student = taught.listening(taught.stream)
    with evidence.judge("who unsubscribes is sent no more media"):
        student.unsubscribe(taught.stream, listen_on=True)
        student.hear(taught.stream, SETTLE_S)
        packets = student.hear(taught.stream, LISTEN_S).packets
        evidence.check(evidence.measure("packets_after", packets, "packets", samples=1))
    student.leave()
