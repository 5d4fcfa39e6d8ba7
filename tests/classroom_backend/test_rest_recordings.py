"""Recorded requests to openvidu-server 2.13.0, sent to the backend: the same answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.classroom.recordings import RECORDINGS, exchange
from tests.classroom_backend.people import Person
from tests.classroom_backend.replay import Renaming, comparable
from tests.classroom_backend.running import Answer, Backend

NO_CDR = "CDR files come with webhooks"
NO_IP_CAMERA = "IP cameras are not emulated"
NO_STATS = "Kurento's statistics are not emulated"
ODD = "no client and no criterion depends on it"
CUT = "the recorded text is cut"
MANY = "depends on sessions that many other exchanges had left"

#: exchange → why the backend does not answer it as the real server does
DIFFERENT = (
    {
        "auth-none-accept-html": ODD,
        "cdr-post": NO_CDR,
        "cors-options-no-origin-auth": ODD,
        "config-openvidu-cdr": NO_CDR,
        "config-openvidu-recording-accept-text": ODD,
        "connection-list": NO_IP_CAMERA,
        "misc-brew": ODD,
        "misc-dashboard-auth": "there is no dashboard",
        "misc-info-endpoint": "the debugging socket that broadcasts Kurento's events is left out",
        "misc-root": "the banner says embedded",
        "misc-sessions-double-slash": ODD,
        "misc-trace-sessions": ODD,
        "misc-unknown-api-html": ODD,
        "recordings-list-off": "the real server stumbles over a missing folder; here it is there",
        "active-get-after": NO_IP_CAMERA,
        "active-get-webrtcstats": NO_STATS,
        "active-list": MANY,
        "active-list-webrtcstats": MANY,
        "sessions-list-after": MANY,
        "sessions-list-before": MANY,
    }
    | {
        file.stem: NO_IP_CAMERA
        for file in (RECORDINGS / "rest").glob("*ipcam*.json")
        if file.stem != "stream-delete-ipcam"
    }
    | {"stream-delete-ipcam": NO_IP_CAMERA}
)

_CUT = {
    "sessions-create-huge-layout", "sessions-create-huge-unknown-key", "sessions-delete-long-path",
    "sessions-get-long-path", "signal-huge-data", "tokens-data-100000-chars",
    "tokens-data-10001-chars",
}  # fmt: skip
DIFFERENT |= dict.fromkeys(_CUT, CUT)

NAMES = sorted({file.stem for file in (RECORDINGS / "rest").glob("*.json")} - DIFFERENT.keys())

#: session → the exchange that made it
MAKERS = {
    "fullSession": "sessions-create-full",
    "relayedSession": "sessions-create-relayed",
    "alwaysSession": "sessions-create-always-individual",
    "layout-CUSTOM": "sessions-create-layout-custom",
    "My-Class_42": "sessions-create-custom-id",
}
#: session → who was in it: recorded connection id, role, server data, client data, stream kind
ACTIVE = {
    "activeSession": (
        ("con_PNMZFGfHX6", "MODERATOR", "server A", "client A", "CAM_FEPs"),
        ("con_Xka24odSsL", "PUBLISHER", "", "client B", "MIC_XRZ2"),
    ),
    "lastOne": (("con_PllbXH5ZL2", "PUBLISHER", "", "", None),),
}
#: Exchanges that repeat a request: the second answer is the recorded one.
REPEATED = ("connection-delete-again",)
#: Exchanges about sessions that are gone.
GONE = (
    "active-delete-again", "active-get-after-delete", "sessions-delete-again",
    "last-connection-session-after",
)  # fmt: skip
#: Exchanges that create what others only use.
CREATING = {*MAKERS.values(), "sessions-recreate-same-id"}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_answer_as_openvidu(name: str, backend: Backend) -> None:
    recorded = exchange(name)
    renaming = Renaming(backend.authority)
    people = _prepare(name, recorded.request, renaming, backend)
    try:
        if name in REPEATED:
            _send(recorded.request, renaming, backend)
        found = _send(recorded.request, renaming, backend)
    finally:
        for person in people:
            person.close()
    _compare(recorded.response, found, backend)


def test_what_differs_is_a_recorded_exchange() -> None:
    assert {file.stem for file in (RECORDINGS / "rest").glob("*.json")} >= DIFFERENT.keys()


def _prepare(
    name: str, request: dict[str, Any], renaming: Renaming, backend: Backend
) -> list[Person]:
    """Make the sessions that the request speaks of, and whoever was in them."""
    if name in GONE or name in CREATING:
        return []
    speaks_of = f"{request['path']} {request['body_text'] or ''}"
    for session, maker in MAKERS.items():
        if session in speaks_of:
            assert _send(exchange(maker).request, renaming, backend).status == 200
    for generated in ("ses_Hu3jk2bDR6", "ses_CAA4cXosYl"):
        lists_it = generated == "ses_CAA4cXosYl" and name == "misc-sessions-trailing-slash"
        if generated in speaks_of or lists_it:
            answer = _send(exchange("sessions-create-empty-object").request, renaming, backend)
            renaming.learn(generated, answer.body["id"])
    people = []
    for session, members in ACTIVE.items():
        if session in speaks_of:
            people = _fill(session, members, renaming, backend)
    return people


def _fill(
    session: str, members: tuple[tuple[Any, ...], ...], renaming: Renaming, backend: Backend
) -> list[Person]:
    people: list[Person] = []
    with backend.api() as api:
        api.create_session(session)
        for connection, role, server_data, client_data, stream in members:
            person = Person(backend)
            people.append(person)
            person.join(session, role, server_data=server_data, metadata=client_data)
            renaming.learn(connection, person.connection_id)
            if stream is not None:
                published = person.publish(video=stream.startswith("CAM"))
                renaming.learn(f"str_{stream}_{connection}", published)
    if len(people) > 1:
        people[1].receive(people[0])
    return people


def _send(request: dict[str, Any], renaming: Renaming, backend: Backend) -> Answer:
    path = request["path"] + (f"?{request['query']}" if request["query"] else "")
    headers = {key: renaming.here(value) for key, value in request["headers"].items()}
    body = request["body_text"]
    return backend.ask(
        request["method"], renaming.here(path), headers, body and renaming.here(body)
    )


def _compare(recorded: dict[str, Any], found: Answer, backend: Backend) -> None:
    assert found.status == recorded["status"], found.text
    headers = {key.lower(): value for key, value in recorded["headers"]}
    for key in ("access-control-allow-origin", "www-authenticate", "access-control-allow-methods",
                "access-control-allow-headers", "connection"):  # fmt: skip
        assert found.headers.get(key) == headers.get(key), key
    assert _words(found.headers.get("allow")) == _words(headers.get("allow"))
    if headers.get("content-type") is not None:
        ours = (found.headers.get("content-type") or "").replace(" ", "").lower()
        assert ours == headers["content-type"].lower()
    if recorded["body"] is None or isinstance(recorded["body"], str):
        expected = comparable(recorded["body_text"] or "", backend.authority)
        assert comparable(found.text, backend.authority) == expected
    else:
        expected = comparable(recorded["body"], backend.authority)
        answer = comparable(found.body, backend.authority)
        if isinstance(expected, dict) and "VERSION" in expected:
            expected, answer = _settings(expected), _settings(answer)
        assert answer == expected


def _words(value: str | None) -> set[str]:
    return set((value or "").replace(" ", "").split(","))


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """/config without what every server has of its own: Kurento, CDR, webhooks, URL."""
    own = ("KMS_URIS", "OPENVIDU_CDR", "OPENVIDU_PUBLICURL", "OPENVIDU_WEBHOOK")
    kept = {key: value for key, value in config.items() if not key.startswith(own)}
    assert {"KMS_URIS", "OPENVIDU_CDR", "OPENVIDU_PUBLICURL", "OPENVIDU_WEBHOOK"} <= config.keys()
    return kept
