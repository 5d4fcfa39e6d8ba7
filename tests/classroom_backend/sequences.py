"""The table of the 60 recorded conversations: how each is played, or why it is not.

Each recording is in exactly one of `AT_ONCE`, `IN_TIME`, `PARTLY`, `BY_A_TEST`, `DIFFERENT` and
`NOT_EMULATED`; docs/classroom.md tells the last two.
"""

from __future__ import annotations

#: Nothing in them waits: every frame is sent as soon as the ones before have come.
AT_ONCE = (
    "classroom-three",
    "force-disconnect",
    "force-unpublish",
    "handshake-details",
    "heartbeat-before-join",
    "ice-early-and-late",
    "ice-early-subscriber-race",
    "join-errors",
    "join-leave-rejoin-custom-id",
    "join-metadata",
    "leave-room",
    "protocol-before-join",
    "protocol-pipelining",
    "publish-always-recording-session",
    "publish-as-subscriber",
    "publish-audio-only",
    "publish-audio-video",
    "publish-bad-sdp",
    "publish-loopback",
    "publish-missing-params",
    "publish-neither",
    "publish-relayed-session",
    "publish-screen-and-custom",
    "publish-twice",
    "reconnect-odd",
    "reconnect-stream-without-reconnect",
    "rest-connection-closed",
    "rest-session-closed",
    "rest-signal",
    "same-cookie-two-sockets",
    "send-message",
    "stream-property-changed",
    "subscribe-ok",
    "unpublish",
    "unsubscribe",
)

#: The heartbeat or the wait for a lost socket is in them: they are played in their own time,
#: `stage.SPEED` times as fast, all together against one backend whose times are as short.
IN_TIME = (
    "heartbeat-first-interval-1000",
    "heartbeat-first-without-interval",
    "heartbeat-never",
    "heartbeat-normal",
    "heartbeat-stops",
    "heartbeat-stops-but-talks",
    "heartbeat-timeout-without-join",
    "idle-socket",
    "protocol-odd-frames",
    "publisher-reconnects-stream",
    "reconnect-after-grace",
    "reconnect-after-ping-timeout",
    "reconnect-without-pinging-first",
    "sends-while-peer-is-in-grace",
    "socket-abort",
    "socket-abort-last",
)

#: Played until a moment, in the recording's milliseconds → why not further.
PARTLY = {
    "frame-size-limit": (
        5_500, "a socket that the real server closes leaves its participant behind"
    ),
    "join-secret": (1_300, "a recorder joins only where the recording module is on"),
    "socket-close-clean": (
        11_186, "a socket that closes with a reason leaves its participant behind"
    ),
}  # fmt: skip

#: Held to the backend by a test of its own, which needs a server of its own.
BY_A_TEST = {
    "server-shutdown": "test_a_server_that_stops_evicts_everybody",
    "session-garbage-collection": "test_sessions_that_nobody_joins_are_forgotten",
}

#: The backend answers otherwise on purpose.
DIFFERENT = {
    "handshake": "the debugging socket /info, which broadcasts Kurento's events, is not there",
    "join-twice-same-socket": "a participant who joins again moves; the real server keeps a ghost",
    "tls-port-facts": "plain HTTP on the TLS port ends the connection; the real one answers 400",
}

NOT_EMULATED = {
    "filters": "filters run in Kurento; this backend never decodes media",
}

#: Recordings with webhooks and CDR lines that are played → the session in them.
WEBHOOKS = {
    "webhook-classroom": "w-class",
    "webhook-endpoint-down": "w-down",
    "webhook-endpoint-says-500": "w-500",
    "webhook-never-joined": "w-never",
    "webhook-reasons": "w-ends",
}

WEBHOOKS_NOT_EMULATED = {
    "webhook-ip-camera": "IP cameras: no criterion and no client of the suite has one",
}

#: Recordings of a media server that fails → how it does at first, and after which note.
MEDIA_SERVER: dict[str, dict[str, str]] = {
    "kms-connection-dropped": {},
    "kms-down-and-back": {
        "media server killed": "gone",
        "media server back": "",
    },
    "kms-error-event": {
        "Error on WebRtcEndpoint": "endpoints-break",
        "Error on PassThrough": "publishers-break",
        "Error on MediaPipeline": "sessions-break",
    },
    "kms-fail-create-endpoint": {"": "endpoint", "afterwards": ""},
    "kms-fail-create-passthrough": {"": "publish", "afterwards": ""},
    "kms-fail-create-pipeline": {"": "pipeline"},
    "kms-fail-gather": {},
    "kms-fail-process-offer": {"": "publish", "afterwards": ""},
    "kms-fail-subscribe": {"": "subscribe", "the same again": ""},
    "kms-slow": {"": "slow"},
    "kurento-audio-only-and-options": {},
    "kurento-publish-subscribe": {},
}
