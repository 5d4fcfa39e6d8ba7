"""Faults of events and of the backend's calm: each spoils its one act, and nothing when cleared."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from lab.classroom.records import Happening, Record
from lab.classroom.signalling import MAX_FRAME_CHARACTERS
from lab.classroom.token import Role
from lab.classroom.webhook import WebhookReceiver
from tests.classroom_backend.listening import cdr_lines, telling_backend
from tests.classroom_backend.people import Person
from tests.classroom_backend.running import Backend, new_session_id
from tests.classroom_backend.sockets import Socket

#: How long events that come may take (s), and how long one is waited for that must not come.
TIMEOUT_S, QUIET_S = 10.0, 0.3


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backend, str]]:
    with telling_backend(tmp_path_factory.mktemp("calm-host")) as found:
        yield found


def visit(backend: Backend, *, leave: bool = True) -> tuple[str, float]:
    """Somebody joins a session of its own, and leaves; the session, and how long joining took."""
    session = new_session_id()
    with backend.api() as api:
        api.create_session(session)
        token = api.create_token(session, Role.PUBLISHER)
    person = Person(backend)
    began = time.monotonic()
    person.join_with(session, token.url)
    took = time.monotonic() - began
    if leave:
        person.call("leaveRoom")
    person.close()
    return session, took


def over(records: list[Record]) -> bool:
    return bool(records) and records[-1].event is Happening.SESSION_DESTROYED


def test_events_are_lost_but_written_down(telling: tuple[Backend, str]) -> None:
    backend, url = telling
    with WebhookReceiver(url) as receiver:
        with backend.fault("classroom.webhook-lost"):
            session, _ = visit(backend)
            assert receiver.wait_for(session, over, timeout=QUIET_S) == []
            assert len(cdr_lines(backend, session)) == 4
        with backend.fault("classroom.cdr-lost"):
            session, _ = visit(backend)
            assert len(receiver.wait_for(session, over, timeout=TIMEOUT_S)) == 4
            assert cdr_lines(backend, session) == []
        session, _ = visit(backend)
        assert len(receiver.wait_for(session, over, timeout=TIMEOUT_S)) == 4
        assert len(cdr_lines(backend, session)) == 4


def test_an_event_is_late(telling: tuple[Backend, str]) -> None:
    backend, url = telling
    with WebhookReceiver(url) as receiver:
        with backend.fault("classroom.webhook-late"):
            session, _ = visit(backend)
            assert receiver.wait_for(session, over, timeout=QUIET_S) == []
        assert len(receiver.wait_for(session, over, timeout=TIMEOUT_S)) == 4


def test_reasons_are_lost(telling: tuple[Backend, str]) -> None:
    backend, url = telling

    def reasons() -> set[str | None]:
        session = new_session_id()
        with backend.api() as api:
            api.create_session(session)
            person = Person(backend)
            person.join(session)
            api.close_session(session)
            person.close()
        return {record.reason for record in receiver.wait_for(session, over, timeout=TIMEOUT_S)}

    with WebhookReceiver(url) as receiver:
        with backend.fault("classroom.event-reason-lost"):
            assert reasons() == {None, "disconnect"}
        assert reasons() == {None, "sessionClosedByServer"}


def test_a_failing_endpoint_gets_it_again_and_holds_joins_up(telling: tuple[Backend, str]) -> None:
    backend, url = telling
    with WebhookReceiver(url, answer=500) as receiver:
        with backend.fault("classroom.webhook-repeated"):
            session, _ = visit(backend)
            told = receiver.wait_for(session, lambda all_: len(all_) == 8, timeout=TIMEOUT_S)
            assert len(told) == 8
        session, _ = visit(backend)
        assert len(receiver.wait_for(session, over, timeout=TIMEOUT_S)) == 4
        with backend.fault("classroom.join-awaits-webhook"):
            assert visit(backend)[1] > 1.4
        assert visit(backend)[1] < 1


def is_closed_by(spoil: Callable[[Socket], None], backend: Backend) -> int | None:
    with Socket(backend) as socket:
        spoil(socket)
        return socket.close_code(QUIET_S)


def test_garbage_closes_and_length_does_not(telling: tuple[Backend, str]) -> None:
    backend, _ = telling

    def garbage(socket: Socket) -> None:
        socket.send("{")

    def long_ping(socket: Socket) -> None:
        ping = {"method": "ping", "id": 1, "params": {"x": "z" * MAX_FRAME_CHARACTERS}}
        socket.send(json.dumps(ping))

    with backend.fault("classroom.garbage-fatal"):
        assert is_closed_by(garbage, backend) == 1002
    assert is_closed_by(garbage, backend) is None
    with backend.fault("classroom.oversize-taken"):
        assert is_closed_by(long_ping, backend) is None
    assert is_closed_by(long_ping, backend) == 1009


def test_a_flood_blocks_everybody(telling: tuple[Backend, str]) -> None:
    backend, _ = telling
    session = new_session_id()
    with backend.api() as api:
        api.create_session(session)
        used = api.create_token(session, Role.PUBLISHER)

    def answers_in() -> float:
        with Socket(backend) as flooder:
            call = flooder.core.join_room(used).text
            for _ in range(150):
                flooder.send(call)
            began = time.monotonic()
            witness.call("ping")
            took = time.monotonic() - began
            flooder.abort()
        return took

    witness = Person(backend)
    witness.join_with(session, used.url)
    with backend.fault("classroom.flood-blocks"):
        assert answers_in() > 1
    assert answers_in() < 1
    witness.close()


def test_a_slow_reader_blocks_everybody(telling: tuple[Backend, str]) -> None:
    """From some moment on: until then the kernel takes what nobody reads."""
    backend, _ = telling
    session = new_session_id()
    with backend.api() as api:
        api.create_session(session)
        asleep = api.create_token(session, Role.SUBSCRIBER)
        witness = Person(backend)
        witness.join(session)

        def unanswered(pages: int) -> bool:
            """Whether a ping stays without answer while ``pages`` go to who does not read."""
            with Socket(backend, compression=None) as sleeper:
                sleeper.join(asleep)
                assert sleeper.core.joined is not None
                to = [sleeper.core.joined.id]
                try:
                    for _ in range(pages):
                        api.signal(session, "page", "z" * MAX_FRAME_CHARACTERS, to=to)
                        witness.socket.send('{"method": "ping", "id": 1}')
                        while "pong" not in witness.socket.receive(QUIET_S):
                            pass
                except TimeoutError:
                    return True
                finally:
                    sleeper.abort()
                return False

        with backend.fault("classroom.slow-reader-blocks"):
            assert unanswered(200)
        while "pong" not in witness.socket.receive():
            pass
        asleep = api.create_token(session, Role.SUBSCRIBER)
        assert not unanswered(200)
        witness.close()
