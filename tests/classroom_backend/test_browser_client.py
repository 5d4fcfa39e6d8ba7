"""OpenVidu's own browser client, in Chromium: what a teacher shows there, a student sees there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.chromium import chromium
from lab.classroom.browser import Browser
from lab.classroom.started_chromium import verified_key
from lab.classroom.token import Role
from lab.errors import SystemDown, ToolMissing
from lab.loopback import ca
from lab.wait import wait_for
from tests.classroom_backend.running import Backend, new_session_id

#: What the pages may take on a machine whose cores others use, too, in seconds. The bound of
#: the blueprint (2 s) is judged by its criterion.
FIRST_FRAME_S = 8.0


@pytest.fixture
def browser(shared_backend: Backend) -> Iterator[Browser]:
    try:
        chromium()
    except ToolMissing as missing:
        pytest.skip(str(missing))
    with Browser.start(shared_backend.url, ca=shared_backend.ca) as browser:
        yield browser


def test_a_student_sees_and_hears_the_teacher_until_she_leaves(
    browser: Browser, shared_backend: Backend
) -> None:
    session = new_session_id()
    with shared_backend.api() as api:
        api.create_session(session)
        tokens = [api.create_token(session, role) for role in (Role.PUBLISHER, Role.SUBSCRIBER)]
        teacher = browser.join("teacher", tokens[0])
        stream = teacher.publish(width=320, height=240, rate=15)
        student = browser.join("student", tokens[1])
        first = student.sees(stream, timeout=FIRST_FRAME_S)

        assert (first.width, first.height) == (320, 240)
        assert first.codec == "video/VP8"

        def goes_on() -> bool:
            now = student.seen(stream)
            more = now.frames_decoded - first.frames_decoded
            return more >= 15 and now.audio_energy > first.audio_energy

        wait_for("a second of picture and a beep", goes_on, timeout=FIRST_FRAME_S)

        teacher.leave()
        gone = student.told("streamDestroyed", timeout=5)
        assert (gone["stream"], gone["reason"]) == (stream, "disconnect")
        left = student.told("connectionDestroyed", timeout=5)
        assert left["connection"] == teacher.connection
        student.leave()


def test_a_key_is_accepted_only_on_the_word_of_the_labs_ca(
    shared_backend: Backend, tmp_path: Path
) -> None:
    assert len(verified_key(shared_backend.url, shared_backend.ca)) == 44  # SHA-256 in base64
    with pytest.raises(SystemDown, match="certificate verify failed"):
        verified_key(shared_backend.url, ca.make(tmp_path))
