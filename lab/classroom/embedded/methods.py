"""The methods of OpenVidu 2.13's signalling, each as the recordings show the real server's.

A method answers by `Call.answer`, because what it announces comes partly before and partly
after its answer; it refuses by raising a `CallFailed`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from lab.classroom.embedded import media_server
from lab.classroom.embedded.calls import (
    Call,
    Defect,
    NotReconnected,
    Reported,
    Silence,
    Thrown,
    as_text,
)
from lab.classroom.embedded.media import OfferRefused, Publication
from lab.classroom.embedded.model import Grant, Receiving, Session, random_id, stream_id
from lab.classroom.embedded.rooms import CANDIDATES, Candidate, Seat
from lab.classroom.messages import (
    Joined,
    Published,
    Signal,
    Stream,
    StreamPropertyChanged,
)
from lab.classroom.signalling import Code
from lab.classroom.token import Role, Token
from lab.classroom.wire import write

_NULL_POINTER = "java.lang.NullPointerException"
_KURENTO = "org.kurento.client.internal.server.KurentoServerException"
_SDP_PARSE_ERROR = 'Error parsing SDP (Code:40202, Type:null, Data: {"type":"SDP_PARSE_ERROR"})'
_ALREADY_NEGOTIATED = (
    "Endpoint already negotiated (Code:40208, Type:null, "
    'Data: {"type":"SDP_END_POINT_ALREADY_NEGOTIATED"})'
)


#: How much longer joinRoom takes when it is made slow by a fault, in seconds.
SLOW_JOIN_S = 1.5
#: The same of leaveRoom, and the subscribers that a session takes when a fault makes seats short.
SLOW_LEAVE_S = 1.5
SHORT_SEATS = 3
#: How long everybody waits for a refused join when the fault classroom.flood-blocks is on (s).
BLOCKED_S = 0.02


async def join_room(call: Call, server_secret: str) -> None:
    """Redeem a token and sit down. The token is used up even if the metadata is then refused."""
    if call.rooms.faults.active("classroom.join-slow"):
        await asyncio.sleep(SLOW_JOIN_S)
    webhook = call.rooms.journal.webhook
    if webhook and webhook.losses and call.rooms.faults.active("classroom.join-awaits-webhook"):
        await asyncio.sleep(SLOW_JOIN_S)
    session_id, token, secret, platform = (
        call.text(key) for key in ("session", "token", "secret", "platform")
    )
    session = call.rooms.sessions.get(session_id)
    if session is None:
        raise Thrown(
            Code.SESSION_NOT_FOUND,
            f"Unable to join session. Session {session_id} cannot be found",
        )
    grant = _grant(call, session, token, secret, server_secret)
    if _is_one_too_many(call, session, grant):
        raise Thrown(Code.GENERIC, "No seat is left")
    client_data = call.text("metadata")
    media_server.before_joining(call, session)
    participant = session.enter(
        grant, platform=platform, client_data=client_data, now_ms=call.now_ms
    )
    former = call.rooms.seat(call.rpc_session)
    if former is not None:
        call.rooms.leave(former, "disconnect")
    present = tuple(seat.participant.as_others_see() for seat in call.rooms.seats_in(session))
    if call.rooms.faults.active("classroom.presence-hidden"):
        present = ()
    call.rooms.take(call.rpc_session, session, participant, call.link)
    joined = Joined(participant.id, participant.created_at, participant.metadata, present)
    call.answer({**write(joined), "value": [write(other) for other in present]})


def _is_one_too_many(call: Call, session: Session, grant: Grant) -> bool:
    """Whether a fault keeps a subscriber out of a session that has some already."""
    there = sum(one.role is Role.SUBSCRIBER for one in session.participants.values())
    full = grant.role is Role.SUBSCRIBER and there >= SHORT_SEATS
    return full and call.rooms.faults.active("classroom.seats-short")


def _grant(call: Call, session: Session, token: str, secret: str, server_secret: str) -> Grant:
    """The token's grant; who knows the server's secret joins without one, as a moderator."""
    if secret and hmac.compare_digest(secret.encode(), server_secret.encode()):
        return Grant(f"tok_{random_id(16)}", Role.MODERATOR, "")
    reusable = call.rooms.faults.active("classroom.token-reusable")
    grant = session.redeem(token, keep=reusable) or _forged(call, session, token)
    if grant is None:
        if call.rooms.faults.active("classroom.flood-blocks"):
            time.sleep(BLOCKED_S)
        raise Thrown(
            Code.UNAUTHORIZED, f"Unable to join session {session.id}. Token {token}is not valid"
        )
    return grant


def _forged(call: Call, session: Session, url: str) -> Grant | None:
    """What faults make of a token that was never given as it is."""
    if call.rooms.faults.active("classroom.token-unchecked"):
        return Grant(url, Role.SUBSCRIBER, "")
    if call.rooms.faults.active("classroom.token-role-trusted"):
        for given in session.grants:
            if given.partition("&role=")[0] == url.partition("&role=")[0]:
                return replace(session.grants.pop(given), role=Token.from_url(url).role)
    return None


async def leave_room(call: Call) -> None:
    """Leave; the server then closes the socket."""
    call.rooms.leave(call.seat, "disconnect")
    if call.rooms.faults.active("classroom.leave-slow"):
        await asyncio.sleep(SLOW_LEAVE_S)
    call.answer()
    call.link.close()


async def publish_video(call: Call) -> None:
    """Answer the publisher's offer, then tell the others."""
    seat = call.seat
    allowed = call.rooms.faults.active("classroom.subscriber-publishes")
    if seat.participant.role is Role.SUBSCRIBER and not allowed:
        raise _no_right("publish video")
    offer = call.text("sdpOffer")
    stream = _stream(call, seat)
    call.flag("doLoopback")
    if seat.publication is not None:
        raise Defect(_KURENTO, _ALREADY_NEGOTIATED)
    await media_server.before_publishing(call, seat)
    try:
        publication = await call.rooms.media.publish(offer)
    except OfferRefused:
        raise Defect(_KURENTO, _SDP_PARSE_ERROR) from None
    if call.rooms.seat(call.rpc_session) is not seat:
        call.rooms.spawn(publication.close())  # evicted meanwhile
        raise Silence
    seat.participant.stream = stream
    call.rooms.start_stream(seat, publication)
    call.rooms.journal.published(seat.session, seat.participant.id, stream)
    call.answer(write(Published(publication.answer_sdp, stream.id, stream.created_at)))
    call.rooms.announce_stream(seat)


def _stream(call: Call, seat: Seat) -> Stream:
    if call.optional("filter", dict):
        raise Thrown(Code.FILTER, "'filter' parameter wrong: this server has no filters")
    has_audio, has_video = call.flag("hasAudio"), call.flag("hasVideo")
    kind = call.optional("typeOfVideo", str)
    if has_video and kind is None:
        raise Defect(_NULL_POINTER, 'Cannot invoke "String.length()" because "type" is null')
    return Stream(
        id=stream_id(kind if has_video else None, seat.participant.id),
        created_at=call.now_ms,
        has_audio=has_audio,
        has_video=has_video,
        audio_active=call.optional("audioActive", bool),
        video_active=call.optional("videoActive", bool),
        type_of_video="CAMERA" if call.rooms.faults.active("classroom.screen-unnamed") else kind,
        frame_rate=call.optional("frameRate", int),
        video_dimensions=call.optional("videoDimensions", str),
        filter={},
    )


async def unpublish_video(call: Call) -> None:
    """End the caller's stream."""
    seat = call.seat
    if seat.publication is None:
        raise Reported(
            Code.NOT_STREAMING, f"Participant '{seat.participant.id}' is not streaming media"
        )
    call.rooms.stop_stream(seat, "unpublish", tell_publisher=False)
    call.answer()


async def receive_video_from(call: Call) -> None:
    """Answer a subscriber's offer. Only the part of ``sender`` from ``con_`` on counts."""
    seat = call.seat
    sender, offer = call.text("sender"), call.text("sdpOffer")
    if "con_" not in sender:
        raise Defect(
            "java.lang.StringIndexOutOfBoundsException",
            f"begin -1, end {len(sender)}, length {len(sender)}",
        )
    sender_id = sender[sender.index("con_") :]
    session_id = seat.session.id
    publisher = call.rooms.seat_of(seat.session, sender_id)
    if publisher is None:
        raise Reported(Code.USER_NOT_FOUND, f"User {sender_id} not found in session {session_id}")
    stream, publication = publisher.participant.stream, publisher.publication
    if publication is None or stream is None:
        raise Reported(
            Code.NOT_STREAMING,
            f"User '{sender_id} not streaming media in session '{session_id}'",
        )
    if publisher is seat:
        raise Reported(Code.NOT_STREAMING, "Can loopback only when publishing media")
    if sender_id in seat.hasty_for:
        seat.hasty_for.discard(sender_id)
        raise Reported(
            Code.ICE_CANDIDATE,
            f"Can't add existing ICE candidates to null WebRtcEndpoint (ep: {sender_id})",
        )
    no_answer = Reported(
        Code.SDP,
        f"Unable to generate SDP answer when subscribing '{seat.participant.id}' to '{sender_id}'",
    )
    if sender_id in seat.subscriptions or media_server.subscriber_refused(call.rooms):
        raise no_answer
    try:
        subscription = await call.rooms.served(seat, publication).subscribe(offer)
    except OfferRefused:
        raise no_answer from None
    if call.rooms.seat(call.rpc_session) is not seat or publisher.publication is not publication:
        call.rooms.spawn(subscription.close())  # one of the two has gone meanwhile
        raise no_answer
    if call.rooms.starves(seat, publisher):
        subscription.withhold()
    seat.subscriptions[sender_id] = subscription
    seat.participant.receiving[sender_id] = Receiving(call.now_ms, stream.id)
    call.rooms.journal.received(seat.session, seat.participant.id, sender_id, stream, call.now_ms)
    call.answer({"sdpAnswer": subscription.answer_sdp})


async def reconnect_stream(call: Call) -> None:
    """Answer a new offer for a stream that the caller publishes or receives already.

    Nobody is told, and the stream keeps its id: its subscribers go on with the new media.
    """
    seat = call.seat
    wanted, offer = call.text("stream"), call.text("sdpOffer")
    owner = seat.session.owner_of(wanted)
    publisher = call.rooms.seat_of(seat.session, owner.id) if owner else None
    stream = owner.stream if owner else None
    if publisher is None or publisher.publication is None or stream is None:
        raise NotReconnected(
            Code.NOT_STREAMING, f"Stream '{wanted}' does not exist in Session '{seat.session.id}'"
        )
    if publisher is seat:
        await _reconnect_publisher(call, publisher.publication, stream, offer)
    else:
        await _reconnect_subscriber(call, publisher, publisher.publication, wanted, offer)


async def _reconnect_publisher(call: Call, former: Publication, stream: Stream, offer: str) -> None:
    seat = call.seat
    try:
        publication = await call.rooms.media.publish(offer)
    except OfferRefused:
        raise Defect(_KURENTO, _SDP_PARSE_ERROR) from None
    if seat.publication is not former:
        call.rooms.spawn(publication.close())  # evicted or unpublished meanwhile
        raise Silence
    if not call.rooms.faults.active("classroom.restart-lost"):
        publication.take_over(former)
    call.rooms.spawn(former.close())
    seat.publication = publication
    seat.candidates.pop(seat.participant.id, None)
    seat.participant.stream = replace(stream, created_at=call.now_ms)
    call.answer(write(Published(publication.answer_sdp, stream.id, call.now_ms)))


async def _reconnect_subscriber(
    call: Call, publisher: Seat, publication: Publication, wanted: str, offer: str
) -> None:
    seat, sender_id = call.seat, publisher.participant.id
    no_answer = NotReconnected(
        Code.SDP, f"Unable to generate SDP answer when reconnecting subscriber to '{wanted}'"
    )
    call.rooms.stop_receiving(seat, sender_id, None)
    try:
        subscription = await publication.subscribe(offer)
    except OfferRefused:
        raise no_answer from None
    if call.rooms.seat(call.rpc_session) is not seat or publisher.publication is not publication:
        call.rooms.spawn(subscription.close())  # one of the two has gone meanwhile
        raise no_answer
    seat.subscriptions[sender_id] = subscription
    seat.participant.receiving[sender_id] = Receiving(call.now_ms, wanted)
    call.answer({"sdpAnswer": subscription.answer_sdp})


async def unsubscribe_from_video(call: Call) -> None:
    """Stop receiving from a connection, given by its id."""
    seat, sender_id = call.seat, call.text("sender")
    if call.rooms.seat_of(seat.session, sender_id) is None:
        raise Thrown(
            Code.USER_NOT_FOUND, f"User {sender_id} not found in session {seat.session.id}"
        )
    if not call.rooms.faults.active("classroom.unsubscribe-leaks"):
        call.rooms.stop_receiving(seat, sender_id, "unsubscribe")
    call.answer()


async def on_ice_candidate(call: Call) -> None:
    """Take a candidate: for the caller's own stream, or for the one it receives."""
    seat = call.seat
    endpoint, text, mid = (call.text(key) for key in ("endpointName", "candidate", "sdpMid"))
    candidate = Candidate(text, mid, call.number("sdpMLineIndex"))
    call.answer()
    own = endpoint == seat.participant.id
    if not own and call.rooms.seat_of(seat.session, endpoint) is None:
        return  # nobody's
    if len(seat.candidates[endpoint]) >= CANDIDATES:
        return  # a flood, of which ICE would try each
    seat.candidates[endpoint].append(candidate)
    connection = seat.publication if own else seat.subscriptions.get(endpoint)
    if connection is not None:
        call.rooms.spawn(connection.add_candidate(candidate.text, candidate.mid, candidate.index))
    elif not own:
        seat.hasty_for.add(endpoint)


async def send_message(call: Call) -> None:
    """Pass a signal on to those whom it names, or to everybody, the sender included."""
    seat, text = call.seat, call.text("message")
    try:
        message = json.loads(text)
        to = message.get("to", [])
        if not isinstance(to, list):
            raise TypeError
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Thrown(
            Code.SIGNAL_FORMAT,
            f"Provided signal object '{text}' has not a valid JSON format",
        ) from None
    receivers = call.rooms.seats_in(seat.session)
    faulty = call.rooms.faults.active
    if to:
        known = {receiver.participant.id for receiver in receivers}
        if None in to:
            raise Thrown(Code.SIGNAL_RECEIVER, 'Signal "to" field invalid format: null')
        if not known.issuperset(map(str, to)) and not faulty("classroom.signal-unchecked"):
            raise Thrown(
                Code.SIGNAL_RECEIVER,
                'Signal "to" field invalid format: '
                "some connectionId does not exist in this session",
            )
        if not faulty("classroom.signal-spreads"):
            receivers = [receiver for receiver in receivers if receiver.participant.id in to]
        if faulty("classroom.hint-lost"):
            receivers = [receiver for receiver in receivers if receiver.publication is None]
    elif faulty("classroom.signal-lost"):
        receivers = [seat]
    data, kind = (as_text(message[key]) if key in message else None for key in ("data", "type"))
    event = Signal(data, seat.participant.id, kind)
    for receiver in receivers:
        receiver.tell(event)
    call.answer()


async def stream_property_changed(call: Call) -> None:
    """Announce a change of the caller's own stream, whatever ``streamId`` says."""
    seat = call.seat
    call.text("streamId")
    name, value, reason = call.text("property"), call.scalar("newValue"), call.text("reason")
    stream = seat.participant.stream
    if stream is None:
        raise Defect(
            _NULL_POINTER,
            'Cannot invoke "io.openvidu.server.kurento.core.KurentoMediaOptions.hasAudio()" '
            'because "streamProperties" is null',
        )
    if name == "audioActive":
        seat.participant.stream = replace(stream, audio_active=_truth(value))
    elif name == "videoActive":
        seat.participant.stream = replace(stream, video_active=_truth(value))
    elif name == "videoDimensions":
        seat.participant.stream = replace(stream, video_dimensions=str(value))
    call.answer()
    if call.rooms.faults.active("classroom.change-untold"):
        return
    event = StreamPropertyChanged(
        seat.participant.id, stream.id, name, json.dumps(value, ensure_ascii=False), reason
    )
    for other in call.rooms.others(seat):
        other.tell(event)


def _truth(value: object) -> bool:
    return value is True or str(value).lower() == "true"


async def force_disconnect(call: Call) -> None:
    """A moderator throws somebody out."""
    seat, connection_id = call.seat, call.text("connectionId")
    _demand_moderator(call, "force disconnect")
    evicted = call.rooms.seat_of(seat.session, connection_id)
    if evicted is None:
        raise Reported(Code.USER_NOT_FOUND, "Connection not found when calling 'forceDisconnect'")
    lost = call.rooms.faults.active("classroom.evict-reason-lost")
    reason = "disconnect" if lost else "forceDisconnectByUser"
    call.rooms.evict(evicted, reason, in_between=call.answer)


async def force_unpublish(call: Call) -> None:
    """A moderator ends somebody's stream; an unknown one is never answered."""
    seat, wanted = call.seat, call.text("streamId")
    _demand_moderator(call, "force unpublish")
    owner = seat.session.owner_of(wanted)
    publisher = call.rooms.seat_of(seat.session, owner.id) if owner else None
    if publisher is None:
        raise Silence
    call.answer()
    untold = call.rooms.faults.active("classroom.unpublish-untold")
    call.rooms.stop_stream(publisher, "forceUnpublishByUser", tell_publisher=not untold)


def _demand_moderator(call: Call, to_do: str) -> None:
    allowed = call.rooms.faults.active("classroom.anyone-moderates")
    if call.seat.participant.role is not Role.MODERATOR and not allowed:
        raise _no_right(to_do)


def _no_right(to_do: str) -> Thrown:
    return Thrown(Code.UNAUTHORIZED, f"Unable to {to_do}. The user does not have a valid token")


#: Every method that needs a seat. ping, connect and joinRoom are `signalling`'s own.
METHODS: dict[str, Callable[[Call], Awaitable[None]]] = {
    "leaveRoom": leave_room,
    "publishVideo": publish_video,
    "unpublishVideo": unpublish_video,
    "receiveVideoFrom": receive_video_from,
    "reconnectStream": reconnect_stream,
    "unsubscribeFromVideo": unsubscribe_from_video,
    "onIceCandidate": on_ice_candidate,
    "sendMessage": send_message,
    "streamPropertyChanged": stream_property_changed,
    "forceDisconnect": force_disconnect,
    "forceUnpublish": force_unpublish,
}
