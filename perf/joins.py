"""Locust users that join a classroom: a teacher is there, students come, stay and leave.

By itself: ``locust -f perf/joins.py --headless -u 20 -r 20 -t 10s``, on the lab that
``IEC4_LAB`` names, else on the embedded lab that is up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ssl import SSLContext

import gevent
from locust.env import Environment

from lab.classroom import probe
from lab.classroom.rest import ClassroomApi
from lab.classroom.signalling_only import SilentParticipant
from lab.classroom.tls import trust
from lab.classroom.token import Role, Token
from lab.errors import LabError
from lab.inventory import load as load_inventory
from lab.session import Lab
from lab.task import Task
from perf.harness import LoadUser, load_with
from perf.load import LoadPlan

#: What a student's client says of itself when it joins; every other participant is told.
CLIENT_DATA = '{"clientData":"student under load"}'
#: The part of its interval that a student stays.
STAY = 0.5


@dataclass(frozen=True)
class Classroom:
    """A session with a teacher in it, and the ways to it."""

    api: ClassroomApi
    session: str
    context: SSLContext


@contextmanager
def open_classroom(lab: Lab, timeout: float) -> Iterator[Classroom]:
    """A session whose teacher stays; raises `LabError` when it cannot be had.

    It ends with the last participant, so without the teacher it would end between two
    rounds of students.
    """
    with probe.api(lab, timeout=timeout) as api:
        context = trust(lab.ca(probe.SYSTEM))
        session = api.create_session().id
        try:
            token = api.create_token(session, Role.MODERATOR)
            with SilentParticipant.join(api.url, token, ca=context, timeout=timeout) as teacher:
                staying = gevent.spawn(_stay, teacher)
                yield Classroom(api, session, context)
                staying.kill(timeout=timeout)
        finally:
            with suppress(LabError):  # it ended with its last participant, or the server is down
                api.close_session(session)


def _stay(teacher: SilentParticipant) -> None:
    """Keep the teacher's socket alive; if the server ends it, the students will tell."""
    with suppress(LabError):
        while True:
            teacher.stay(60.0)


class Student(LoadUser):
    """Gets a token, joins at its time, stays a while and leaves. Timed is the join."""

    action = "join"
    plan = LoadPlan(users=20, window_s=6, interval_s=2, arrival="burst", timeout_s=5)
    body_bytes = len(CLIENT_DATA)
    distributions = ("websockets", "httpx")

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._classroom: Classroom = self.load.target
        self._token: Token | None = None
        self._inside: SilentParticipant | None = None

    @classmethod
    @contextmanager
    def arranged(cls, host: str | None, plan: LoadPlan) -> Iterator[Classroom]:
        """``host`` is an inventory's name or path; without one, the environment's task."""
        inventory = load_inventory(host) if host else Task.from_environment().inventory
        with Lab(inventory) as lab, open_classroom(lab, plan.timeout_s) as classroom:
            yield classroom

    def prepare(self) -> None:
        """The application's part: a token, before the student joins."""
        self._token = self._classroom.api.create_token(self._classroom.session, Role.SUBSCRIBER)

    def act(self) -> None:
        assert self._token is not None, "a student is prepared before it joins"
        self._inside = SilentParticipant.join(
            self._classroom.api.url,
            self._token,
            ca=self._classroom.context,
            metadata=CLIENT_DATA,
            timeout=self.load.plan.timeout_s,
        )

    def settle(self) -> None:
        """Stay, and leave. How leaving goes is not what is measured here."""
        try:
            self.load.pause(STAY * (self.load.plan.interval_s or 0.0))
        finally:
            self._leave()

    def _leave(self) -> None:
        inside, self._inside = self._inside, None
        if inside is not None:
            with suppress(LabError):
                inside.leave()


load_with(Student)
