"""Recorded requests to openvidu-server 2.13.0, sent to the backend: the same answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.classroom.recordings import exchange
from tests.classroom_backend.exchanges import (
    ACTIVE,
    COMPARED,
    CREATING,
    CUT_TAILS,
    DIFFERENT,
    GONE,
    LISTS,
    MAKERS,
    NOT_EMULATED,
    OWN_SETTINGS,
    RECORDED,
    REPEATED,
    REPLAYED,
    TELLING,
)
from tests.classroom_backend.people import Person
from tests.classroom_backend.replay import Renaming, comparable
from tests.classroom_backend.running import Answer, Backend, running_backend

#: What the recorder put where it cut a long text.
_CUT = re.compile(r"(.)…\[(\d+) characters in all\]$", re.DOTALL)


@pytest.mark.parametrize("names", TELLING, ids=lambda names: names[0])
def test_the_same_answer_as_an_openvidu_that_tells(names: tuple[str, ...], tmp_path: Path) -> None:
    with running_backend(tmp_path, "--cdr", "cdr", *TELLING[names]) as backend:
        for name in names:
            recorded = exchange(name)
            found = _send(recorded.request, Renaming(backend.authority), backend)
            _compare(recorded.response, found, backend)


@pytest.mark.parametrize("name", [name for name in REPLAYED if name not in sum(TELLING, ())])
def test_the_same_answer_as_openvidu(name: str, backend: Backend) -> None:
    recorded = exchange(name)
    request = _whole(name, recorded.request)
    renaming = Renaming(backend.authority)
    people = _prepare(name, request, renaming, backend)
    try:
        if name in LISTS:
            people = _list(recorded.body["content"], renaming, backend)
        if name in REPEATED:
            _send(request, renaming, backend)
        found = _send(request, renaming, backend)
    finally:
        for person in people:
            person.close()
    _compare(recorded.response, found, backend)


def test_each_exchange_is_in_exactly_one_class() -> None:
    assert len(RECORDED) == len(REPLAYED) + len(DIFFERENT) + len(NOT_EMULATED)
    assert {*RECORDED} == {*REPLAYED} | DIFFERENT.keys() | NOT_EMULATED.keys()
    assert len(REPLAYED) == 235


def _whole(name: str, request: dict[str, Any]) -> dict[str, Any]:
    """A recorded request with the long text that the recorder cut out of it."""
    tail = CUT_TAILS.get(name)
    if tail is None:
        return request
    key = "path" if request["body_text"] is None else "body_text"
    cut = _CUT.search(request[key])
    assert cut is not None
    head = request[key][: cut.start()]
    return {**request, key: head + cut[1] * (int(cut[2]) - len(head) - len(tail)) + tail}


def _list(content: list[dict[str, Any]], renaming: Renaming, backend: Backend) -> list[Person]:
    """Make sessions as they were listed, with whoever was in them."""
    people: list[Person] = []
    shown = ("sessionId", "createdAt", "connections", "recording")
    for session in content:
        if session["sessionId"] in ACTIVE:
            people += _fill(session["sessionId"], ACTIVE[session["sessionId"]], renaming, backend)
        else:
            options = {key: value for key, value in session.items() if key not in shown}
            headers = exchange("sessions-create-empty-object").request["headers"]
            answer = backend.ask("POST", "/api/sessions", headers, json.dumps(options))
            assert answer.status == 200
    return people


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
    for key in COMPARED:
        assert found.headers.get(key) == headers.get(key), key
    assert _words(found.headers.get("allow")) == _words(headers.get("allow"))
    if headers.get("content-type") is not None:
        ours = (found.headers.get("content-type") or "").replace(" ", "").lower()
        assert ours == headers["content-type"].lower()
    if recorded["body"] is None or isinstance(recorded["body"], str):
        expected = comparable(recorded["body_text"] or "", backend.authority)
        assert comparable(found.text, backend.authority) == expected
    else:
        expected = comparable(_uncut(recorded["body"]), backend.authority)
        answer = comparable(found.body, backend.authority)
        if isinstance(expected, dict) and "VERSION" in expected:
            expected, answer = _settings(expected), _settings(answer)
        assert answer == expected


def _uncut(body: Any) -> Any:
    """A recorded answer with the long texts that the recorder cut out of it."""
    if not isinstance(body, dict):
        return body
    return {
        key: _CUT.sub(lambda cut: cut[1] * (int(cut[2]) - cut.start()), value)
        if isinstance(value, str)
        else value
        for key, value in body.items()
    }


def _words(value: str | None) -> set[str]:
    return set((value or "").replace(" ", "").split(","))


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """/config without what every server has of its own."""
    assert config.keys() >= OWN_SETTINGS
    return {key: value for key, value in config.items() if key not in OWN_SETTINGS}
