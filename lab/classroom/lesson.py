"""A lesson: one classroom session on a lab, and whoever joins it, for criteria and keywords."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from lab.classroom.attendee import Attendee, ClassroomLoop
from lab.classroom.endpoint import socket_url
from lab.classroom.errors import RestRefused
from lab.classroom.probe import SYSTEM, api
from lab.classroom.raw_socket import RawSocket
from lab.classroom.tls import trust
from lab.classroom.token import Role, Token
from lab.closing import Closing
from lab.session import Lab


class Lesson(Closing):
    """A new session. Use as a context manager, or `close` it: everybody leaves, it ends.

    Raises what the REST client raises when the session cannot be made.
    """

    def __init__(self, lab: Lab) -> None:
        self.api = api(lab)
        self._ca = lab.ca(SYSTEM)
        self._loop = ClassroomLoop()
        try:
            self.session = self.api.create_session().id
        except BaseException:
            self.close()
            raise

    def token(self, role: Role) -> Token:
        return self.api.create_token(self.session, role)

    def join(self, name: str, role: Role | Token, *, reconnects: bool = False) -> Attendee:
        """Join as ``name`` (the client's metadata) with a new token, or with that one.

        ``reconnects``: whether it comes back by itself when its socket is lost.
        """
        token = role if isinstance(role, Token) else self.token(role)
        return self._loop.join(
            self.api.url, token, ca=self._ca, metadata=name, reconnects=reconnects
        )

    def teacher(self) -> Attendee:
        return self.join("teacher", Role.MODERATOR)

    def student(self) -> Attendee:
        return self.join("student", Role.SUBSCRIBER)

    def stranger(self, **options: Any) -> RawSocket:
        """A socket of somebody who has not joined, and may send anything.

        ``options`` are websockets' own.
        """
        return RawSocket(socket_url(self.api.url), trust(self._ca), **options)

    def close(self) -> None:
        self._loop.close()
        session = getattr(self, "session", None)
        if session is not None:
            with suppress(RestRefused):  # it ends with the last who leaves
                self.api.close_session(session)
        self.api.close()
