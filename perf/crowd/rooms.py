"""The classrooms of one crowd: who is in them in which part, and who takes whose stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.classroom.token import Token
from perf.crowd.link import Reader
from perf.crowd.people import Decoding, Stream, Student, Subscription
from perf.profiles import OBSERVERS, STUDENT, Part, Profile


@dataclass
class Person:
    """Somebody in a classroom. ``who`` is its name in the crowd."""

    who: str
    part: str
    body: Student | Decoding
    #: Streams that it takes, or is about to.
    taking: set[str] = field(default_factory=set)


@dataclass
class Room:
    """One classroom: ``streams`` has who sends each, in which part."""

    people: dict[str, Person] = field(default_factory=dict)
    streams: dict[str, tuple[Person, Stream]] = field(default_factory=dict)


class Rooms:
    """Everybody of one crowd, by profile and part."""

    def __init__(self, api: str, ca: Path | None, profile: Profile, timeout: float) -> None:
        self.reader = Reader()
        self.rooms: dict[int, Room] = {}
        self._api = api
        self._ca = ca
        self._profile = profile
        self._timeout = timeout
        self._at: dict[str, Room] = {}

    async def join(self, room: int, who: str, part: str, token: Token) -> float:
        """Join, no media yet; the seconds that it took. Raises `LabError`."""
        started = time.monotonic()
        body: Student | Decoding
        if part == "decoding":
            body = await Decoding.join(self._api, token, ca=self._ca, timeout=self._timeout)
        else:
            body = await Student.join(
                self._api, token, self.reader, ca=self._ca, timeout=self._timeout
            )
        joined = time.monotonic() - started
        found = self.rooms.setdefault(room, Room())
        found.people[who] = Person(who, part, body)
        self._at[who] = found
        return joined

    async def engage(self, who: str) -> None:
        """Send, if that is one's part, and take what there is to take. Raises `LabError`."""
        room = self._at[who]
        person = room.people[who]
        work: list[Coroutine[Any, Any, None]] = []
        sends = self._part(person.part).sends
        if sends is not None:
            assert isinstance(person.body, Student), "observers send nothing"
            stream = await person.body.publish(
                audio=sends.audio, video=sends.video, timeout=self._timeout
            )
            room.streams[stream.id] = (person, stream)
            work += [self._take(other, person, stream) for other in room.people.values()]
        work += [self._take(person, *sent) for sent in [*room.streams.values()]]
        failures = await asyncio.gather(*work, return_exceptions=True)
        for failure in failures:
            if isinstance(failure, BaseException):
                raise failure

    async def _take(self, person: Person, sender: Person, stream: Stream) -> None:
        """Have somebody take a stream, if that is its part and it does not yet."""
        wanted = self._part(person.part).takes
        if person is sender or sender.part not in wanted or stream.id in person.taking:
            return
        person.taking.add(stream.id)
        media = tuple(stream.sent)
        if isinstance(person.body, Decoding):
            await person.body.take(stream.id, media, timeout=self._timeout)
        else:
            await person.body.take(
                stream.id, media, decrypt=person.part == "decrypting", timeout=self._timeout
            )

    def _part(self, name: str) -> Part:
        """A part; observers are students who send nothing."""
        if name in OBSERVERS:
            return Part(takes=self._profile.parts[STUDENT].takes)
        return self._profile.parts[name]

    async def leave(self, who: str) -> float:
        """Leave; the seconds until the server had let go. Raises `LabError`."""
        room = self._at.pop(who)
        person = room.people.pop(who)
        return await person.body.leave(timeout=self._timeout)

    def subscriptions(self) -> list[tuple[Person, Subscription, Stream]]:
        """Everything that is taken now and still sent."""
        return [
            (person, subscription, room.streams[subscription.stream][1])
            for room in self.rooms.values()
            for person in room.people.values()
            for subscription in person.body.subscriptions
            if subscription.stream in room.streams
        ]

    @property
    def students(self) -> int:
        """How many students are in, of all classrooms."""
        everybody = (person for room in self.rooms.values() for person in room.people.values())
        return sum(person.part == STUDENT for person in everybody)

    async def close(self) -> None:
        """Everybody goes at once."""
        everybody = [person for room in self.rooms.values() for person in room.people.values()]
        await asyncio.gather(*(person.body.close() for person in everybody), return_exceptions=True)
        self.reader.close()
