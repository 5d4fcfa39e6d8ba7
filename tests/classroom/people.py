"""Participants of one session on a backend, for tests."""

from __future__ import annotations

from lab.classroom.attendee import Attendee, ClassroomLoop
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from tests.classroom_backend.running import Backend


class Class:
    """Joins participants into one session."""

    def __init__(self, backend: Backend, api: ClassroomApi, loop: ClassroomLoop, session: str):
        self._backend, self._api, self._loop, self.session = backend, api, loop, session

    def join(self, role: Role, name: str = "", *, reconnects: bool = False) -> Attendee:
        token = self._api.create_token(self.session, role)
        return self._loop.join(
            self._backend.url, token, ca=self._backend.ca, metadata=name, reconnects=reconnects
        )
