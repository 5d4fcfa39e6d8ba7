"""What REST tells of each stream's media connection with ``webRtcStats``.

In the shape that was recorded from openvidu-server 2.13.0. The selected candidates are told once
there are some.
"""

from __future__ import annotations

from typing import Any

from lab.classroom.embedded.aiortc_inside import selected_pair
from lab.classroom.embedded.media import Publication, Subscription
from lab.classroom.embedded.model import Session
from lab.classroom.embedded.rooms import Rooms, Seat


def with_statistics(rooms: Rooms, session: Session) -> dict[str, Any]:
    """REST's Session, each of whose streams tells how its media travels."""
    found = session.to_json()
    for connection in found["connections"]["content"]:
        seat = rooms.seat_of(session, connection["connectionId"])
        if seat is None:
            continue
        own = seat.participant.id
        connection["publishers"] = [
            _told(seat, seat.publication, stream["streamId"], own, stream)
            for stream in connection["publishers"]
        ]
        connection["subscribers"] = [
            _told(seat, seat.subscriptions.get(sender), f"{own}_{stream.stream_id}", sender, shown)
            for (sender, stream), shown in zip(
                seat.participant.receiving.items(), connection["subscribers"], strict=True
            )
        ]
    return found


def _told(
    seat: Seat,
    endpoint: Publication | Subscription | None,
    name: str,
    candidates_of: str,
    stream: dict[str, Any],
) -> dict[str, Any]:
    if endpoint is None:
        return stream
    connection = endpoint.connection
    pair = selected_pair(connection)
    chosen = {} if pair is None else {"localCandidate": pair[0], "remoteCandidate": pair[1]}
    return {
        "createdAt": stream["createdAt"],
        "webrtcEndpointName": name,
        "remoteSdp": connection.remoteDescription.sdp,
        "localSdp": connection.localDescription.sdp,
        "receivedCandidates": [
            {"candidate": one.text, "sdpMid": one.mid, "sdpMLineIndex": one.index}
            for one in seat.candidates[candidates_of]
        ],
        **chosen,
        "events": endpoint.history.events,
        **stream,
    }
