"""The classrooms of one crowd: who is in them in which part, and who takes whose stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from lab.classroom.token import Token
from perf.crowd.chromium import InBrowser
from perf.crowd.link import Reader
from perf.crowd.people import Decoding, Stream, Student, Subscription
from perf.profiles import BROWSER, OBSERVERS, STUDENT, Part, Profile

Body: TypeAlias = Student | Decoding | InBrowser


@dataclass
class Person:
    """Somebody in a classroom. ``who`` is its name in the crowd."""

    who: str
    part: str
    body: Body
    #: Streams that it takes, or is about to.
    taking: set[str] = field(default_factory=set)


@dataclass
class Room:
    """One classroom of a use case: ``streams`` has who sends each, in which part."""

    use_case: str
    profile: Profile
    people: dict[str, Person] = field(default_factory=dict)
    streams: dict[str, tuple[Person, Stream]] = field(default_factory=dict)


class Taken(NamedTuple):
    """A stream that somebody takes."""

    use_case: str
    person: Person
    subscription: Subscription
    stream: Stream


class Rooms:
    """Everybody of one crowd; ``profiles`` are the use cases that it plays beside each other."""

    def __init__(
        self, api: str, ca: Path | None, profiles: Mapping[str, Profile], timeout: float
    ) -> None:
        self.reader = Reader()
        self.rooms: dict[tuple[str, int], Room] = {}
        self._api = api
        self._ca = ca
        self._profiles = profiles
        self._timeout = timeout
        self._at: dict[str, Room] = {}

    async def join(self, use_case: str, room: int, who: str, part: str, token: Token) -> float:
        """Join, no media yet; the seconds that it took. Raises `LabError`."""
        started = time.monotonic()
        body: Body
        if part == "decoding":
            body = await Decoding.join(self._api, token, ca=self._ca, timeout=self._timeout)
        elif part == BROWSER:
            body = await InBrowser.join(self._api, token, ca=self._ca)
        else:
            body = await Student.join(
                self._api, token, self.reader, ca=self._ca, timeout=self._timeout
            )
        joined = time.monotonic() - started
        found = self.rooms.setdefault((use_case, room), Room(use_case, self._profiles[use_case]))
        found.people[who] = Person(who, part, body)
        self._at[who] = found
        return joined

    async def engage(self, who: str) -> None:
        """Send, if that is one's part, and take what there is to take. Raises `LabError`."""
        room = self._at[who]
        person = room.people[who]
        work: list[Coroutine[Any, Any, None]] = []
        sends = _part(room, person).sends
        if sends is not None:
            assert isinstance(person.body, Student), "observers send nothing"
            stream = await person.body.publish(
                audio=sends.audio, video=sends.video, timeout=self._timeout
            )
            room.streams[stream.id] = (person, stream)
            work += [self._take(room, other, person, stream) for other in room.people.values()]
        work += [self._take(room, person, *sent) for sent in [*room.streams.values()]]
        failures = await asyncio.gather(*work, return_exceptions=True)
        for failure in failures:
            if isinstance(failure, BaseException):
                raise failure

    async def _take(self, room: Room, person: Person, sender: Person, stream: Stream) -> None:
        """Have somebody take a stream, if that is its part and it does not yet."""
        wanted = _part(room, person).takes
        if person is sender or sender.part not in wanted or stream.id in person.taking:
            return
        person.taking.add(stream.id)
        media = tuple(stream.sent)
        if isinstance(person.body, InBrowser):
            person.body.take(stream.id, media)
        elif isinstance(person.body, Decoding):
            await person.body.take(stream.id, media, timeout=self._timeout)
        else:
            await person.body.take(
                stream.id, media, decrypt=person.part == "decrypting", timeout=self._timeout
            )

    async def leave(self, who: str) -> float:
        """Leave; the seconds until the server had let go. Raises `LabError`."""
        room = self._at.pop(who)
        person = room.people.pop(who)
        return await person.body.leave(timeout=self._timeout)

    def subscriptions(self) -> list[Taken]:
        """Everything that is taken now and still sent."""
        return [
            Taken(room.use_case, person, subscription, room.streams[subscription.stream][1])
            for room in self.rooms.values()
            for person in room.people.values()
            for subscription in person.body.subscriptions
            if subscription.stream in room.streams
        ]

    def students(self, use_case: str) -> int:
        """How many students of a use case are in."""
        rooms = (room for room in self.rooms.values() if room.use_case == use_case)
        return sum(p.part == STUDENT for room in rooms for p in room.people.values())

    @property
    def use_cases(self) -> tuple[str, ...]:
        return tuple(self._profiles)

    async def close(self) -> None:
        """Everybody goes at once."""
        everybody = [person for room in self.rooms.values() for person in room.people.values()]
        await asyncio.gather(*(person.body.close() for person in everybody), return_exceptions=True)
        self.reader.close()


def _part(room: Room, person: Person) -> Part:
    """What somebody plays; observers are students who send nothing."""
    if person.part in (*OBSERVERS, BROWSER):
        return Part(takes=room.profile.parts[STUDENT].takes)
    return room.profile.parts[person.part]
