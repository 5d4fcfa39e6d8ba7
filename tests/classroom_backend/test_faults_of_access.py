"""Each fault of access, sessions, roles and signals spoils its act, and is gone when cleared."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from websockets.exceptions import ConnectionClosed

from lab.classroom.endpoint import handshake
from lab.classroom.errors import RestRefused
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from lab.errors import SystemDown
from tests.classroom_backend.people import Person
from tests.classroom_backend.running import Backend, new_session_id


@dataclass
class Scene:
    """A session of its own, and whoever an act brings into it."""

    backend: Backend
    api: ClassroomApi
    people: list[Person] = field(default_factory=list)
    session: str = ""

    def enter(self, role: str = "PUBLISHER") -> Person:
        if not self.session:
            self.session = self.api.create_session().id
        person = Person(self.backend)
        self.people.append(person)
        person.join(self.session, role)
        return person

    def status(self, method: str, path: str, body: object = None, user: str | None = None) -> int:
        """What a call is answered that brings the secret by ``user``, or nothing at all."""
        headers = {"Content-Type": "application/json"}
        if user is not None:
            pair = base64.b64encode(f"{user}:MY_SECRET".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return self.backend.ask(method, path, headers, json.dumps(body)).status


def _untrusted(scene: Scene) -> bool:
    with ClassroomApi(scene.backend.url, None, ca=scene.backend.ca) as stranger:
        try:
            return not stranger.public_url()
        except SystemDown as refused:
            return "self-signed" in str(refused)


def _id_ignored(scene: Scene) -> bool:
    wanted = new_session_id()
    return scene.api.create_session(wanted).id != wanted


def _duplicate(scene: Scene) -> bool:
    session = scene.api.create_session(new_session_id()).id
    try:
        return scene.api.create_session(session).id == session
    except RestRefused:
        return False


def _close_reason(scene: Scene) -> bool:
    person = scene.enter()
    scene.api.close_session(scene.session)
    return _reason(person) == "disconnect"


def _session_stays(scene: Scene) -> bool:
    scene.enter().call("leaveRoom")
    return scene.session in {one.id for one in scene.api.sessions()}


def _evicted_stays(scene: Scene) -> bool:
    person = scene.enter()
    scene.api.disconnect(scene.session, person.connection_id)
    return scene.session in {one.id for one in scene.api.sessions()}


def _missing_ended(scene: Scene) -> bool:
    path = f"/api/sessions/{scene.api.create_session().id}/connection/con_x"
    return scene.status("DELETE", path, user="OPENVIDUAPP") == 204


def _stream_stays(scene: Scene) -> bool:
    person = scene.enter()
    scene.api.unpublish(scene.session, person.publish())
    [connection] = scene.api.session(scene.session).connections.content
    return bool(connection.publishers)


def _listing_bare(scene: Scene) -> bool:
    scene.enter("SUBSCRIBER")
    [connection] = scene.api.session(scene.session).connections.content
    return (connection.role, connection.platform) == (Role.PUBLISHER, "")


def _role_first(scene: Scene) -> bool:
    wrong = {"session": "nowhere", "role": "TEACHER"}
    return scene.status("POST", "/api/tokens", wrong, "OPENVIDUAPP") == 400


def _role_unchecked(scene: Scene) -> bool:
    wrong = {"session": scene.api.create_session().id, "role": "TEACHER"}
    return scene.status("POST", "/api/tokens", wrong, "OPENVIDUAPP") == 200


def _admits(scene: Scene, change: Callable[[str], str]) -> bool:
    session = scene.api.create_session().id
    url = scene.api.create_token(session, Role.SUBSCRIBER).url
    person = Person(scene.backend)
    scene.people.append(person)
    return "result" in person.join_with(session, change(url))


def _silence_tolerated(scene: Scene) -> bool:
    person = scene.enter()
    person.call("ping", interval=100)
    try:
        person.next_frame(timeout=0.8)
    except TimeoutError:
        return True
    except ConnectionClosed:
        return False
    raise AssertionError("nothing was to be told")


def _subscriber_publishes(scene: Scene) -> bool:
    with suppress(KeyError):
        return bool(scene.enter("SUBSCRIBER").publish())
    return False


def _anyone_moderates(scene: Scene) -> bool:
    one, other = scene.enter(), scene.enter()
    return "result" in one.call("forceDisconnect", connectionId=other.connection_id)


def _evict_reason(scene: Scene) -> bool:
    teacher, student = scene.enter("MODERATOR"), scene.enter()
    teacher.call("forceDisconnect", connectionId=student.connection_id)
    return _reason(student) == "disconnect"


def _unpublish_untold(scene: Scene) -> bool:
    teacher, student = scene.enter("MODERATOR"), scene.enter()
    teacher.call("forceUnpublish", streamId=student.publish())
    return "participantUnpublished" not in {one["method"] for one in student.notices()}


def _presence_hidden(scene: Scene) -> bool:
    scene.enter()
    person = Person(scene.backend)
    scene.people.append(person)
    return person.join(scene.session)["value"] == []


def _signal(to: list[int], heard_by: list[int]) -> Callable[[Scene], bool]:
    """Whether what the first of three signals to some reaches just these."""

    def act(scene: Scene) -> bool:
        people = [scene.enter() for _ in range(3)]
        people[1].publish()
        for person in people:
            person.notices()
        wanted = [people[number].connection_id for number in to]
        people[0].call("sendMessage", message=json.dumps({"to": wanted, "data": "x", "type": "t"}))
        heard = [number for number, person in enumerate(people) if person.notices()]
        return heard == heard_by

    return act


def _signal_forged(scene: Scene) -> bool:
    person = scene.enter()
    scene.api.signal(scene.session, "bell")
    return "from" in person.notices()[0]["params"]


def _signal_unchecked(scene: Scene) -> bool:
    person = scene.enter()
    answer = person.call("sendMessage", message='{"to":["con_x"],"data":"","type":"t"}')
    wrong = {"session": scene.session, "to": ["con_x"]}
    by_rest = scene.status("POST", "/api/signal", wrong, "OPENVIDUAPP")
    return "result" in answer and by_rest == 200


def _reason(person: Person) -> str:
    """Why its participantEvicted says that it was."""
    while True:
        frame = person.inbox.pop(0) if person.inbox else person.next_frame()
        if frame.get("method") == "participantEvicted":
            return str(frame["params"]["reason"])


ACTS: dict[str, Callable[[Scene], bool]] = {
    "nobody-asked": lambda scene: scene.status("GET", "/config") == 200,
    "any-user": lambda scene: scene.status("GET", "/config", user="SOMEBODY") == 200,
    "public-closed": lambda scene: scene.status("GET", "/config/openvidu-publicurl") == 401,
    "handshake-open": lambda scene: (
        handshake(scene.backend.url, ca=scene.backend.ca, credentials=("OPENVIDUAPP", "no")) == 101
    ),
    "foreign-certificate": _untrusted,
    "errors-bare": lambda scene: (
        scene.api.ask("POST", "/api/sessions", {"mediaMode": "no"}).text == ""
    ),
    "custom-id-ignored": _id_ignored,
    "duplicate-accepted": _duplicate,
    "close-reason-lost": _close_reason,
    "session-stays": _session_stays,
    "evicted-stays": _evicted_stays,
    "stream-stays": _stream_stays,
    "missing-ended": _missing_ended,
    "listing-bare": _listing_bare,
    "role-first": _role_first,
    "role-unchecked": _role_unchecked,
    "token-unchecked": lambda scene: _admits(scene, lambda url: url.replace("tok_", "tok_x")),
    "token-role-trusted": lambda scene: _admits(
        scene, lambda url: url.replace("role=SUBSCRIBER", "role=MODERATOR")
    ),
    "subscriber-publishes": _subscriber_publishes,
    "anyone-moderates": _anyone_moderates,
    "evict-reason-lost": _evict_reason,
    "unpublish-untold": _unpublish_untold,
    "presence-hidden": _presence_hidden,
    "signal-lost": _signal([], [0]),
    "signal-spreads": _signal([1], [0, 1, 2]),
    "hint-lost": _signal([1, 2], [2]),
    "signal-forged": _signal_forged,
    "signal-unchecked": _signal_unchecked,
    "silence-tolerated": _silence_tolerated,
}


@pytest.fixture
def scenes(shared_backend: Backend) -> Iterator[Callable[[], Scene]]:
    made: list[Scene] = []
    with shared_backend.api() as api:

        def make() -> Scene:
            made.append(Scene(shared_backend, api))
            return made[-1]

        yield make
        for scene in made:
            for person in scene.people:
                person.close()


@pytest.mark.parametrize("name", ACTS)
def test_a_fault_spoils_its_act_while_it_is_on(
    name: str, shared_backend: Backend, scenes: Callable[[], Scene]
) -> None:
    act = ACTS[name]
    assert not act(scenes())
    with shared_backend.fault(f"classroom.{name}"):
        assert act(scenes())
    assert not act(scenes())
