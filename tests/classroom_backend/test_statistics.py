"""What REST tells of media that really flows: between which addresses, and how it came to that."""

from __future__ import annotations

import re

from lab.classroom.attendee import ClassroomLoop
from lab.classroom.resources import Endpoint
from lab.classroom.token import Role
from tests.classroom_backend.running import ADDRESS, Backend

CANDIDATE = re.compile(rf"candidate:\S+ 1 udp \d+ {re.escape(ADDRESS)} \d+ typ (host|prflx)")
#: What happens in Kurento's words; whether ICE or DTLS is told first is chance.
HAPPENS = {
    ("IceComponentStateChange", "GATHERING"),
    ("IceGatheringDone", None),
    ("IceComponentStateChange", "CONNECTING"),
    ("IceComponentStateChange", "CONNECTED"),
    ("IceComponentStateChange", "READY"),
    ("NewCandidatePairSelected", None),
    ("ConnectionStateChanged", None),
}


def test_the_selected_candidates_and_events_of_flowing_media(shared_backend: Backend) -> None:
    with shared_backend.api() as api, ClassroomLoop() as loop:
        session = api.create_session().id
        teacher, student = (
            loop.join(shared_backend.url, api.create_token(session, role), ca=shared_backend.ca)
            for role in (Role.PUBLISHER, Role.SUBSCRIBER)
        )
        stream = teacher.publish_tone(440)
        student.subscribe(stream)
        found = {
            connection.connection_id: connection
            for connection in api.session(session, statistics=True).connections.content
        }
        (published,) = found[teacher.connection_id].publishers
        (received,) = found[student.connection_id].subscribers
        assert published.webrtc_endpoint_name == stream
        assert received.webrtc_endpoint_name == f"{student.connection_id}_{stream}"
        for endpoint in (published, received):
            _is_told(endpoint)


def _is_told(endpoint: Endpoint) -> None:
    for candidate in (endpoint.local_candidate, endpoint.remote_candidate):
        assert CANDIDATE.match(candidate), candidate
    assert endpoint.remote_sdp.startswith("v=0")
    assert _port(endpoint.local_candidate) in endpoint.local_sdp
    told = [(event["type"], event.get("state")) for event in endpoint.events]
    assert set(told) == HAPPENS
    assert len(told) == len(HAPPENS)
    since = [event["msSinceEndpointCreation"] for event in endpoint.events]
    assert since == sorted(since)


def _port(candidate: str) -> str:
    return candidate.split()[5]
