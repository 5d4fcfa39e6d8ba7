"""Joining, leaving and being thrown out, in a live backend: limits, races, heartbeats, roles."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from lab.classroom.embedded.model import SessionOptions, Sessions
from lab.classroom.embedded.sockets import OUTBOX_CHARACTERS
from lab.classroom.signalling import (
    CLOSE_REASON_NO_PING,
    MAX_FRAME_CHARACTERS,
    RECONNECTION_GRACE_S,
)
from lab.classroom.token import Role
from tests.classroom_backend.people import Person
from tests.classroom_backend.running import Backend, new_session_id

#: More than a connection's buffers hold, in bytes.
KERNEL_BUFFERS = 16_000_000


class Class:
    """A new session and whoever joins it."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.session = new_session_id()
        self._people: list[Person] = []
        with backend.api() as api:
            api.create_session(self.session)

    def join(self, role: str = "PUBLISHER") -> Person:
        person = Person(self.backend)
        self._people.append(person)
        person.join(self.session, role)
        return person

    def connections(self) -> set[str]:
        with self.backend.api() as api:
            return {found.connection_id for found in api.session(self.session).connections.content}

    def close(self) -> None:
        for person in self._people:
            person.close()


@pytest.fixture
def lesson(shared_backend: Backend) -> Iterator[Class]:
    lesson = Class(shared_backend)
    yield lesson
    lesson.close()


def test_of_twenty_joins_at_once_with_one_token_one_wins(shared_backend: Backend) -> None:
    session = new_session_id()
    with shared_backend.api() as api:
        api.create_session(session)
        token = api.create_token(session, Role.PUBLISHER).url
    call = {
        "jsonrpc": "2.0",
        "method": "joinRoom",
        "id": 1,
        "params": {
            "token": token, "session": session, "platform": "", "metadata": "", "secret": "",
        },
    }  # fmt: skip

    async def race() -> list[dict[str, object]]:
        where = f"wss://{shared_backend.authority}/openvidu"
        sockets = await asyncio.gather(
            *(connect(where, ssl=shared_backend.tls, proxy=None) for _ in range(20))
        )
        await asyncio.gather(*(socket.send(json.dumps(call)) for socket in sockets))
        answers = [json.loads(text) for text in await asyncio.gather(*(s.recv() for s in sockets))]
        await asyncio.gather(*(socket.close() for socket in sockets))
        return answers

    answers = asyncio.run(asyncio.wait_for(race(), 20))
    assert sorted(answer.get("error", {}).get("code", 0) for answer in answers) == [0] + [401] * 19


@pytest.mark.parametrize(
    ("message", "code"),
    [("x" * (MAX_FRAME_CHARACTERS + 1), 1009), ("x" * 300_000, 1009), (b"\0", 1003)],
    ids=["long", "very long", "binary"],
)
def test_a_frame_that_is_too_long_or_binary_ends_the_socket(
    message: str | bytes, code: int, shared_backend: Backend
) -> None:
    person = Person(shared_backend)
    person.socket.send(message)
    with pytest.raises(ConnectionClosed) as end:
        person.next_frame()
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == code
    person.close()


def test_a_frame_of_the_greatest_length_is_served_whatever_its_bytes(lesson: Class) -> None:
    person = lesson.join()
    frame = {"jsonrpc": "2.0", "method": "ping", "id": 7, "filler": ""}
    frame["filler"] = "ü" * (MAX_FRAME_CHARACTERS - len(json.dumps(frame)))
    person.socket.send(json.dumps(frame, ensure_ascii=False))
    assert person.next_frame()["id"] == 7


def test_who_does_not_read_is_given_up_and_holds_nobody_back(lesson: Class) -> None:
    stuck, talker = lesson.join("SUBSCRIBER"), lesson.join()
    noise = secrets.token_urlsafe(37_000)  # WebSocket compression cannot make it much smaller
    signal = json.dumps({"to": [stuck.connection_id], "data": noise})
    flood = OUTBOX_CHARACTERS + KERNEL_BUFFERS
    for _ in range(flood // len(signal)):
        assert "result" in talker.call("sendMessage", message=signal)
    with pytest.raises(ConnectionClosed):
        stuck.notices()


def test_silence_after_a_ping_with_an_interval_ends_the_socket(lesson: Class) -> None:
    person = lesson.join()
    person.call("ping", interval=100)
    person.call("ping", interval=60_000)  # only the first interval counts
    started = time.monotonic()
    with pytest.raises(ConnectionClosed) as end:
        person.next_frame(timeout=5)
    assert end.value.rcvd is not None
    assert (end.value.rcvd.code, end.value.rcvd.reason) == (1000, CLOSE_REASON_NO_PING)
    assert 0.2 <= time.monotonic() - started <= 3


def test_whoever_is_cut_off_has_ten_seconds_to_come_back(lesson: Class) -> None:
    """Two go without a word; one resumes, and only the other one has left after the grace.

    That one gave a reason to its close, which makes it a ghost for ever on the real server.
    """
    teacher, lost, back = lesson.join(), lesson.join(), lesson.join()
    rpc_session = back.call("onIceCandidate", endpointName="x", candidate="", sdpMid="0",
                            sdpMLineIndex=0)["result"]["sessionId"]  # fmt: skip
    teacher.notices()
    cut = time.monotonic()
    lost.socket.close(1001, "going away")
    back.socket.abort()
    again = Person(lesson.backend)
    resumed = again.call("connect", sessionId=rpc_session)
    assert resumed["result"] == {"value": "reconnection successful", "sessionId": rpc_session}
    told = [teacher.next_frame(timeout=RECONNECTION_GRACE_S + 5) for _ in range(2)]
    assert time.monotonic() - cut >= RECONNECTION_GRACE_S - 1
    assert [(notice["method"], *notice["params"].values()) for notice in told] == [
        ("participantLeft", lost.connection_id, "networkDisconnect"),
        ("participantEvicted", lost.connection_id, "networkDisconnect"),
    ]
    assert lesson.connections() == {teacher.connection_id, back.connection_id}
    assert again.call("sendMessage", message='{"data": "here"}')["result"]
    assert teacher.notices()[-1]["params"]["from"] == back.connection_id
    again.close()


def test_coming_back_to_a_seat_that_is_gone_fails(shared_backend: Backend) -> None:
    person = Person(shared_backend)
    answer = person.call("connect", sessionId="0" * 26)
    assert answer["error"] == {"code": 40007, "message": "reconnection error"}
    person.close()


def test_joining_again_on_one_socket_leaves_nobody_behind(lesson: Class) -> None:
    """The real server leaves a ghost there; this one moves the participant."""
    watcher, person = lesson.join(), lesson.join()
    first = person.connection_id
    person.join(lesson.session)
    assert lesson.connections() == {watcher.connection_id, person.connection_id}
    told = [(notice["method"], *notice["params"].values()) for notice in watcher.notices()[1:]]
    assert told[0] == ("participantLeft", first, "disconnect")
    assert told[1][:2] == ("participantJoined", person.connection_id)


def test_the_last_to_leave_ends_the_session(lesson: Class) -> None:
    person = lesson.join()
    assert "result" in person.call("leaveRoom")
    with pytest.raises(ConnectionClosed) as end:
        person.next_frame()
    assert end.value.rcvd is not None
    assert (end.value.rcvd.code, end.value.rcvd.reason) == (1000, "")
    with lesson.backend.api() as api:
        assert lesson.session not in [session.id for session in api.sessions()]


def test_only_a_moderator_throws_out(lesson: Class) -> None:
    publisher, subscriber = lesson.join(), lesson.join("SUBSCRIBER")
    refused = publisher.call("forceDisconnect", connectionId=subscriber.connection_id)
    assert refused["error"]["code"] == 401
    assert lesson.connections() == {publisher.connection_id, subscriber.connection_id}


def test_sessions_that_nobody_joins_are_collected_when_they_are_old() -> None:
    sessions = Sessions()
    forgotten = sessions.create(SessionOptions(), now_ms=0)
    joined = sessions.create(SessionOptions(), now_ms=0)
    assert forgotten is not None
    assert joined is not None
    grant = joined.grant("host", Role.PUBLISHER, "", shown_role=Role.PUBLISHER)
    joined.enter(grant, platform="", client_data="", now_ms=0)
    sessions.collect_garbage(created_before_ms=0)
    assert sessions.all() == [forgotten, joined]
    sessions.collect_garbage(created_before_ms=1)
    assert sessions.all() == [joined]
