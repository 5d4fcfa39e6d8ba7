"""Every call of OpenVidu 2.13's interfaces is judged by a criterion, or said not to be."""

from __future__ import annotations

from typing import get_args

from blueprints import model
from lab.classroom.messages import Event, Unknown

#: Of openvidu-server 2.13.0's REST table; IP cameras and texts of /config are below.
REST = {
    "POST /api/sessions",
    "GET /api/sessions",
    "GET /api/sessions/ID",
    "DELETE /api/sessions/ID",
    "DELETE /api/sessions/ID/connection/ID",
    "DELETE /api/sessions/ID/stream/ID",
    "POST /api/sessions/ID/connection",
    "POST /api/tokens",
    "POST /api/signal",
    "POST /api/recordings/start",
    "POST /api/recordings/stop/ID",
    "GET /api/recordings",
    "GET /api/recordings/ID",
    "DELETE /api/recordings/ID",
    "GET /recordings/ID",
    "GET /config",
    "GET /config/openvidu-publicurl",
    "GET /accept-certificate",
    "GET /cdr",
}
METHODS = {
    "ping",
    "joinRoom",
    "leaveRoom",
    "publishVideo",
    "unpublishVideo",
    "receiveVideoFrom",
    "unsubscribeFromVideo",
    "onIceCandidate",
    "sendMessage",
    "streamPropertyChanged",
    "forceDisconnect",
    "forceUnpublish",
    "connect",
    "reconnectStream",
    "applyFilter",
    "execFilterMethod",
    "removeFilter",
    "addFilterEventListener",
    "removeFilterEventListener",
}
NOTIFICATIONS = {kind.METHOD for kind in get_args(Event) if kind is not Unknown}
NOT_JUDGED = {
    "POST /api/sessions/ID/connection": "a classroom has no IP cameras",
    "applyFilter": "a classroom has no filters",
    "execFilterMethod": "a classroom has no filters",
    "removeFilter": "a classroom has no filters",
    "addFilterEventListener": "a classroom has no filters",
    "removeFilterEventListener": "a classroom has no filters",
    "filterEventDispatched": "a classroom has no filters",
    "iceCandidate": "not needed where the answer holds all candidates",
    "mediaError": "nothing in reach of a client provokes it",
}


def test_every_call_is_judged_or_said_not_to_be() -> None:
    judged = {api for one in model.load().criteria if one.layer == "saas" for api in one.apis}
    assert (REST | METHODS | NOTIFICATIONS) - judged == set(NOT_JUDGED)
    assert judged - (REST | METHODS | NOTIFICATIONS) == {
        "GET /openvidu", "JSON-RPC frames", "TLS of the classroom", "authorisation of /api",
        "refusals of /api", "webhooks",
    }  # fmt: skip
