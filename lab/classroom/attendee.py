"""Participants for callers without an asyncio loop: pytest criteria and Robot keywords.

    with ClassroomLoop() as loop:
        teacher = loop.join(api, teacher_token, ca=ca)
        stream = teacher.publish_tone(440)
        student = loop.join(api, student_token, ca=ca)
        student.subscribe(stream)
        heard = student.hear(stream, 1.0)
        student.leave()

Every call is bounded; leaving the ``with`` ends whoever has not left, whatever happened.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from lab.classroom.client import Participant
from lab.classroom.conversation import ANSWER_TIMEOUT_S
from lab.classroom.endpoint import JoinTiming
from lab.classroom.listener import Listener
from lab.classroom.media import Heard, PictureSource, ToneSource
from lab.classroom.messages import (
    ParticipantEvicted,
    ParticipantLeft,
    ParticipantUnpublished,
    RemoteParticipant,
)
from lab.classroom.token import Token
from lab.closing import Closing
from lab.errors import LabError, WaitTimeout

T = TypeVar("T")
Departure: TypeAlias = ParticipantLeft | ParticipantEvicted | ParticipantUnpublished

#: How long what follows from a call at once may take (s).
FOLLOWS_S = 3.0
#: Beyond a call's own time-out; only a loop that hangs gets there.
_GRACE_S = 5.0


class ClassroomLoop(Closing):
    """An event loop in a thread of its own, and the participants that live on it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="classroom-loop", daemon=True
        )
        self._attendees: list[Attendee] = []
        self._thread.start()

    def join(
        self,
        api: str,
        token: Token,
        *,
        ca: Path | None = None,
        metadata: str = "",
        reconnects: bool = False,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Attendee:
        """As `Participant.join`."""
        joining = Participant.join(
            api, token, ca=ca, metadata=metadata, reconnects=reconnects, timeout=timeout
        )
        attendee = Attendee(self, self.run(joining, timeout=timeout))
        self._attendees.append(attendee)
        return attendee

    def run(self, work: Coroutine[Any, Any, T], *, timeout: float) -> T:
        """Run a coroutine that ends within ``timeout`` seconds by itself, and return its result.

        Raises what it raises; `WaitTimeout` when it has not ended a little later.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout + _GRACE_S)
        except TimeoutError:
            if future.done():
                raise
            future.cancel()
            raise WaitTimeout(
                f"a call of the classroom client did not end within {timeout + _GRACE_S:g} s",
                advice="the classroom client's loop is blocked: run the criterion again",
            ) from None

    def close(self) -> None:
        """End every participant, then the loop and its thread."""
        if self._loop.is_closed():
            return
        try:
            self.run(self._close_all(), timeout=_GRACE_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_GRACE_S)
            if not self._thread.is_alive():
                self._loop.close()

    async def _close_all(self) -> None:
        await asyncio.gather(
            *(attendee.participant.close() for attendee in self._attendees),
            return_exceptions=True,
        )
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class Attendee:
    """A `Participant` whose calls block; see there for what they do and raise."""

    def __init__(self, loop: ClassroomLoop, participant: Participant) -> None:
        self.participant = participant
        self._loop = loop
        self._listeners: dict[str, Listener] = {}

    @property
    def connection_id(self) -> str:
        return self.participant.connection_id

    @property
    def timing(self) -> JoinTiming:
        return self.participant.timing

    @property
    def others(self) -> dict[str, RemoteParticipant]:
        """The other participants now, by connection id."""
        return self.participant.others

    def publish_tone(
        self,
        frequency: float = 440.0,
        *,
        picture: bool = False,
        screen: bool = False,
        size: tuple[int, int] = (320, 240),
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> str:
        """Publish a tone (and a moving picture of ``size``, or a shared screen); return the
        stream's id."""

        async def publish() -> str:
            video = PictureSource(width=size[0], height=size[1]) if picture or screen else None
            return await self.participant.publish(
                ToneSource(frequency), video, screen=screen, timeout=timeout
            )

        return self._loop.run(publish(), timeout=2 * timeout)

    def restart_publishing(self) -> None:
        """Publish the same stream anew, over another media connection."""
        restarting = self.participant.restart_publishing()
        self._loop.run(restarting, timeout=2 * ANSWER_TIMEOUT_S)

    def mute(self, muted: bool = True) -> None:
        """Go on publishing, but silence; or the tone again. The others are told."""
        self._loop.run(self.participant.set_audio(not muted), timeout=ANSWER_TIMEOUT_S)

    def hide(self, hidden: bool = True) -> None:
        """Go on publishing, but a black picture; or the moving one again. The others are told."""
        self._loop.run(self.participant.set_video(not hidden), timeout=ANSWER_TIMEOUT_S)

    def subscribe(
        self,
        stream: str,
        *,
        audio: bool = True,
        video: bool = False,
        first_frame: bool = True,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Listener:
        """Subscribe to a stream (and wait for its first frame); the result tells the times."""

        async def subscribe() -> Listener:
            listener = await self.participant.subscribe(
                stream, audio=audio, video=video, timeout=timeout
            )
            self._listeners[stream] = listener
            if first_frame:
                await listener.first_frame(timeout=timeout)
            return listener

        return self._loop.run(subscribe(), timeout=3 * timeout)

    def hear(self, stream: str, seconds: float) -> Heard:
        """What comes of a subscribed stream from now on, for ``seconds``."""
        listener = self._listeners.get(stream)
        if listener is None:
            raise LabError(f"stream {stream} is not subscribed to", expected="subscribe first")
        return self._loop.run(listener.hear(seconds), timeout=seconds)

    def unsubscribe(self, stream: str, *, listen_on: bool = False) -> None:
        """Stop receiving; with ``listen_on`` `hear` tells whether anything comes all the same."""
        if not listen_on:
            self._listeners.pop(stream, None)
        leaving = self.participant.unsubscribe(stream, listen_on=listen_on)
        self._loop.run(leaving, timeout=ANSWER_TIMEOUT_S)

    def unpublish(self) -> None:
        self._loop.run(self.participant.unpublish(), timeout=ANSWER_TIMEOUT_S)

    def signal(self, kind: str, data: str = "", *, to: Sequence[str] = ()) -> None:
        self._loop.run(self.participant.signal(kind, data, to=to), timeout=ANSWER_TIMEOUT_S)

    def force_disconnect(self, connection: str) -> None:
        self._loop.run(self.participant.force_disconnect(connection), timeout=ANSWER_TIMEOUT_S)

    def force_unpublish(self, stream: str) -> None:
        self._loop.run(self.participant.force_unpublish(stream), timeout=ANSWER_TIMEOUT_S)

    def expect(
        self, kind: type[T], *, timeout: float = 5.0, where: Callable[[T], bool] = lambda _: True
    ) -> T:
        """The first event of class ``kind`` since joining for which ``where`` is true."""
        waiting = self.participant.expect(kind, timeout=timeout, where=where)
        return self._loop.run(waiting, timeout=timeout)

    def told_of(self, kind: type[Departure], connection: str, *, timeout: float = FOLLOWS_S) -> str:
        """The reason that the server gave for what befell a connection: left, was evicted, or
        publishes no more. Raises `WaitTimeout` when it told nothing of that kind."""
        event = self.expect(
            kind, timeout=timeout, where=lambda event: event.connection_id == connection
        )
        return event.reason

    def history(self) -> tuple[object, ...]:
        """All that the server has told since joining, in its order."""

        async def look() -> tuple[object, ...]:
            return self.participant.history

        return self._loop.run(look(), timeout=ANSWER_TIMEOUT_S)

    def ended(self, *, timeout: float = 5.0) -> LabError:
        """Wait until the server has closed the socket; return how."""
        return self._loop.run(self.participant.ended(timeout=timeout), timeout=timeout)

    def leave(self, *, timeout: float = ANSWER_TIMEOUT_S) -> None:
        self._loop.run(self.participant.leave(timeout=timeout), timeout=3 * timeout)

    def cut(self) -> None:
        """Break the signalling's connection, as a failing network does; media is not touched."""

        async def cut() -> None:
            self.participant.cut()

        self._loop.run(cut(), timeout=ANSWER_TIMEOUT_S)

    def drop(self) -> None:
        """Go without leaving, as a client whose network failed."""
        self._loop.run(self.participant.close(), timeout=ANSWER_TIMEOUT_S)
