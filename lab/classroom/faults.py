"""What can go wrong with the embedded classroom backend on request. It looks at each act.

All are on the role ``tars-agent``, where the backend runs; each spoils the one thing that its
criterion judges, and leaves what is needed to get there as it is.
"""

from __future__ import annotations

from lab.faultflags import Fault

_ROLES = ("tars-agent",)

FAULTS = (
    Fault(
        "classroom.deaf",
        _ROLES,
        "the backend accepts HTTP and WebSocket requests, never answers, and cuts them after 30 s",
    ),
    Fault(
        "classroom.accept-any-secret",
        _ROLES,
        "REST lets in whoever brings an Authorization header, whatever is in it",
    ),
    Fault(
        "classroom.session-forgets",
        _ROLES,
        "a session that exists is 404 to GET, and one that was deleted is still listed and found",
    ),
    Fault(
        "classroom.token-wrong-role",
        _ROLES,
        "a new token says another role than the one asked for; it grants the right one",
    ),
    Fault("classroom.token-reusable", _ROLES, "a token can be used for any number of joins"),
    Fault(
        "classroom.join-unannounced",
        _ROLES,
        "nobody in the session is told that somebody has joined",
    ),
    Fault("classroom.join-slow", _ROLES, "joinRoom is answered 1.5 s late"),
    Fault(
        "classroom.leave-unannounced",
        _ROLES,
        "nobody in the session is told that somebody has left",
    ),
    Fault(
        "classroom.media-blackhole",
        _ROLES,
        "audio and video packets of publishers are taken and not forwarded",
    ),
    Fault(
        "classroom.media-silence",
        _ROLES,
        "every audio packet is forwarded with silence in it",
    ),
)
