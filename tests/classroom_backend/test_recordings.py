"""Recordings: what REST says of them, who learns of them, and what is in their files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from lab.classroom.attendee import Attendee, ClassroomLoop
from lab.classroom.errors import RestRefused
from lab.classroom.messages import RecordingStarted, RecordingStopped
from lab.classroom.resources import (
    MediaMode,
    OutputMode,
    RecordingMode,
    RecordingProperties,
    SessionProperties,
)
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from lab.errors import WaitTimeout
from lab.nodejs import node_binary, npm_tree
from lab.wait import wait_for
from tests.classroom_backend.people import Person, recorded_offer
from tests.classroom_backend.running import SECRET, Backend, running_backend

HERE = Path(__file__).parent
INDIVIDUAL = RecordingProperties(output_mode=OutputMode.INDIVIDUAL)
#: How long the backend waits for a publisher before a recording stops by itself, in seconds.
AUTOSTOP_S = 0.5


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    home = tmp_path_factory.mktemp("recording")
    options = ("--recordings", "recordings", "--recording-autostop-s", str(AUTOSTOP_S))
    with running_backend(home, *options, "--cdr", "cdr") as backend:
        yield backend


@pytest.fixture
def api(backend: Backend) -> Iterator[ClassroomApi]:
    with backend.api() as api:
        yield api


@pytest.fixture
def loop() -> Iterator[ClassroomLoop]:
    with ClassroomLoop() as loop:
        yield loop


class Room:
    """A session of some options, and who joins it."""

    def __init__(
        self,
        backend: Backend,
        api: ClassroomApi,
        loop: ClassroomLoop,
        properties: SessionProperties = SessionProperties(),  # noqa: B008 - frozen
    ) -> None:
        self._backend, self._api, self._loop = backend, api, loop
        self.session = api.create_session(properties=properties).id

    def join(self, role: Role = Role.PUBLISHER) -> Attendee:
        token = self._api.create_token(self.session, role)
        return self._loop.join(self._backend.url, token, ca=self._backend.ca, metadata="Ms A")

    def attend(self, stream: str) -> None:
        """Hear the first of a stream, and leave."""
        student = self.join(Role.SUBSCRIBER)
        student.subscribe(stream)
        student.leave()

    def start(self, **more: Any) -> httpx.Response:
        return self.post("start", json={"session": self.session, **more})

    def post(self, what: str, **content: Any) -> httpx.Response:
        return httpx.post(
            f"{self._backend.url}/api/recordings/{what}",
            auth=("OPENVIDUAPP", SECRET), verify=self._backend.tls, **content,
        )  # fmt: skip


@pytest.fixture
def room(backend: Backend, api: ClassroomApi, loop: ClassroomLoop) -> Room:
    return Room(backend, api, loop)


def tone_of(container: Any) -> tuple[float, float]:
    """The strongest frequency in Hz of a file's sound, and how long that is in seconds."""
    samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 48_000 / len(samples)), len(samples) / 48_000


def test_a_recording_can_be_played(backend: Backend, api: ClassroomApi, room: Room) -> None:
    teacher = room.join(Role.MODERATOR)
    student = room.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440, picture=True)
    student.subscribe(stream, video=True)
    started = api.start_recording(room.session, RecordingProperties(name="first lesson"))
    assert (started.status, started.name, started.session_id) == (
        "started",
        "first lesson",
        room.session,
    )
    assert teacher.expect(RecordingStarted).name == "first lesson"
    assert api.session(room.session).recording
    student.hear(stream, 1.5)
    stopped = api.stop_recording(started.id)
    assert teacher.expect(RecordingStopped).reason == "recordingStoppedByServer"
    assert not api.session(room.session).recording
    assert stopped.status == "ready"
    content = api.download(stopped)
    with av.open(io.BytesIO(content)) as file:
        assert {stream.type: stream.codec_context.name for stream in file.streams} == {
            "audio": "opus",
            "video": "vp8",
        }
        in_file = (file.duration or 0) / 1e6
        assert in_file == pytest.approx(1.5, abs=0.4)
        frequency, seconds = tone_of(file)
        assert frequency == pytest.approx(440, abs=3)
        assert seconds == pytest.approx(1.5, abs=0.4)
        file.seek(0)
        pictures = list(file.decode(video=0))
        assert (pictures[0].width, pictures[0].height) == (320, 240)
        assert len(pictures) > 8
    kept = api.recording(started.id)
    assert kept == stopped
    assert kept.duration == pytest.approx(in_file, abs=0.01)
    assert kept.size == len(content)
    assert kept.url == f"{backend.url}/recordings/{started.id}/first lesson.webm"
    with pytest.raises(WaitTimeout):
        student.expect(RecordingStarted, timeout=0.05)
    (cdr,) = api.cdr_files()
    told = [line.get("recordingStatusChanged") for line in api.cdr(cdr)]
    changes = [one for one in told if one and one["id"] == started.id]
    assert [(one["status"], one.get("reason"), one["duration"]) for one in changes] == [
        ("started", None, 0),
        ("stopped", "recordingStoppedByServer", 0),
        ("ready", "recordingStoppedByServer", kept.duration),
    ]
    assert changes[-1]["size"] == kept.size


def test_each_stream_in_a_file_of_its_own(backend: Backend, api: ClassroomApi, room: Room) -> None:
    first, second = room.join(), room.join()
    streams = {first.publish_tone(440): 440}
    started = room.start(outputMode="INDIVIDUAL").json()
    streams[second.publish_tone(900)] = 900
    for stream in streams:
        listener = second if stream.endswith(first.connection_id) else first
        listener.subscribe(stream)
        listener.hear(stream, 0.5)
    first.unpublish()
    room.post(f"stop/{started['id']}")
    found = api.recording(started["id"])
    assert found.status == "ready"
    archive = zipfile.ZipFile(io.BytesIO(api.download(found)))
    assert set(archive.namelist()) == {f"{stream}.webm" for stream in streams} | {
        f"{found.name}.json"
    }
    for stream, frequency in streams.items():
        with av.open(io.BytesIO(archive.read(f"{stream}.webm"))) as file:
            assert tone_of(file)[0] == pytest.approx(frequency, abs=4)
    times = {
        one["streamId"]: one for one in json.loads(archive.read(f"{found.name}.json"))["files"]
    }
    assert times.keys() == streams.keys()
    early, late = (times[stream] for stream in streams)
    assert early["startTimeOffset"] < late["startTimeOffset"] < early["endTimeOffset"]
    assert early["endTimeOffset"] < late["endTimeOffset"]
    assert early["clientData"] == "Ms A"


def test_a_publisher_that_starts_again_stays_in_the_recording(
    backend: Backend, api: ClassroomApi, room: Room
) -> None:
    teacher, student = room.join(), room.join()
    stream = teacher.publish_tone(440, picture=True)
    student.subscribe(stream)
    started = api.start_recording(room.session)
    student.hear(stream, 0.5)
    teacher.restart_publishing()
    student.hear(stream, 0.7)
    api.stop_recording(started.id)
    with av.open(io.BytesIO(api.download(api.recording(started.id)))) as file:
        frequency, seconds = tone_of(file)
    assert frequency == pytest.approx(440, abs=4)
    assert seconds > 0.9


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({"session": None}, 400, '"session" parameter is mandatory'),
        ({"session": 7}, 400, "Type error in some parameter"),
        ({"hasAudio": "yes"}, 400, "Type error in some parameter"),
        ({"outputMode": "BOTH"}, 400, "Type error in some parameter"),
        (
            {"outputMode": "COMPOSED", "recordingLayout": "ROUND"},
            400,
            "Type error in some parameter",
        ),
        ({"name": "../secret"}, 400, 'Parameter "name" is wrong. It must be a file\'s name'),
        (
            {"outputMode": "COMPOSED", "resolution": "2000x100"},
            422,
            'Wrong "resolution" parameter. Acceptable values from 100 to 1999 for both width '
            "and height",
        ),
        (
            {"hasAudio": False, "hasVideo": False},
            422,
            'Cannot start a recording with both "hasAudio" and "hasVideo" set to false',
        ),
        ({"session": "no-such-session"}, 404, None),
        ({}, 406, None),
    ],
)
def test_what_cannot_be_recorded(
    room: Room, given: dict[str, Any], status: int, says: str | None
) -> None:
    answer = room.start(**given)
    assert answer.status_code == status
    if says is None:
        assert answer.content == b""
    else:
        body = answer.json()
        assert (body["message"], body["path"]) == (says, "/api/recordings/start")
        assert isinstance(body["timestamp"], int)


def test_one_recording_at_a_time_and_none_of_relayed_media(
    backend: Backend, api: ClassroomApi, loop: ClassroomLoop, room: Room
) -> None:
    room.join().publish_tone()
    first = room.start().json()
    assert room.start().status_code == 409
    with pytest.raises(RestRefused) as running:
        api.delete_recording(first["id"])
    assert running.value.status == 409
    assert room.post(f"stop/{first['id']}").status_code == 200
    assert room.post(f"stop/{first['id']}").status_code == 404
    second = room.start().json()
    assert second["id"] == f"{room.session}-1"
    room.post(f"stop/{second['id']}")
    assert {first["id"], second["id"]} <= {one.id for one in api.recordings()}
    api.delete_recording(first["id"])
    with pytest.raises(RestRefused) as gone:
        api.recording(first["id"])
    assert gone.value.status == 404
    assert backend.ask("GET", f"/recordings/{second['id']}/{second['name']}.webm").status == 401
    relayed = Room(backend, api, loop, SessionProperties(media_mode=MediaMode.RELAYED))
    assert relayed.start().status_code == 409


def test_only_the_named_file_of_a_recording_is_served(backend: Backend, room: Room) -> None:
    room.join().publish_tone()
    found = room.start().json()
    room.post(f"stop/{found['id']}")
    for path in (
        f"{found['id']}/.recording.{found['id']}",
        f"{found['id']}/..%2F..%2Fk.pem",
        f"..%2F{found['id']}/x",
        "nope/nope.webm",
    ):
        answer = httpx.get(
            f"{backend.url}/recordings/{path}", auth=("OPENVIDUAPP", SECRET), verify=backend.tls
        )
        assert answer.status_code == 404, path


def test_a_recording_without_publisher_stops_by_itself(api: ClassroomApi, room: Room) -> None:
    teacher = room.join()
    started = api.start_recording(room.session)
    assert teacher.expect(RecordingStopped, timeout=5).reason == "automaticStop"
    assert api.recording(started.id).status == "failed"  # there was nothing to show
    assert api.session(room.session).connections.number_of_elements == 1


def test_whoever_publishes_in_time_keeps_the_recording(api: ClassroomApi, room: Room) -> None:
    teacher = room.join()
    api.start_recording(room.session)
    teacher.publish_tone()
    with pytest.raises(WaitTimeout):
        teacher.expect(RecordingStopped, timeout=2 * AUTOSTOP_S)
    teacher.unpublish()
    assert teacher.expect(RecordingStopped, timeout=5).reason == "automaticStop"


def test_a_session_outlives_its_last_participant_while_it_is_recorded(
    api: ClassroomApi, room: Room
) -> None:
    teacher = room.join()
    started = api.start_recording(room.session)
    room.attend(teacher.publish_tone())
    teacher.leave()
    assert api.session(room.session).recording

    def gone() -> bool:
        return room.session not in [session.id for session in api.sessions()]

    wait_for("the session ends with its recording", gone, timeout=5)
    wait_for("a file", lambda: api.recording(started.id).status == "ready", timeout=5)


def test_the_end_of_a_session_ends_its_recording(api: ClassroomApi, room: Room) -> None:
    teacher = room.join()
    started = api.start_recording(room.session)
    room.attend(teacher.publish_tone())
    api.close_session(room.session)
    wait_for("a file", lambda: api.recording(started.id).status == "ready", timeout=5)


def test_what_is_always_recorded_is_so_from_the_first_stream_on(
    backend: Backend, api: ClassroomApi, loop: ClassroomLoop
) -> None:
    always = SessionProperties(
        recording_mode=RecordingMode.ALWAYS, default_output_mode=OutputMode.INDIVIDUAL
    )
    room = Room(backend, api, loop, always)
    teacher = room.join()
    assert not api.session(room.session).recording
    teacher.publish_tone()
    started = teacher.expect(RecordingStarted)
    assert room.start().status_code == 409
    room.post(f"stop/{started.id}")


def test_recordings_outlive_the_server(tmp_path: Path, loop: ClassroomLoop) -> None:
    options = ("--recordings", "recordings")
    with running_backend(tmp_path, *options) as backend, backend.api() as api:
        room = Room(backend, api, loop)
        room.join().publish_tone()
        started = api.start_recording(room.session)
        api.stop_recording(started.id)
    with running_backend(tmp_path, *options) as backend, backend.api() as api:
        assert [one.id for one in api.recordings()] == [started.id]
        assert api.config().recording
        api.delete_recording(started.id)
        assert not (tmp_path / "recordings" / started.id).exists()


def test_names_that_a_publisher_chooses_stay_in_the_archive(
    backend: Backend, api: ClassroomApi, room: Room
) -> None:
    vandal = Person(backend)
    vandal.join(room.session)
    started = api.start_recording(room.session, INDIVIDUAL)
    answer = vandal.call(
        "publishVideo",
        sdpOffer=recorded_offer("publishVideo"), doLoopback=False, hasAudio=True, hasVideo=True,
        typeOfVideo="../",
    )  # fmt: skip
    assert answer["result"]["id"].startswith("str_../_")
    stopped = api.stop_recording(started.id)
    names = zipfile.ZipFile(io.BytesIO(api.download(stopped))).namelist()
    assert len(names) == 2
    assert not any("/" in name or ".." in name for name in names)
    vandal.close()


@pytest.mark.parametrize(
    ("fault", "spoilt"),
    [
        ("classroom.recording-cut", "short"),
        ("classroom.recording-unchecked", "empty"),
        ("classroom.recordings-open", "open"),
    ],
)
def test_faults_of_recordings(
    backend: Backend, api: ClassroomApi, room: Room, fault: str, spoilt: str
) -> None:
    def found() -> set[str]:
        """What is wrong with a recording that lasts 1.2 s, and is made of an empty session."""
        wrong = set()
        if room.start(session=api.create_session().id).status_code == 200:
            wrong.add("empty")
        teacher, student = room.join(), room.join()
        stream = teacher.publish_tone()
        student.subscribe(stream)
        started = api.start_recording(room.session, INDIVIDUAL)
        student.hear(stream, 1.2)
        stopped = api.stop_recording(started.id)
        if stopped.duration < 1.0:
            wrong.add("short")
        if httpx.get(stopped.url or "", verify=backend.tls).status_code == 200:
            wrong.add("open")
        return wrong

    with backend.fault(fault):
        assert found() == {spoilt}


@pytest.mark.parametrize("library", ["openvidu-node-client-2.12", "openvidu-node-client-2.14"])
def test_openvidus_node_client_records(backend: Backend, room: Room, library: str) -> None:
    teacher, student = room.join(), room.join()
    stream = teacher.publish_tone()
    student.subscribe(stream)
    argv = [str(node_binary()), str(HERE / "recording.js"), library, f"{backend.url}/", SECRET]
    own = {"NODE_PATH": str(npm_tree(HERE)), "NODE_EXTRA_CA_CERTS": str(backend.ca)}
    answer = subprocess.run(
        [*argv, room.session],
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    refusals = {key: found[key] for key in ("nothing", "again", "early", "gone")}
    assert refusals == {"nothing": "422", "again": "409", "early": "409", "gone": "404"}
    assert found["started"]["status"] == "started"
    assert found["read"] == found["started"]
    stopped = found["stopped"]
    assert (stopped["status"], stopped["sessionId"]) == ("ready", room.session)
    assert stopped["size"] > 0
    assert stopped["url"] == f"{backend.url}/recordings/{stopped['id']}/by-node.zip"
    assert stopped["id"] in found["listed"]
