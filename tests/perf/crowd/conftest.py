from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from perf.crowd.messenger import Messenger
from perf.profiles import profiles
from tests.classroom_backend.running import Backend

PATIENCE_S = 30.0


class Crowd:
    """A crowd's process with one classroom of a use case."""

    def __init__(self, messenger: Messenger, api: ClassroomApi, use_case: str) -> None:
        self.messenger = messenger
        self.use_case = use_case
        self.api = api
        self.session = api.create_session().id

    def ask(self, do: str, **told: Any) -> dict[str, Any]:
        return self.messenger.ask(do, PATIENCE_S, **told)

    def join(self, who: str, part: str, *, token: str | None = None) -> dict[str, Any]:
        url = token or self.api.create_token(self.session, Role.PUBLISHER).url
        return self.ask("join", use_case=self.use_case, room=0, who=who, part=part, token=url)

    def enter(self, who: str, part: str) -> None:
        """Join, and send and take what is that part's."""
        self.join(who, part)
        self.ask("engage", who=who)


@pytest.fixture
def crowd(classroom: Backend, request: pytest.FixtureRequest) -> Iterator[Crowd]:
    """Of a lecture, or of the use case that the test names."""
    use_case = getattr(request, "param", "lecture")
    with classroom.api() as api, Messenger() as messenger:
        made = Crowd(messenger, api, use_case)
        made.ask(
            "open",
            api=classroom.url,
            ca=str(classroom.ca),
            profiles={use_case: profiles()[use_case].model_dump(mode="json")},
            timeout=10.0,
        )
        yield made
