"""Whoever sends nonsense, floods or does not read: the documented answer, or that peer alone goes.

The backend's memory stays bounded, and nothing secret gets into its log.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from lab.classroom.embedded.sockets import OUTBOX_CHARACTERS
from lab.classroom.signalling import MAX_FRAME_CHARACTERS
from lab.classroom.token import Role
from lab.wait import wait_for
from tests.classroom_backend.listening import HEADERS, telling_backend
from tests.classroom_backend.people import Person, recorded_offer
from tests.classroom_backend.running import (
    ADDRESS,
    SECRET,
    Backend,
    new_session_id,
    running_backend,
)
from tests.classroom_backend.sockets import Socket

#: What the allocator may keep of a flood that is over, in MiB.
SLACK_MIB = 12.0


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A backend of this module's own: its memory is measured."""
    with running_backend(tmp_path_factory.mktemp("calm-host")) as backend:
        yield backend


@pytest.fixture
def lesson(backend: Backend) -> Iterator[tuple[Person, Person, Person]]:
    """A teacher, a student, and somebody else who has joined, too."""
    session = new_session_id()
    with backend.api() as api:
        api.create_session(session)
    people = teacher, student, other = Person(backend), Person(backend), Person(backend)
    teacher.join(session, "MODERATOR")
    student.join(session, "SUBSCRIBER")
    other.join(session)
    for person in people:
        person.notices()
    yield teacher, student, other
    for person in people:
        person.close()


def rings(teacher: Person, student: Person) -> float:
    """Seconds that a teacher's signal takes to the student."""
    began = time.monotonic()
    to = [student.connection_id]
    message = {"to": to, "data": f"{began}", "type": "signal:bell"}
    assert "error" not in teacher.call("sendMessage", message=json.dumps(message))
    while True:
        frame = student.next_frame()
        if frame.get("params", {}).get("data") == f"{began}":
            return time.monotonic() - began


# -- nonsense ---------------------------------------------------------------------------

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
#: What each method reads.
_KEYS = {
    "joinRoom": ("token", "session", "secret", "platform", "metadata", "recorder"),
    "connect": ("sessionId",),
    "ping": ("interval", "sessionId"),
    "publishVideo": (
        "sdpOffer", "doLoopback", "hasAudio", "hasVideo", "typeOfVideo", "frameRate", "filter",
    ),
    "receiveVideoFrom": ("sender", "sdpOffer"),
    "reconnectStream": ("stream", "sdpOffer"),
    "unsubscribeFromVideo": ("sender",),
    "onIceCandidate": ("endpointName", "candidate", "sdpMid", "sdpMLineIndex"),
    "sendMessage": ("message",),
    "streamPropertyChanged": ("streamId", "property", "newValue", "reason"),
    "forceDisconnect": ("connectionId",),
    "forceUnpublish": ("streamId",),
    "unpublishVideo": (),
    "nothing": (),
}  # fmt: skip
_VALUES = (
    st.just("1")
    | _SCALARS
    | _JSON
    | _JSON.map(json.dumps)
    | st.sampled_from(("v=0\r\n", "con_a", "1"))
)


def _call(method: str) -> st.SearchStrategy[dict[str, Any]]:
    params = st.fixed_dictionaries(
        {}, optional=dict.fromkeys((*_KEYS[method], "sessionId"), _VALUES)
    ) | st.fixed_dictionaries(dict.fromkeys(_KEYS[method], _VALUES))
    return st.fixed_dictionaries(
        {"method": st.just(method), "id": st.integers(0, 9)},
        optional={"params": params | _JSON, "jsonrpc": _SCALARS},
    )


_CALLS = st.sampled_from(sorted(_KEYS)).flatmap(_call)
_NO_CALLS = st.text(max_size=200) | _JSON.map(lambda value: json.dumps(value, ensure_ascii=False))
_TEXTS = st.tuples(_NO_CALLS, *(_CALLS.map(json.dumps) for _ in range(12)))


#: Of each JSON type.
_EACH_TYPE = (None, True, 7, 1.5, -(2**70), "text", "", [], ["x"], {}, {"a": 1})


@pytest.mark.parametrize("method", [method for method, keys in _KEYS.items() if keys])
def test_each_parameter_may_be_of_any_type(method: str, backend: Backend) -> None:
    """Whatever is refused is refused by an answer: all others come in their order."""
    session = new_session_id()
    with backend.api() as api:
        api.create_session(session)
    person = Person(backend)
    person.join(session, "MODERATOR")
    for key in _KEYS[method]:
        for value in _EACH_TYPE:
            params = {**dict.fromkeys(_KEYS[method], "1"), key: value}
            person.socket.send(json.dumps({"method": method, "params": params, "id": 1}))
    assert person.socket.close_code(0.05) is None
    assert "Traceback" not in backend.log()
    person.close()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=_TEXTS, joined=st.booleans())
def test_no_text_ends_more_than_its_own_socket(
    texts: tuple[str, ...], joined: bool, backend: Backend
) -> None:
    """Nor is there an exception that the backend did not expect."""
    session = new_session_id()
    with backend.api() as api:
        api.create_session(session)
    with ExitStack() as open_:
        witness, fuzzer = Person(backend), Person(backend)
        open_.callback(witness.close)
        open_.callback(fuzzer.close)
        witness.join(session, "MODERATOR")
        if joined:
            fuzzer.join(session, "MODERATOR")
        with suppress(ConnectionClosed):  # one of them may have been leaveRoom
            for text in texts:
                fuzzer.socket.send(text.encode("utf-8", "replace").decode())
        assert fuzzer.socket.close_code(0.02) in {None, 1000}
        assert witness.call("ping")["result"]["value"] == "pong"
    assert "Traceback" not in backend.log()


@settings(max_examples=20, deadline=None)
@given(body=st.binary(max_size=400) | _JSON.map(lambda value: json.dumps(value).encode()))
@pytest.mark.parametrize("path", ["/api/sessions", "/api/tokens", "/api/signal"])
def test_no_body_is_too_much_for_rest(path: str, body: bytes, backend: Backend) -> None:
    credentials = {"Authorization": "Basic T1BFTlZJRFVBUFA6TVlfU0VDUkVU"}
    headers = {**credentials, "Content-Type": "application/json"}
    answer = backend.ask("POST", path, headers, body.decode("latin-1"))
    assert answer.status in {200, 400, 404, 406, 409}, answer.text
    assert "Traceback" not in backend.log()


# -- floods -----------------------------------------------------------------------------


def test_a_flood_of_joins_is_refused_one_by_one(
    backend: Backend, lesson: tuple[Person, Person, Person]
) -> None:
    teacher, student, _ = lesson
    with Socket(backend) as stranger, backend.grows_by_less_than(SLACK_MIB):
        call = stranger.core.call("joinRoom", _bad_join())
        for number in range(1500):
            stranger.send(call.text.replace(f'"id":{call.id}', f'"id":{number}'))
        assert rings(teacher, student) < 1
        codes = [json.loads(stranger.receive())["error"]["code"] for _ in range(1500)]
    assert set(codes) == {202}


def _bad_join() -> dict[str, Any]:
    token = "wss://localhost?sessionId=nowhere&token=tok_0000000000000000&role=PUBLISHER"
    return {
        "token": token, "session": "nowhere", "platform": "", "metadata": "",
        "secret": "", "recorder": False,
    }  # fmt: skip


def test_a_flood_of_sockets_leaves_nothing_behind(backend: Backend) -> None:
    sockets = backend.sockets()
    with backend.grows_by_less_than(2 * SLACK_MIB):
        for _ in range(4):
            with ExitStack() as open_:
                for _ in range(25):
                    open_.enter_context(Socket(backend)).send("{}")
    wait_for("the sockets are gone", lambda: backend.sockets() <= sockets, timeout=10)


def test_a_flood_of_candidates_goes_unheeded(
    backend: Backend, lesson: tuple[Person, Person, Person]
) -> None:
    """Each is answered, but ICE tries the first ones only: the last one's port stays silent."""
    teacher, student, other = lesson
    other.publish()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last,
        backend.grows_by_less_than(SLACK_MIB),
    ):
        for target in (first, last):
            target.bind((ADDRESS, 0))
        ports = [first.getsockname()[1], *(9 for _ in range(1000)), last.getsockname()[1]]
        for number, port in enumerate(ports):
            answer = other.call(
                "onIceCandidate",
                endpointName=other.connection_id,
                candidate=f"candidate:{number} 1 UDP 2015363327 {ADDRESS} {port} typ host",
                sdpMid="0",
                sdpMLineIndex=0,
            )
            assert answer["result"].keys() == {"sessionId"}
        assert rings(teacher, student) < 1
        first.settimeout(5)
        assert first.recv(2000), "the first candidate is tried"
        last.settimeout(1)
        with pytest.raises(TimeoutError):
            last.recv(2000)


# -- slow readers -----------------------------------------------------------------------


def test_a_slow_reader_is_dropped_and_costs_a_bounded_amount(
    backend: Backend, lesson: tuple[Person, Person, Person]
) -> None:
    """40 MB for somebody who reads nothing: no more waits than an outbox may hold."""
    teacher, student, _ = lesson
    with backend.api() as api:
        session = api.sessions()[0].id
        token = api.create_token(session, Role.SUBSCRIBER)
        with Socket(backend, compression=None) as sleeper:
            sleeper.join(token)
            assert sleeper.core.joined is not None
            page = "z" * MAX_FRAME_CHARACTERS
            with backend.grows_by_less_than(OUTBOX_CHARACTERS / 2**20 + SLACK_MIB):
                for _ in range(40_000_000 // MAX_FRAME_CHARACTERS):
                    api.signal(session, "signal:page", page, to=[sleeper.core.joined.id])
                assert rings(teacher, student) < 1
            assert sleeper.close_code() == 1006


def test_an_oversized_message_ends_its_own_socket(
    backend: Backend, lesson: tuple[Person, Person, Person]
) -> None:
    """A message that inflates to 50 MB is not inflated to its end."""
    teacher, student, other = lesson
    with backend.grows_by_less_than(SLACK_MIB):
        other.socket.send("z" * 50_000_000)
        assert other.socket.close_code() == 1009
        assert rings(teacher, student) < 1


# -- secrets ----------------------------------------------------------------------------


def test_nothing_secret_gets_into_the_log(tmp_path: Path) -> None:
    """With webhooks that fail, refused joins, unreadable bodies and wrong credentials."""
    with telling_backend(tmp_path) as (backend, _), backend.api() as api:
        session = new_session_id()
        api.create_session(session)
        spent, unused = (api.create_token(session, Role.PUBLISHER) for _ in range(2))
        person, late = Person(backend), Person(backend)
        person.join_with(session, spent.url)
        assert late.join_with(session, spent.url)["error"]["code"] == 401
        late.socket.send(f'{{"method": "joinRoom", "params": "{unused.url}"')
        late.call("joinRoom", token=[unused.url], session=session, secret=SECRET)
        late.call("publishVideo", sdpOffer=recorded_offer("publishVideo"), hasAudio=unused.url)
        backend.ask("POST", "/api/tokens", {"Authorization": f"Basic {SECRET}"}, unused.url)
        person.call("leaveRoom")
        late.close()
        person.close()
        wait_for("webhooks are lost", lambda: "is lost" in backend.log(), timeout=10)
    log = backend.log()
    secrets = [SECRET, *(header.partition(": ")[2] for header in HEADERS), "tok_", "ice-pwd"]
    secrets.remove("yes")
    assert [secret for secret in secrets if secret in log] == []
