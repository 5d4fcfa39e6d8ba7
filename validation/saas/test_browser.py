"""What a person sees and hears: teacher and student in a real browser, by OpenVidu's own client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

import pytest

from blueprints.evidence import Evidence
from lab.classroom.browser import Browser, BrowserParticipant, PageFailed
from lab.classroom.lesson import Lesson
from lab.classroom.probe import ENDPOINT, SYSTEM
from lab.classroom.token import Role
from lab.session import Lab
from lab.wait import wait_for

#: How long a picture is waited for, in seconds: longer than the limit, so that a late first frame
#: is told with its time.
PATIENCE_S = 5.0
#: How many audio packets (20 ms each) are listened to at once: longer than the half second between
#: two beeps of the fake microphone.
LISTENED = 30
#: Energy over so long: a beep brings 0.11, silence as Opus keeps it under 1e-8.
SOUND, SILENCE = 0.05, 1e-4


@dataclass
class Pages:
    """A lesson whose teacher and student sit in one browser, each on a page of its own."""

    lesson: Lesson
    browser: Browser

    def teacher(self) -> BrowserParticipant:
        return self.browser.join("teacher", self.lesson.token(Role.PUBLISHER))

    def student(self) -> BrowserParticipant:
        return self.browser.join("student", self.lesson.token(Role.SUBSCRIBER))

    def watching(self) -> tuple[BrowserParticipant, BrowserParticipant, str]:
        """Teacher, student, and the stream that the one publishes and the other shows."""
        teacher = self.teacher()
        stream = teacher.publish()
        student = self.student()
        student.sees(stream, timeout=PATIENCE_S)
        return teacher, student, stream


@pytest.fixture(scope="module")
def browser(lab: Lab) -> Iterator[Callable[[], Browser]]:
    """Starts the module's browser when it is called first: after it is known that there is one."""
    with ExitStack() as owned:
        start = Browser.start(lab.url(SYSTEM, ENDPOINT), ca=lab.ca(SYSTEM))
        yield cache(lambda: owned.enter_context(start))


@pytest.fixture
def pages(lab: Lab, browser: Callable[[], Browser]) -> Iterator[Pages]:
    with Lesson(lab) as lesson:
        yield Pages(lesson, browser())
        browser().close_pages()


@pytest.mark.criterion("SAAS-30")
def test_the_student_sees_the_teacher(pages: Pages, evidence: Evidence) -> None:
    stream = pages.teacher().publish()
    student = pages.student()
    with evidence.judge("the teacher's first frame is on the student's screen in time"):
        seen = student.sees(stream, timeout=PATIENCE_S)
        assert seen.after_stream_ms is not None
        first = evidence.measure("first_frame", seen.after_stream_ms, "ms", samples=1)
        evidence.check(first)
        assert (seen.width, seen.height) == (320, 240)


def listen(student: BrowserParticipant, stream: str, *, sound: bool) -> None:
    """Wait until what is heard has sound in it, or none; raises `WaitTimeout`.

    What was sent before may lie in buffers for a while, on a busy machine for longer.
    """

    def as_expected() -> bool:
        energy = student.hears(stream, packets=LISTENED, timeout=PATIENCE_S)
        if energy < SOUND if sound else energy > SILENCE:
            raise PageFailed(
                f"the teacher is {'not ' if sound else ''}heard", found=f"{energy:.3g}"
            )
        return True

    wait_for("sound" if sound else "silence", as_expected, timeout=PATIENCE_S)


@pytest.mark.criterion("SAAS-31")
def test_a_muted_teacher_is_silent(pages: Pages, evidence: Evidence) -> None:
    teacher, student, stream = pages.watching()
    listen(student, stream, sound=True)
    teacher.mute()
    with evidence.judge("the student hears nothing of the muted teacher"):
        listen(student, stream, sound=False)


@pytest.mark.criterion("SAAS-32")
def test_an_unmuted_teacher_is_heard_again(pages: Pages, evidence: Evidence) -> None:
    teacher, student, stream = pages.watching()
    teacher.mute()
    listen(student, stream, sound=False)
    teacher.unmute()
    with evidence.judge("the student hears the teacher again"):
        listen(student, stream, sound=True)


@pytest.mark.criterion("SAAS-33")
def test_a_teacher_starts_again(pages: Pages, evidence: Evidence) -> None:
    teacher, student, _ = pages.watching()
    teacher.unpublish()
    student.told("streamDestroyed", timeout=PATIENCE_S)
    with evidence.judge("what the teacher publishes anew is on the student's screen in time"):
        seen = student.sees(teacher.publish(), timeout=PATIENCE_S)
        assert seen.after_stream_ms is not None
        first = evidence.measure("first_frame", seen.after_stream_ms, "ms", samples=1)
        evidence.check(first)


@pytest.mark.criterion("SAAS-34")
def test_the_student_sees_the_teachers_screen(pages: Pages, evidence: Evidence) -> None:
    student = pages.student()
    stream = pages.teacher().share_screen()
    with evidence.judge("the student sees the teacher's screen, and that it is one"):
        seen = student.sees(stream, timeout=PATIENCE_S)
        assert seen.source == "SCREEN", f"the student takes the screen for a {seen.source}"


@pytest.mark.criterion("SAAS-35")
def test_both_come_back_after_a_cut(pages: Pages, evidence: Evidence) -> None:
    teacher, student, stream = pages.watching()
    with evidence.judge("both pages are reconnected, and the picture goes on"):
        started = time.monotonic()
        pages.browser.cut()
        for participant in (teacher, student):
            participant.told("reconnected", timeout=PATIENCE_S)
        back = (time.monotonic() - started) * 1000
        evidence.check(evidence.measure("came_back", back, "ms", samples=1))
        student.shows_more(stream, frames=5, timeout=PATIENCE_S)


@pytest.mark.criterion("SAAS-36")
def test_a_students_page_does_not_publish(pages: Pages, evidence: Evidence) -> None:
    student = pages.student()
    with evidence.judge("the student's page is refused to publish"):
        try:
            stream = student.publish()
        except PageFailed as refused:
            assert "OPENVIDU_PERMISSION_DENIED" in str(refused), refused  # noqa: PT017 - one of two
        else:
            pytest.fail(f"it has published {stream}")


@pytest.mark.criterion("SAAS-37")
def test_the_students_machine_shows_the_teachers(lab: Lab, evidence: Evidence) -> None:
    teachers, students = (lab.inventory.with_role(role)[0] for role in ("teacher", "student"))
    with Lesson(lab) as lesson, Browser.on_machines(lab, (teachers, students)) as browsers:
        stream = browsers[teachers].join("teacher", lesson.token(Role.PUBLISHER)).publish()
        student = browsers[students].join("student", lesson.token(Role.SUBSCRIBER))
        with evidence.judge("the teacher's first frame is on the student's machine in time"):
            seen = student.sees(stream, timeout=PATIENCE_S)
            assert seen.after_stream_ms is not None
            first = evidence.measure("first_frame", seen.after_stream_ms, "ms", samples=1)
            evidence.check(first)
