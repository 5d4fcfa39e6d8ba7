"""Recordings: they can be played, are as long as the lesson, and are not made for anybody."""

import io
import time
import zipfile
from collections.abc import Iterator

import av
import pytest

from blueprints.evidence import Evidence
from lab.classroom.errors import RestRefused
from lab.classroom.lesson import Lesson
from lab.classroom.messages import Reason, RecordingStarted, RecordingStopped
from lab.classroom.probe import SYSTEM
from lab.classroom.resources import OutputMode, Recording, RecordingProperties, RecordingStatus
from lab.classroom.rest import ClassroomApi
from lab.session import Lab
from lab.wait import wait_for

#: How long a lesson is recorded (s).
RECORDED_S = 1.5
#: How long the server may take to finish a recording's file (s).
FINISHED_S = 20.0
#: One file for each stream: what the media server writes, not what a browser made of it.
INDIVIDUAL = RecordingProperties(output_mode=OutputMode.INDIVIDUAL)


@pytest.fixture
def lesson(lab: Lab) -> Iterator[Lesson]:
    """A lesson on a classroom that records; SKIP where it does not."""
    with Lesson(lab) as lesson:
        if not lesson.api.config().recording:
            pytest.skip("capability missing: the classroom's recording is off")
        yield lesson


def recorded(lesson: Lesson, *, picture: bool) -> tuple[Recording, str, float]:
    """Record a stream; return the recording, the stream and how long it was recorded (s)."""
    teacher, student = lesson.teacher(), lesson.student()
    stream = teacher.publish_tone(picture=picture)
    student.subscribe(stream, video=picture)
    started = lesson.api.start_recording(lesson.session, INDIVIDUAL)
    began = time.monotonic()
    student.hear(stream, RECORDED_S)
    seconds = time.monotonic() - began
    lesson.api.stop_recording(started.id)
    return finished(lesson.api, started.id), stream, seconds


def finished(api: ClassroomApi, recording: str) -> Recording:
    def over() -> Recording | None:
        found = api.recording(recording)
        return found if found.status in (RecordingStatus.READY, RecordingStatus.FAILED) else None

    return wait_for("the recording is finished", over, timeout=FINISHED_S)


@pytest.mark.criterion("SAAS-58")
def test_a_recording_is_as_long_as_the_lesson(lesson: Lesson, evidence: Evidence) -> None:
    with evidence.judge("the recording of a stream can be played, from its beginning to its end"):
        recording, stream, seconds = recorded(lesson, picture=True)
        assert recording.status == RecordingStatus.READY
        archive = zipfile.ZipFile(io.BytesIO(lesson.api.download(recording)))
        played = {}
        with av.open(io.BytesIO(archive.read(f"{stream}.webm"))) as file:
            for frame in file.decode():
                played[type(frame).__name__] = frame.time or 0.0
        assert set(played) == {"AudioFrame", "VideoFrame"}, f"there is only {', '.join(played)}"
        evidence.measure("recorded", seconds, "s", samples=1)
        missing = seconds - min(played.values())
        evidence.check(evidence.measure("missing", missing, "s", samples=1))
    lesson.api.delete_recording(recording.id)


@pytest.mark.criterion("SAAS-59")
def test_what_cannot_be_recorded_is_refused(lesson: Lesson, evidence: Evidence) -> None:
    with evidence.judge("an empty classroom, and one that does not exist, are not recorded"):
        for session, status in ((lesson.session, 406), ("no-such-session", 404)):
            with pytest.raises(RestRefused) as refused:
                lesson.api.start_recording(session)
            assert refused.value.status == status


@pytest.mark.criterion("SAAS-13")
def test_a_recording_needs_the_secret(lab: Lab, lesson: Lesson, evidence: Evidence) -> None:
    recording, _, _ = recorded(lesson, picture=False)
    stranger = ClassroomApi(lesson.api.url, None, ca=lab.ca(SYSTEM))
    with stranger, evidence.judge("a recording is given to nobody without the secret"):
        with pytest.raises(RestRefused) as refused:
            stranger.download(recording)
        assert refused.value.status == 401
    lesson.api.delete_recording(recording.id)


@pytest.mark.criterion("SAAS-87")
def test_a_recording_is_announced(lesson: Lesson, evidence: Evidence) -> None:
    teacher = lesson.teacher()
    teacher.publish_tone()
    with evidence.judge("a recording's beginning and end are announced in the classroom"):
        started = lesson.api.start_recording(lesson.session, INDIVIDUAL)
        assert teacher.expect(RecordingStarted).id == started.id
        lesson.api.stop_recording(started.id)
        stopped = teacher.expect(RecordingStopped)
        assert (stopped.id, stopped.reason) == (started.id, Reason.RECORDING_STOPPED_BY_SERVER)
    finished(lesson.api, started.id)
    lesson.api.delete_recording(started.id)


@pytest.mark.criterion("SAAS-88")
def test_a_deleted_recording_is_gone(lesson: Lesson, evidence: Evidence) -> None:
    teacher = lesson.teacher()
    teacher.publish_tone()
    recording = lesson.api.start_recording(lesson.session, INDIVIDUAL).id
    teacher.expect(RecordingStarted)
    lesson.api.stop_recording(recording)
    finished(lesson.api, recording)
    with evidence.judge("a recording is listed until it is deleted, and then gone"):
        assert recording in [one.id for one in lesson.api.recordings()]
        lesson.api.delete_recording(recording)
        with pytest.raises(RestRefused) as gone:
            lesson.api.recording(recording)
        assert gone.value.status == 404
        assert recording not in [one.id for one in lesson.api.recordings()]
