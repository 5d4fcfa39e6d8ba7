"""The table of the 264 recorded REST exchanges: how each is replayed, or why it is not.

What is in neither `DIFFERENT` nor `NOT_EMULATED` is sent as it was recorded, after what its path
and body speak of has been made: see `MAKERS`, `ACTIVE`, `LISTS` and `GONE`. The status, the
headers of `COMPARED` and the whole body are compared, without time and chance.
"""

from __future__ import annotations

from tests.classroom.recordings import RECORDINGS

COMPARED = (
    "access-control-allow-origin", "www-authenticate", "access-control-allow-methods",
    "access-control-allow-headers", "connection",
)  # fmt: skip

_NO_IP_CAMERA = "IP cameras: no criterion and no client of the suite has one"
_NO_PAGES = "HTML pages: the API's errors are JSON whatever is asked for"
_SPRING = "Tomcat's and Spring's treatment of requests that no client sends"

#: The backend answers otherwise on purpose.
DIFFERENT = {
    "misc-dashboard-auth": "there is no dashboard, so its path is as unknown as any",
    "misc-info-endpoint": "the debugging socket that broadcasts Kurento's events is left out",
    "misc-root": "the banner says embedded",
    "recordings-list-off": "the real server stumbles over a missing folder; here it is there",
    "variant-config-openvidu-publicurl": "the public URL is the address that it listens on",
    "variant-config-openvidu-recording-path": "the recordings' path is always the same",
}

NOT_EMULATED = {
    "active-get-after": _NO_IP_CAMERA,
    "auth-none-accept-html": _NO_PAGES,
    "config-openvidu-recording-accept-text": _SPRING,
    "connection-list": _NO_IP_CAMERA,
    "cors-options-no-origin-auth": _SPRING,
    "misc-brew": _SPRING,
    "misc-sessions-double-slash": _SPRING,
    "misc-trace-sessions": _SPRING,
    "misc-unknown-api-html": _NO_PAGES,
    "sessions-delete-long-path": _NO_PAGES,
    "stream-delete-ipcam": _NO_IP_CAMERA,
    "variant-tokens-turn": "TURN: media flows on loopback",
} | {
    file.stem: _NO_IP_CAMERA
    for file in (RECORDINGS / "rest").glob("*ipcam*.json")
}  # fmt: skip

RECORDED = sorted(file.stem for file in (RECORDINGS / "rest").glob("*.json"))
REPLAYED = [name for name in RECORDED if name not in {**DIFFERENT, **NOT_EMULATED}]

#: Exchanges of servers with a CDR and webhooks: the options with which ours is like them.
TELLING = {
    ("config", "config-openvidu-cdr", "config-trailing-slash"): (
        "--webhook", "http://127.0.0.1:7777/hook",
        "--webhook-header", "Authorization: Basic bWFkZTp1cA==",
        "--webhook-header", "X-Made-Up: yes",
    ),
    ("variant-config", "variant-config-openvidu-cdr"): (
        "--webhook", "http://127.0.0.1:7777/hook-b",
        "--webhook-events", "sessionCreated,sessionDestroyed",
        "--garbage-interval-s", "2", "--garbage-threshold-s", "6",
    ),
}  # fmt: skip
#: What every server has of its own in /config: where Kurento and it are, and a limit of the
#: second recorded server that nothing here heeds.
OWN_SETTINGS = {
    "KMS_URIS", "OPENVIDU_PUBLICURL", "OPENVIDU_STREAMS_VIDEO_MAX_RECV_BANDWIDTH",
}  # fmt: skip

#: session → the exchange that made it
MAKERS = {
    "fullSession": "sessions-create-full",
    "relayedSession": "sessions-create-relayed",
    "alwaysSession": "sessions-create-always-individual",
    "layout-CUSTOM": "sessions-create-layout-custom",
    "My-Class_42": "sessions-create-custom-id",
}
#: session → who was in it: recorded connection id, role, server data, client data, stream kind
ACTIVE = {
    "activeSession": (
        ("con_PNMZFGfHX6", "MODERATOR", "server A", "client A", "CAM_FEPs"),
        ("con_Xka24odSsL", "PUBLISHER", "", "client B", "MIC_XRZ2"),
    ),
    "lastOne": (("con_PllbXH5ZL2", "PUBLISHER", "", "", None),),
}
#: Exchanges that list all sessions; those are made from what was listed.
LISTS = (
    "active-list", "active-list-webrtcstats", "sessions-list-after", "sessions-list-before",
)  # fmt: skip
#: Exchanges that repeat a request: the second answer is the recorded one.
REPEATED = ("connection-delete-again",)
#: Exchanges about sessions that are gone.
GONE = (
    "active-delete-again", "active-get-after-delete", "sessions-delete-again",
    "last-connection-session-after",
)  # fmt: skip
#: Exchanges that create what others only use.
CREATING = {*MAKERS.values(), "sessions-recreate-same-id"}
#: What follows the long text that the recording cuts out of a request.
CUT_TAILS = {
    "sessions-create-huge-layout": '", "customSessionId": "hugeLayout"}',
    "sessions-create-huge-unknown-key": '"}',
    "sessions-get-long-path": "",
    "signal-huge-data": '"}',
    "tokens-data-100000-chars": '"}',
    "tokens-data-10001-chars": '"}',
}
