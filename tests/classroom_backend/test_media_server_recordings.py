"""What clients saw of openvidu-server 2.13.0 while its media server failed: the backend's the same.

What the server asked of its media server is in the recordings, too; it is nobody's business here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.classroom.attendee import ClassroomLoop
from lab.classroom.embedded.media_server import FAULT
from lab.classroom.errors import SignallingRefused
from lab.classroom.messages import MediaError, ParticipantUnpublished
from lab.classroom.token import Role
from lab.faultflags import DIRECTORY
from tests.classroom.recordings import RECORDINGS
from tests.classroom_backend.running import Backend, running_backend
from tests.classroom_backend.sequences import MEDIA_SERVER
from tests.classroom_backend.stage import Stage


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A backend of this module's own: its media server fails for everybody."""
    with running_backend(tmp_path_factory.mktemp("failing-host")) as backend:
        yield backend


@pytest.mark.parametrize("name", MEDIA_SERVER)
def test_the_same_frames_while_the_media_server_fails(name: str, failing: Backend) -> None:
    recorded = json.loads((RECORDINGS / "kurento" / f"{name}.json").read_text())
    failures = MEDIA_SERVER[name]
    flag = failing.home / DIRECTORY / FAULT

    def after(note: str) -> None:
        if note in failures:
            flag.write_text(failures[note])

    with failing.fault(FAULT), Stage(failing, on_note=after) as stage:
        after("")
        stage.play(recorded["frames"])


def test_each_recording_is_played() -> None:
    recorded = [file.stem for file in (RECORDINGS / "kurento").glob("*.json")]
    assert sorted(MEDIA_SERVER) == sorted(recorded)


def test_our_client_publishes_again_after_a_media_server_was_lost(failing: Backend) -> None:
    with failing.api() as api, ClassroomLoop() as loop:
        session = api.create_session().id
        teacher, student, other = (
            loop.join(failing.url, api.create_token(session, role), ca=failing.ca)
            for role in (Role.PUBLISHER, Role.SUBSCRIBER, Role.PUBLISHER)
        )
        student.subscribe(teacher.publish_tone(440))
        with failing.fault(FAULT, "endpoints-break"):
            assert "made-up failure" in teacher.expect(MediaError).error
        lost = pytest.raises(SignallingRefused, match="Exception connecting")
        with failing.fault(FAULT, "gone"), lost:
            other.publish_tone()
        for person in (teacher, student):
            told = person.expect(ParticipantUnpublished)
            assert told.reason == "mediaServerDisconnect"
        again = teacher.publish_tone(440)
        student.subscribe(again)
        sound = student.hear(again, 0.7).sound
        assert sound is not None
        assert sound.frequency_hz == pytest.approx(440, abs=2)
