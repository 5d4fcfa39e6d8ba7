"""Who sits in the classroom now: sockets and media of each participant, and what is announced.

Everything here happens at once, between two awaits: no caller sees half a departure, and a
token has one winner. Announcements go into outboxes that keep the order of each socket.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.classroom.embedded.journal import Journal
from lab.classroom.embedded.media import MediaPlane, Publication, Subscription
from lab.classroom.embedded.model import Participant, Session, Sessions
from lab.classroom.messages import (
    Event,
    ParticipantEvicted,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantPublished,
    ParticipantUnpublished,
    write_notification,
)
from lab.classroom.signalling import RECONNECTION_GRACE_S, Frame
from lab.faultflags import FaultFlags

#: Candidates of one media connection that are heeded; more than a browser ever has.
CANDIDATES = 50


class Link(Protocol):
    """The way to one socket: frames leave in order, then it may be closed."""

    def send(self, frame: Frame) -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...


@dataclass(frozen=True)
class Candidate:
    """An ICE candidate as onIceCandidate brings it."""

    text: str
    mid: str
    index: int


@dataclass
class Seat:
    """A participant with its socket and media. ``link`` is None while it may reconnect."""

    private_id: str
    session: Session
    participant: Participant
    link: Link | None
    publication: Publication | None = None
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    #: Candidates of each endpoint that it has or will have: by its own id, or a sender's.
    candidates: defaultdict[str, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    #: Senders for whom candidates came before receiveVideoFrom, which then fails once.
    hasty_for: set[str] = field(default_factory=set)
    #: Whether the media server once had no room for what it publishes.
    barred: bool = False
    #: How many streams it has published so far.
    streams: int = 0
    grace: asyncio.TimerHandle | None = None

    def tell(self, event: Event) -> None:
        """Send a notification; what is sent while nobody is connected is lost."""
        if self.link is not None:
            self.link.send(write_notification(event))


class Recorder(Protocol):
    """What is told of streams and sessions, to record them; of a stream while it is there."""

    def published(self, seat: Seat) -> None: ...

    def unpublished(self, seat: Seat) -> None: ...

    def left(self, session: Session) -> None: ...

    def closed(self, session: Session, reason: str) -> None: ...


class NoRecorder:
    """Recording is off."""

    def published(self, seat: Seat) -> None: ...

    def unpublished(self, seat: Seat) -> None: ...

    def left(self, session: Session) -> None: ...

    def closed(self, session: Session, reason: str) -> None: ...


class Rooms:
    """The seats of all sessions. ``grace_s``: how long a lost socket may come back."""

    def __init__(
        self,
        sessions: Sessions,
        media: MediaPlane,
        faults: FaultFlags,
        journal: Journal,
        *,
        grace_s: float = RECONNECTION_GRACE_S,
    ) -> None:
        self.sessions = sessions
        self.media = media
        self.faults = faults
        self.journal = journal
        self.recorder: Recorder = NoRecorder()
        self._grace_s = grace_s
        self._seats: dict[str, Seat] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- looking ------------------------------------------------------------------------

    def seat(self, private_id: str) -> Seat | None:
        """The seat of a socket, by its rpc session id."""
        return self._seats.get(private_id)

    def seats_in(self, session: Session) -> list[Seat]:
        return [seat for seat in self._seats.values() if seat.session is session]

    def seat_of(self, session: Session, connection_id: str) -> Seat | None:
        for seat in self.seats_in(session):
            if seat.participant.id == connection_id:
                return seat
        return None

    def others(self, seat: Seat) -> list[Seat]:
        return [other for other in self.seats_in(seat.session) if other is not seat]

    # -- coming and going ---------------------------------------------------------------

    def take(self, private_id: str, session: Session, participant: Participant, link: Link) -> Seat:
        """Seat a participant who has just joined, and tell the others."""
        seat = Seat(private_id, session, participant, link)
        self.journal.joined(session, participant)
        if not self.faults.active("classroom.join-unannounced"):
            joined = ParticipantJoined(participant.id, participant.created_at, participant.metadata)
            self._announce(self.seats_in(session), joined)
        self._seats[private_id] = seat
        return seat

    def leave(self, seat: Seat, reason: str) -> None:
        """Empty a seat and tell the others; the last one to leave ends the session."""
        others = self.others(seat)
        self._empty(seat, reason)
        if not self.faults.active("classroom.leave-unannounced"):
            self._announce(others, ParticipantLeft(seat.participant.id, reason))

    def evict(
        self, seat: Seat, reason: str, *, in_between: Callable[[], None] = lambda: None
    ) -> None:
        """Throw a participant out: participantLeft to the others, participantEvicted to all.

        ``in_between`` is called between the two, where the moderator's own answer belongs.
        """
        others = self.others(seat)
        self.leave(seat, reason)
        in_between()
        self._announce([*others, seat], ParticipantEvicted(seat.participant.id, reason))
        if seat.link is not None:
            seat.link.close()

    def close_session(self, session: Session, reason: str) -> None:
        """Evict one by one, as the real server does: the later ones see the earlier ones leave."""
        self.recorder.closed(session, reason)
        for seat in self.seats_in(session):
            self.evict(seat, reason)
        self._end(session, reason)

    def lose(self, private_id: str, link: Link) -> None:
        """A socket has ended; its participant leaves unless it comes back within the grace."""
        seat = self._seats.get(private_id)
        if seat is not None and seat.link is link:
            seat.link = None
            seat.grace = asyncio.get_running_loop().call_later(self._grace_s, self._give_up, seat)

    def _give_up(self, seat: Seat) -> None:
        if not self.faults.active("classroom.lost-stay"):
            self.evict(seat, "networkDisconnect")

    def taken_over(self, private_id: str, link: Link) -> bool:
        """Whether another socket has resumed the seat that ``link`` had."""
        seat = self._seats.get(private_id)
        return seat is not None and seat.link is not link

    def resume(self, private_id: str, link: Link) -> bool:
        """Give a seat to a new socket; False when there is no such seat (any more)."""
        seat = self._seats.get(private_id)
        if seat is None:
            return False
        if seat.grace is not None:
            seat.grace.cancel()
            seat.grace = None
        seat.link = link
        return True

    def _empty(self, seat: Seat, reason: str) -> None:
        session, participant = seat.session, seat.participant
        if seat.grace is not None:
            seat.grace.cancel()
        self._release_receivers(seat, reason)
        for sender_id in list(seat.subscriptions):
            self.stop_receiving(seat, sender_id, reason)
        self._release_publication(seat, reason)
        session.leave(participant.id)
        del self._seats[seat.private_id]
        self.journal.left(session, participant, reason)
        self.recorder.left(session)
        stays = session.recording or self.faults.active("classroom.session-stays")
        if not session.participants and not stays:
            self._end(session, reason)

    def _end(self, session: Session, reason: str) -> None:
        self.sessions.remove(session)
        self.journal.session_destroyed(session, reason)

    # -- streams ------------------------------------------------------------------------

    def start_stream(self, seat: Seat, publication: Publication) -> None:
        """A participant's media has been answered: hand over the candidates that came early."""
        seat.publication = publication
        seat.streams += 1
        for candidate in seat.candidates[seat.participant.id]:
            self.spawn(publication.add_candidate(candidate.text, candidate.mid, candidate.index))
        self.recorder.published(seat)

    def announce_stream(self, seat: Seat) -> None:
        """Tell the others what a participant publishes."""
        forgotten = seat.streams > 1 and self.faults.active("classroom.restart-unannounced")
        if seat.participant.stream is not None and not forgotten:
            event = ParticipantPublished(seat.participant.id, (seat.participant.stream,))
            self._announce(self.others(seat), event)

    def served(self, seat: Seat, publication: Publication) -> Publication:
        """What a subscriber is served who wants ``publication``: that, unless a fault is on."""
        if self.faults.active("classroom.rooms-mixed"):
            for other in self._seats.values():
                if other.session is not seat.session and other.publication is not None:
                    return other.publication
        return publication

    def starves(self, seat: Seat, publisher: Seat) -> bool:
        """Whether a fault withholds from a new subscriber what ``publisher`` sends."""
        if self.faults.active("classroom.first-takes-all"):
            sender_id = publisher.participant.id
            return any(sender_id in other.subscriptions for other in self.others(seat))
        return seat.publication is not None and self.faults.active("classroom.publishers-deaf")

    def stop_stream(self, seat: Seat, reason: str, *, tell_publisher: bool) -> None:
        """End what a participant publishes, for everybody who receives it."""
        if not self.faults.active("classroom.unpublish-leaks"):
            self._release_publication(seat, reason)
            self._release_receivers(seat, reason)
            seat.session.stop_stream(seat.participant.id)
            self.recorder.left(seat.session)
        told = self.seats_in(seat.session) if tell_publisher else self.others(seat)
        self._announce(told, ParticipantUnpublished(seat.participant.id, reason))

    def stop_receiving(self, seat: Seat, sender_id: str, reason: str | None) -> None:
        """End what a participant receives from another; nothing is announced.

        ``reason`` is the journal's; None when it will go on with new media.
        """
        if reason is not None:
            self.journal.stopped(seat.session, seat.participant.id, sender_id, reason)
        seat.participant.receiving.pop(sender_id, None)
        seat.candidates.pop(sender_id, None)
        subscription = seat.subscriptions.pop(sender_id, None)
        if subscription is not None:
            self.spawn(subscription.close())

    def _release_receivers(self, seat: Seat, reason: str) -> None:
        for other in self.others(seat):
            self.stop_receiving(other, seat.participant.id, reason)

    def _release_publication(self, seat: Seat, reason: str) -> None:
        connection_id = seat.participant.id
        self.journal.stopped(seat.session, connection_id, connection_id, reason)
        if seat.publication is not None:
            self.recorder.unpublished(seat)
            self.spawn(seat.publication.close())
            seat.publication = None
        seat.candidates.pop(connection_id, None)

    # -- the rest -----------------------------------------------------------------------

    def _announce(self, seats: list[Seat], event: Event) -> None:
        """Tell many; the notification is written once. A full classroom is told of each join."""
        written = write_notification(event)
        for seat in seats:
            if seat.link is not None:
                seat.link.send(written)

    def spawn(self, work: Awaitable[Any]) -> None:
        """Let ``work`` (of bounded duration) go on beside the signalling."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """The server stops: everybody is evicted and the media ended."""
        for session in self.sessions.all():
            self.close_session(session, "openviduServerStopped")
        if self._tasks:
            await asyncio.wait(self._tasks)
