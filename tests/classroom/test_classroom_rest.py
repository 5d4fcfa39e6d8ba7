"""The REST client against recorded exchanges, served byte-exactly over TLS."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.classroom.errors import RestRefused
from lab.classroom.probe import probe
from lab.classroom.resources import (
    IpCamera,
    Layout,
    MediaMode,
    NewSession,
    OutputMode,
    Recording,
    RecordingMode,
    RecordingProperties,
    RecordingStatus,
    SessionProperties,
)
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import KurentoOptions, Role
from lab.classroom.wire import read
from lab.errors import LabError, SystemDown
from lab.inventory import Inventory
from lab.session import Lab
from tests.classroom.recordings import exchange
from tests.classroom.replay import ReplayServer, TlsFiles, make_tls_files

SECRET = "MY_SECRET"
Call = Callable[[ClassroomApi], Any]


@pytest.fixture
def api(replay: ReplayServer, tls: TlsFiles) -> Iterator[ClassroomApi]:
    with ClassroomApi(replay.url, SECRET, ca=tls.ca, timeout=5) as api:
        yield api


GOOD: list[tuple[str, Call]] = [
    ("config-openvidu-version", lambda api: api.version()),
    ("config", lambda api: api.config()),
    ("sessions-create-empty-object", lambda api: api.create_session()),
    ("sessions-create-custom-id", lambda api: api.create_session("My-Class_42")),
    (
        "sessions-create-full",
        lambda api: api.create_session(
            "fullSession",
            SessionProperties(
                media_mode=MediaMode.ROUTED,
                recording_mode=RecordingMode.MANUAL,
                default_output_mode=OutputMode.COMPOSED,
                default_recording_layout=Layout.BEST_FIT,
                default_custom_layout="mySimpleLayout",
            ),
        ),
    ),
    ("config-openvidu-publicurl", lambda api: api.public_url()),
    ("config-openvidu-recording", lambda api: api.recording_on()),
    ("config-openvidu-recording-path", lambda api: api.recording_path()),
    ("config-openvidu-cdr", lambda api: api.cdr_on()),
    ("misc-accept-certificate", lambda api: api.accept_certificate()),
    (
        "ipcam-publish",
        lambda api: api.publish_ip_camera(
            "activeSession", IpCamera("rtsp://127.0.0.1:8554/made-up", data="camera one")
        ),
    ),
    ("signal-no-type", lambda api: api.signal("activeSession", None, "x")),
    ("active-get", lambda api: api.session("activeSession")),
    ("sessions-list-after", lambda api: api.sessions()),
    ("sessions-delete-inactive", lambda api: api.close_session("ses_Hu3jk2bDR6")),
    (
        "tokens-moderator",
        lambda api: api.create_token("fullSession", Role.MODERATOR, data="made-up MODERATOR"),
    ),
    ("connection-delete", lambda api: api.disconnect("activeSession", "con_Xka24odSsL")),
    ("stream-delete", lambda api: api.unpublish("activeSession", "str_MIC_XRZ2_con_Xka24odSsL")),
    (
        "signal-one",
        lambda api: api.signal("activeSession", "signal:chat", "hello A", to=["con_PNMZFGfHX6"]),
    ),
]


@pytest.mark.parametrize(("name", "call"), GOOD, ids=[name for name, _ in GOOD])
def test_calls_go_out_as_recorded_and_their_answers_are_read(
    name: str, call: Call, replay: ReplayServer, api: ClassroomApi
) -> None:
    recorded = exchange(name)
    replay.will_answer(recorded)
    call(api)
    [(method, path, headers, body)] = replay.requests
    assert (method, path) == (recorded.request["method"], recorded.request["path"])
    assert (body or {}) == (recorded.request["body"] or {})
    credentials = base64.b64encode(f"OPENVIDUAPP:{SECRET}".encode()).decode()
    assert headers["authorization"] == f"Basic {credentials}"


BAD: list[tuple[str, int, str, Call]] = [
    ("auth-wrong-secret", 401, "Unauthorized", lambda api: api.sessions()),
    ("sessions-create-duplicate", 409, "", lambda api: api.create_session("fullSession")),
    (
        "sessions-create-custom-id-bad-space",
        400,
        'Parameter "customSessionId" is wrong. Must be an alphanumeric string',
        lambda api: api.create_session("bad id"),
    ),
    ("sessions-delete-unknown", 404, "", lambda api: api.close_session("ses_nope")),
    (
        "tokens-unknown-session",
        404,
        "Session ses_nope not found",
        lambda api: api.create_token("ses_nope"),
    ),
    (
        "tokens-bad-role",
        400,
        "Parameter role TEACHER is not defined",
        lambda api: api.create_token("fullSession", "TEACHER"),
    ),
    ("connection-delete-unknown", 404, "", lambda api: api.disconnect("activeSession", "con_x")),
    ("connection-delete-unknown-session", 400, "", lambda api: api.disconnect("ses_nope", "con_x")),
    ("stream-delete-unknown", 404, "", lambda api: api.unpublish("activeSession", "str_x")),
    ("signal-inactive-session", 406, "", lambda api: api.signal("fullSession", "signal:chat")),
    (
        "signal-to-unknown",
        406,
        '"to" array has no valid connection identifiers',
        lambda api: api.signal("activeSession", "signal:chat", to=["con_nope"]),
    ),
    ("recordings-start-off-ok", 501, "", lambda api: api.start_recording("activeSession")),
    ("cdr-unknown-file", 404, "No message available", lambda api: api.cdr("nope.log")),
    (
        "ipcam-bad-uri",
        400,
        '"rtspUri" parameter is not a valid rtsp uri',
        lambda api: api.publish_ip_camera("activeSession", IpCamera("not a uri")),
    ),
    (
        "ipcam-unknown-session",
        404,
        "",
        lambda api: api.publish_ip_camera("ses_nope", IpCamera("rtsp://127.0.0.1/x")),
    ),
    (
        "stream-delete-ipcam",
        405,
        "",
        lambda api: api.unpublish("activeSession", "str_IPC_MnVe_ipc_IPCAM_rtsp_4GKN_127_0_0_1"),
    ),
    (
        "recordings-list-off",
        500,
        'Cannot read the array length because "files" is null',
        lambda api: api.recordings(),
    ),
    ("recordings-get-unknown", 404, "", lambda api: api.recording("nope")),
    ("recordings-stop-unknown", 404, "", lambda api: api.stop_recording("nope")),
    ("recordings-delete-unknown", 404, "", lambda api: api.delete_recording("nope")),
]


@pytest.mark.parametrize(("name", "status", "message", "call"), BAD, ids=[name for name, *_ in BAD])
def test_refusals_carry_status_and_words(
    name: str, status: int, message: str, call: Call, replay: ReplayServer, api: ClassroomApi
) -> None:
    recorded = exchange(name)
    replay.will_answer(recorded)
    with pytest.raises(RestRefused) as refused:
        call(api)
    assert (refused.value.status, refused.value.message) == (status, message)
    assert (refused.value.evidence or "") == recorded.response["body_text"]
    assert SECRET not in str(refused.value)
    method, path, _, _ = replay.requests[0]
    assert method == recorded.request["method"]
    assert path.split("/")[:4] == recorded.request["path"].split("/")[:4]


@pytest.mark.parametrize(
    ("name", "by_controller", "year"),
    [("tokens-bad-role", True, 2026), ("auth-wrong-secret", False, 2026)],
)
def test_the_two_error_bodies(
    name: str, by_controller: bool, year: int, replay: ReplayServer, api: ClassroomApi
) -> None:
    recorded = exchange(name)
    replay.will_answer(recorded)
    with pytest.raises(RestRefused) as refused:
        api.sessions()
    body = refused.value.body
    assert body is not None
    assert (body.by_controller, body.timestamp.year) == (by_controller, year)
    words = (body.status, body.error, body.message, body.path)
    assert words == tuple(recorded.body[key] for key in ("status", "error", "message", "path"))


def test_a_refusal_without_a_body(replay: ReplayServer, api: ClassroomApi) -> None:
    replay.will_answer(exchange("sessions-create-duplicate"))
    with pytest.raises(RestRefused) as refused:
        api.create_session("fullSession")
    assert refused.value.body is None


def test_a_session_that_exists_may_be_as_good(replay: ReplayServer, api: ClassroomApi) -> None:
    found = exchange("active-get")
    replay.will_answer(exchange("active-create-duplicate"), found)
    session = api.create_session("activeSession", exists_ok=True)
    assert session == NewSession("activeSession", found.body["createdAt"])
    replay.will_answer(exchange("sessions-create-custom-id-bad-space"))
    with pytest.raises(RestRefused, match="400"):
        api.create_session("bad id", exists_ok=True)


def test_a_token_with_kurento_options(replay: ReplayServer, api: ClassroomApi) -> None:
    recorded = exchange("tokens-kurento-full")
    replay.will_answer(recorded, exchange("tokens-publisher"))
    options = KurentoOptions(500, 100, 600, 110, ("GStreamerFilter", "ZBarFilter"))
    assert api.create_token("fullSession", kurento=options).kurento == options
    _, _, _, body = replay.requests[0]
    assert body["kurentoOptions"] == recorded.request["body"]["kurentoOptions"]
    assert api.create_token("fullSession").kurento is None


def test_statistics_are_asked_for_by_the_query(replay: ReplayServer, api: ClassroomApi) -> None:
    one, all_of_them = exchange("active-get-webrtcstats"), exchange("active-list-webrtcstats")
    replay.will_answer(one, all_of_them)
    [teacher] = [
        connection
        for connection in api.session("activeSession", statistics=True).connections.content
        if connection.role is Role.MODERATOR
    ]
    assert len(api.sessions(statistics=True)) == all_of_them.body["numberOfElements"]
    [stream] = teacher.publishers
    assert stream.local_candidate == "candidate:1 1 UDP 2015363327 127.0.0.1 40000 typ host"
    assert stream.events[0]["type"] == "IceComponentStateChange"
    asked = [path for _, path, _, _ in replay.requests]
    assert asked[0].endswith("/activeSession?webRtcStats=true")
    assert asked[1] == "/api/sessions?webRtcStats=true"


def test_what_recording_asks_for(replay: ReplayServer, api: ClassroomApi) -> None:
    recorded = exchange("recordings-start-off-full")
    replay.will_answer(recorded)
    properties = RecordingProperties(
        name="made up",
        output_mode=OutputMode.COMPOSED,
        recording_layout=Layout.BEST_FIT,
        resolution="1280x720",
        has_audio=True,
        has_video=True,
    )
    with pytest.raises(RestRefused, match="501"):
        api.start_recording("activeSession", properties)
    assert replay.requests[0][3] == recorded.request["body"]


def test_no_recordings_where_the_folder_is_there(replay: ReplayServer, api: ClassroomApi) -> None:
    replay.will_answer(exchange("variant-recordings-list"))
    assert api.recordings() == ()


def test_a_recording_is_read_as_the_node_client_reads_it() -> None:
    """From its code; no recording of one exists."""
    wire = {
        "id": "ses_a", "sessionId": "ses_a", "createdAt": 1, "size": 7, "duration": 0,
        "url": None, "status": "started", "name": "ses_a", "outputMode": "COMPOSED",
        "hasAudio": True, "hasVideo": True, "resolution": "1920x1080",
        "recordingLayout": "BEST_FIT",
    }  # fmt: skip
    found = read(Recording, wire, where="test")
    assert (found.status, found.url, found.duration) == (RecordingStatus.STARTED, None, 0.0)
    longer = read(Recording, wire | {"duration": 2.5, "url": "https://h/r/x.mp4"}, where="test")
    assert (longer.duration, longer.url) == (2.5, "https://h/r/x.mp4")


def test_call_detail_records(replay: ReplayServer, api: ClassroomApi) -> None:
    """In the shapes that NOTES of the recordings and its CDR lines give."""
    lines = b'{"sessionCreated":{"sessionId":"a"}}\n{"sessionDestroyed":{"duration":3}}\n'
    replay.will_answer(_answer(b'["CDR-1.log"]'), _answer(lines))
    assert api.cdr_files() == ("CDR-1.log",)
    assert api.cdr("CDR-1.log")[1] == {"sessionDestroyed": {"duration": 3}}
    replay.will_answer(_answer(b"{}"), _answer(b"torn {"))
    for call in (api.cdr_files, lambda: api.cdr("CDR-1.log")):
        with pytest.raises(SystemDown, match="does not answer as OpenVidu"):
            call()


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def test_any_answer_can_be_asked_for(replay: ReplayServer, tls: TlsFiles) -> None:
    replay.will_answer(exchange("auth-none"))
    with ClassroomApi(replay.url, None, ca=tls.ca) as stranger:
        answer = stranger.ask("GET", "/api/sessions", headers={"Origin": "https://elsewhere"})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="Realm"'
    _, _, headers, _ = replay.requests[0]
    assert "authorization" not in headers
    assert headers["origin"] == "https://elsewhere"


def test_many_calls_on_one_client(replay: ReplayServer, api: ClassroomApi) -> None:
    """400, 500 and 501 close the connection, the others keep it."""
    names = ["tokens-bad-role", "config-openvidu-version", "sessions-create-duplicate", "config"]
    replay.will_answer(*(exchange(name) for name in names))
    with pytest.raises(RestRefused):
        api.create_token("fullSession", "TEACHER")
    assert api.version() == "2.13.0"
    with pytest.raises(RestRefused):
        api.create_session("fullSession")
    assert api.config().version == "2.13.0"


@pytest.mark.parametrize(
    ("name", "max_receive", "events"), [("config", 1000, 9), ("variant-config", 700, 2)]
)
def test_the_configuration(
    name: str, max_receive: int, events: int, replay: ReplayServer, api: ClassroomApi
) -> None:
    recorded = exchange(name)
    replay.will_answer(recorded)
    config = api.config()
    assert (config.max_receive, len(config.webhook_events)) == (max_receive, events)
    assert config.public_url == recorded.body["OPENVIDU_PUBLICURL"]
    assert config.webhook_endpoint == recorded.body["OPENVIDU_WEBHOOK_ENDPOINT"]
    assert "Basic" not in repr(config)  # the webhook's headers


def test_who_is_in_a_session(replay: ReplayServer, api: ClassroomApi) -> None:
    recorded = exchange("active-get")
    replay.will_answer(recorded)
    session = api.session("activeSession")
    by_id = {connection.connection_id: connection for connection in session.connections.content}
    student, teacher = by_id["con_Xka24odSsL"], by_id["con_PNMZFGfHX6"]
    assert (student.role, teacher.role) == (Role.PUBLISHER, Role.MODERATOR)
    assert [stream.stream_id for stream in teacher.publishers] == ["str_CAM_FEPs_con_PNMZFGfHX6"]
    assert student.subscribers[0].stream_id == "str_CAM_FEPs_con_PNMZFGfHX6"
    assert (teacher.server_data, teacher.client_data) == ("server A", "client A")
    assert teacher.token == by_id["con_PNMZFGfHX6"].token
    assert "tok_" not in repr(session)


def test_an_ip_camera_has_no_token(replay: ReplayServer, api: ClassroomApi) -> None:
    replay.will_answer(exchange("ipcam-session-after"))
    session = api.session("activeSession")
    assert any(connection.token == "" for connection in session.connections.content)


def test_a_token_is_read_but_never_shown(replay: ReplayServer, api: ClassroomApi) -> None:
    recorded = exchange("tokens-moderator")
    replay.will_answer(recorded)
    token = api.create_token("fullSession", Role.MODERATOR)
    assert token.url == recorded.body["token"]
    assert token.session == "fullSession"
    assert "tok_" not in repr(token)


def test_an_answer_that_is_not_openvidu(replay: ReplayServer, api: ClassroomApi) -> None:
    html = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>hi</html>"
    )
    other = b'HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n{"id":5,"token":"tok_abcd"}'
    replay.will_answer(html, other)
    with pytest.raises(SystemDown, match="does not answer as OpenVidu") as down:
        api.config()
    assert down.value.evidence == "<html>hi</html>"
    with pytest.raises(SystemDown, match="id: value is not as the protocol has it") as down:
        api.create_session()
    assert down.value.evidence is None  # a JSON body may hold secrets


def test_a_server_that_hangs_up(replay: ReplayServer, api: ClassroomApi) -> None:
    replay.will_answer(b"")
    with pytest.raises(SystemDown, match="check that the classroom is deployed"):
        api.config()


def test_a_proxy_in_the_environment_is_not_asked(
    replay: ReplayServer, tls: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    replay.will_answer(exchange("config-openvidu-version"))
    with ClassroomApi(replay.url, SECRET, ca=tls.ca) as api:
        assert api.version() == "2.13.0"


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for wrong in ("missing", "empty"):
        with pytest.raises(LabError, match=r"correct systems\.classroom\.ca"):
            ClassroomApi("https://127.0.0.1:1", SECRET, ca=tmp_path / wrong)


def test_a_server_of_another_ca_is_not_spoken_to(replay: ReplayServer, tmp_path: Path) -> None:
    stranger = make_tls_files(tmp_path, "127.0.0.1")
    with (
        ClassroomApi(replay.url, SECRET, ca=stranger.ca, timeout=5) as api,
        pytest.raises(SystemDown, match="CA file in the inventory does not vouch"),
    ):
        api.config()
    assert replay.requests == []


def _lab(url: str, ca: Path, secret: Path) -> Lab:
    return Lab(
        Inventory.model_validate(
            {
                "name": "test",
                "kind": "real",
                "profile": "lab",
                "hosts": {},
                "systems": {
                    "classroom": {
                        "adopted": True,
                        "endpoints": {"api": url},
                        "secrets": {"api": f"file:{secret}"},
                        "ca": str(ca),
                    }
                },
            }
        )
    )


def test_the_probe_tells_the_version(replay: ReplayServer, tls: TlsFiles, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    replay.will_answer(exchange("config"))
    with _lab(replay.url, tls.ca, tmp_path / "secret") as lab:
        assert probe(lab) == "2.13.0"


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (exchange("auth-wrong-secret"), "check systems.classroom.secrets.api"),
        (exchange("recordings-list-off"), "check that openvidu-server answers there"),
    ],
)
def test_the_probe_finds_the_classroom_down(
    answer: Any, advice: str, replay: ReplayServer, tls: TlsFiles, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    replay.will_answer(answer)
    with _lab(replay.url, tls.ca, tmp_path / "secret") as lab, pytest.raises(SystemDown) as down:
        probe(lab)
    assert advice in str(down.value)
    assert SECRET not in json.dumps([str(down.value), down.value.evidence])


def test_the_probe_of_a_closed_port(tls: TlsFiles, tmp_path: Path, replay: ReplayServer) -> None:
    replay.close()
    (tmp_path / "secret").write_text(SECRET)
    with (
        _lab(replay.url, tls.ca, tmp_path / "secret") as lab,
        pytest.raises(SystemDown, match="could not be asked"),
    ):
        probe(lab)
