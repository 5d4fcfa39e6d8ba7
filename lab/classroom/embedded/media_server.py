"""What clients see when OpenVidu's media server fails, though this backend has none.

The text of the fault classroom.media-server-fails says how: see `Failure`. Held to the recordings
of openvidu-server 2.13.0 with a Kurento that failed so (``fixtures/recordings/openvidu/kurento``).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum

from lab.classroom.embedded.calls import Call, Defect, Reported, Thrown
from lab.classroom.embedded.model import Session
from lab.classroom.embedded.rooms import Rooms, Seat
from lab.classroom.messages import MediaError
from lab.classroom.signalling import Code

FAULT = "classroom.media-server-fails"
#: How long an offer takes when the media server is slow, or is tried in vain, in seconds.
SLOW_S = 0.6
#: How often it is looked whether the media server is there, in seconds.
WATCH_S = 0.25

_KURENTO = "org.kurento.client.internal.server.KurentoServerException"
_FAILURE = 'made-up failure (Code:40002, Type:null, Data: {"type":"UNEXPECTED_ERROR"})'
_ERROR = MediaError("Error: made-up failure(errCode=40002)")


class Failure(StrEnum):
    """How the media server fails."""

    #: It has no room for another session, which then stays broken.
    PIPELINE = "pipeline"
    #: It has no room for a publisher, who then never can publish.
    ENDPOINT = "endpoint"
    #: It fails at a publisher's offer, or at a subscriber's.
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    #: Publishers' offers take their time.
    SLOW = "slow"
    #: Its process has ended; the next one knows nothing of the streams that there were.
    GONE = "gone"
    #: It reports an error of each endpoint, of each publisher's, of each session.
    ENDPOINTS_BREAK = "endpoints-break"
    PUBLISHERS_BREAK = "publishers-break"
    SESSIONS_BREAK = "sessions-break"


def failure(rooms: Rooms) -> Failure | None:
    """How the media server fails now; None if it does not, or in no way that is known."""
    with suppress(ValueError):
        return Failure(rooms.faults.value(FAULT) or "")
    return None


def before_joining(call: Call, session: Session) -> None:
    """The first one to join makes the media server's part of the session."""
    name = session.id
    if session.broken:
        raise Reported(
            Code.SESSION_NOT_CREATED, f"Unable to create media pipeline for session '{name}'"
        )
    if session.participants:
        return
    now = failure(call.rooms)
    if now is Failure.GONE:
        raise Reported(
            Code.SESSION_NOT_CREATED,
            f"There is no available Media Node where to initialize session '{name}'",
        )
    if now is Failure.PIPELINE:
        session.broken = True
        raise Reported(
            Code.SESSION_NOT_CREATED,
            'Too many bananas. Code: 40009. Data: {"type":"NOT_ENOUGH_RESOURCES"}',
        )


async def before_publishing(call: Call, seat: Seat) -> None:
    """A publisher's offer goes to the media server."""
    now = failure(call.rooms)
    if now is Failure.ENDPOINT:
        seat.barred = True
    if seat.barred:
        raise Thrown(Code.ENDPOINT, "Unable to create publisher endpoint")
    if now in {Failure.SLOW, Failure.GONE}:
        await asyncio.sleep(SLOW_S)
    if now is Failure.GONE:
        raise Defect(
            "org.kurento.jsonrpc.JsonRpcException",
            "[KurentoClient]  Exception connecting to WebSocket server ws://127.0.0.1:8888/kurento",
        )
    if now is Failure.PUBLISH:
        raise Defect(_KURENTO, _FAILURE)


def subscriber_refused(rooms: Rooms) -> bool:
    """Whether the media server fails at a subscriber's offer."""
    return failure(rooms) is Failure.SUBSCRIBE


async def watch(rooms: Rooms, stop: asyncio.Event) -> None:
    """Tell of errors, and end the streams that a media server that has come back knows not."""
    before: Failure | None = None
    while not stop.is_set():
        now = failure(rooms)
        if now is not before:
            _tell(rooms, before, now)
        before = now
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), WATCH_S)


def _tell(rooms: Rooms, before: Failure | None, now: Failure | None) -> None:
    for session in rooms.sessions.all():
        for seat in rooms.seats_in(session):
            publishes, receives = seat.publication is not None, bool(seat.subscriptions)
            if before is Failure.GONE and publishes:
                rooms.stop_stream(seat, "mediaServerDisconnect", tell_publisher=True)
            if (
                now is Failure.SESSIONS_BREAK
                or (now is Failure.ENDPOINTS_BREAK and (publishes or receives))
                or (now is Failure.PUBLISHERS_BREAK and publishes)
            ):
                seat.tell(_ERROR)
