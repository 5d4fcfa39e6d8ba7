"""What real client libraries asked openvidu-server 2.13.0 and got: asked of the backend again.

A publisher and a subscriber join in the middle, as the recorder's did, and must see the same.
The libraries themselves drive the backend in `test_application_clients`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK

from tests.classroom.recordings import RECORDINGS
from tests.classroom_backend.people import Person
from tests.classroom_backend.replay import Renaming, comparable
from tests.classroom_backend.running import Answer, Backend
from tests.classroom_backend.stage import CREDENTIALS

RECORDED = sorted(file.stem for file in (RECORDINGS / "clients").glob("*.json"))

#: Answered otherwise: the real server stumbles over a missing folder.
DIFFERENT = {("GET", "/api/recordings")}
#: What belongs to one connection, or is another here.
_OWN_HEADERS = {"host", "content-length", "connection", "accept-encoding"}


@pytest.mark.parametrize("name", RECORDED)
def test_the_same_answers_as_openvidu(name: str, backend: Backend) -> None:
    recorded = json.loads((RECORDINGS / "clients" / f"{name}.json").read_text())
    names = Renaming(backend.authority)
    people: dict[str, Person] = {}
    for exchange in recorded["http"]:
        request, answer = exchange["request"], exchange["response"]
        session = request["path"].removeprefix("/api/sessions/")
        if request["method"] == "GET" and session != request["path"] and not people:
            people = _join(session, recorded, names, backend)
        if answer["status"] != 401:  # later ones were let in by a cookie, which is not emulated
            request["headers"].setdefault("Authorization", f"Basic {CREDENTIALS}")
        found = _ask(request, names, backend)
        if (request["method"], request["path"]) in DIFFERENT:
            continue
        assert found.status == answer["status"], request["path"]
        names.learn(answer["body"], found.body)
        theirs, ours = (_of(body, recorded) for body in (answer["body"], found.body))
        assert comparable(ours, backend.authority) == comparable(theirs, backend.authority)
    for peer, person in people.items():
        assert _seen(person, backend) == _saw(peer, recorded, names, backend)


def test_every_recorded_client_is_replayed() -> None:
    assert RECORDED == [
        "openvidu-java-client-2.13.0",
        "openvidu-node-client-2.12.0",
        "openvidu-node-client-2.14.0",
    ]


def _join(
    session: str, recorded: dict[str, Any], names: Renaming, backend: Backend
) -> dict[str, Person]:
    """The recorder's own two participants, with the tokens that the client got."""
    people = {}
    tokens = [
        exchange["response"]["body"]["token"]
        for exchange in recorded["http"]
        if exchange["request"]["path"] == "/api/tokens" and exchange["response"]["status"] == 200
    ]
    for peer, token in zip("AB", tokens, strict=True):
        person = people[peer] = Person(backend)
        person.join_with(names.here(session), names.here(token), metadata=f"client {peer}")
        results = [frame["result"] for frame in _frames(peer, recorded) if "result" in frame]
        names.learn(results[0]["id"], person.connection_id)
        if peer == "A":
            names.learn(results[1]["id"], person.publish())
        else:
            person.receive(people["A"])
    return people


def _ask(request: dict[str, Any], names: Renaming, backend: Backend) -> Answer:
    headers = {
        key: value for key, value in request["headers"].items() if key.lower() not in _OWN_HEADERS
    }
    body = request.get("body")
    text = None if body is None else names.here(json.dumps(body))
    return backend.ask(request["method"], names.here(request["path"]), headers, text)


def _of(body: Any, recorded: dict[str, Any]) -> Any:
    """A list of sessions without those that were there before the client came."""
    if not isinstance(body, dict) or "numberOfElements" not in body:
        return body
    own = [
        exchange["response"]["body"]["createdAt"]
        for exchange in recorded["http"]
        if exchange["request"]["path"] == "/api/sessions"
        and (exchange["response"]["body"] or {}).get("createdAt")
    ]
    first = min(own)
    return [one for one in body["content"] if one["createdAt"] >= first]


def _frames(peer: str, recorded: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        entry["frame"]
        for entry in recorded["what_the_participants_saw"]
        if entry["peer"] == peer and entry["dir"] == "s2c"
    ]


def _saw(
    peer: str, recorded: dict[str, Any], names: Renaming, backend: Backend
) -> list[dict[str, Any]]:
    """What a participant was told; an eviction twice, which the backend tells once."""
    told: list[dict[str, Any]] = []
    for frame in _frames(peer, recorded):
        here = json.loads(names.here(json.dumps(frame)))
        if "method" in frame and here not in told:
            told.append(here)
    return [comparable(frame, backend.authority) for frame in told]


def _seen(person: Person, backend: Backend) -> list[dict[str, Any]]:
    """What a participant was told until the server closed its socket."""
    told = list(person.inbox)
    with pytest.raises(ConnectionClosedOK):
        told.extend(iter(person.next_frame, None))
    return [comparable(frame, backend.authority) for frame in told]
