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
        "classroom.answers-cut", _ROLES, "answers by HTTP end in their middle, the connection too"
    ),
    Fault(
        "classroom.accept-any-secret",
        _ROLES,
        "REST lets in whoever brings an Authorization header, whatever is in it",
    ),
    Fault("classroom.any-user", _ROLES, "REST lets in any user who brings the secret"),
    Fault("classroom.nobody-asked", _ROLES, "REST lets in whoever brings no credentials at all"),
    Fault(
        "classroom.handshake-open",
        _ROLES,
        "a WebSocket opens whatever the Authorization header in its handshake says",
    ),
    Fault("classroom.public-closed", _ROLES, "the public URL asks for credentials, too"),
    Fault(
        "classroom.foreign-certificate",
        _ROLES,
        "the TLS port shows a certificate that the lab's CA does not vouch for",
    ),
    Fault("classroom.errors-bare", _ROLES, "refusals by REST have no body, whatever they refuse"),
    Fault("classroom.custom-id-ignored", _ROLES, "a session gets an id of the server's making"),
    Fault(
        "classroom.duplicate-accepted",
        _ROLES,
        "an id that is taken is answered like a new session, not by 409",
    ),
    Fault(
        "classroom.close-reason-lost",
        _ROLES,
        "who is in a session that REST closes is told an ordinary disconnect",
    ),
    Fault(
        "classroom.session-stays",
        _ROLES,
        "a session lives on when its last participant has left",
    ),
    Fault(
        "classroom.evicted-stays",
        _ROLES,
        "REST confirms that it disconnects a participant, and does not",
    ),
    Fault(
        "classroom.stream-stays",
        _ROLES,
        "REST confirms that it ends a stream, and does not",
    ),
    Fault(
        "classroom.missing-ended",
        _ROLES,
        "REST confirms that it ends connections and streams that are not there",
    ),
    Fault(
        "classroom.listing-bare",
        _ROLES,
        "a session is read without its connections' platforms, roles and data",
    ),
    Fault(
        "classroom.unjoined-told",
        _ROLES,
        "a session is told of when it is made, before anybody joins",
    ),
    Fault(
        "classroom.restart-numb",
        _ROLES,
        "a backend that starts makes no sessions",
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
    Fault(
        "classroom.role-first",
        _ROLES,
        "a token's role is looked at before its session",
    ),
    Fault("classroom.role-unchecked", _ROLES, "a token for a role that there is not is made"),
    Fault("classroom.token-unchecked", _ROLES, "any token admits, as a subscriber"),
    Fault(
        "classroom.token-role-trusted",
        _ROLES,
        "a token's role is what its URL says when it is used, changed or not",
    ),
    Fault("classroom.subscriber-publishes", _ROLES, "a subscriber may publish"),
    Fault("classroom.anyone-moderates", _ROLES, "who is no moderator may evict and unpublish"),
    Fault(
        "classroom.evict-reason-lost",
        _ROLES,
        "an eviction by a moderator is announced as an ordinary disconnect",
    ),
    Fault(
        "classroom.unpublish-untold",
        _ROLES,
        "whose stream a moderator ends is not told",
    ),
    Fault("classroom.presence-hidden", _ROLES, "who joins is told of nobody"),
    Fault("classroom.signal-lost", _ROLES, "a signal to all reaches only its sender"),
    Fault("classroom.recording-untold", _ROLES, "nobody in the session is told of a recording"),
    Fault(
        "classroom.recording-kept",
        _ROLES,
        "REST confirms that it deletes a recording, and does not",
    ),
    Fault("classroom.hint-lost", _ROLES, "a signal to one who publishes does not arrive"),
    Fault(
        "classroom.first-takes-all",
        _ROLES,
        "a stream reaches only the first who receives it",
    ),
    Fault("classroom.publishers-deaf", _ROLES, "who publishes receives nothing of the others"),
    Fault("classroom.signal-spreads", _ROLES, "a signal to one reaches everybody"),
    Fault("classroom.signal-forged", _ROLES, "a signal by REST says that its receiver sent it"),
    Fault(
        "classroom.signal-unchecked",
        _ROLES,
        "a signal to somebody who is not there is taken",
    ),
    Fault("classroom.silence-tolerated", _ROLES, "a socket that pings no more stays open"),
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
    Fault(
        "classroom.media-loud",
        _ROLES,
        "every audio packet is forwarded with the loudest sound that its publisher had so far",
    ),
    Fault(
        "classroom.restart-unannounced",
        _ROLES,
        "nobody is told what a participant publishes after its first stream",
    ),
    Fault("classroom.screen-unnamed", _ROLES, "every video is announced as a camera's"),
    Fault("classroom.reconnect-refused", _ROLES, "who comes back after a cut is not known"),
    Fault("classroom.webhook-lost", _ROLES, "events are written down, but not posted"),
    Fault("classroom.webhook-late", _ROLES, "each event is posted 2 s after it could have been"),
    Fault("classroom.webhook-repeated", _ROLES, "an event whose endpoint fails is posted again"),
    Fault("classroom.leave-slow", _ROLES, "leaveRoom is answered 1.5 s late"),
    Fault("classroom.seats-short", _ROLES, "a session takes no more than three subscribers"),
    Fault("classroom.media-lossy", _ROLES, "every tenth audio packet is not forwarded"),
    Fault("classroom.media-uneven", _ROLES, "every other audio packet is forwarded 60 ms late"),
    Fault("classroom.media-late", _ROLES, "every packet is forwarded 200 ms late"),
    Fault("classroom.media-frozen", _ROLES, "of every 2 s, 0.7 s of video are not forwarded"),
    Fault("classroom.media-thinned", _ROLES, "of every 0.3 s, 0.1 s of video are not forwarded"),
    Fault(
        "classroom.join-awaits-webhook",
        _ROLES,
        "while the endpoint of its events fails, the backend answers joinRoom 1.5 s late",
    ),
    Fault("classroom.event-reason-lost", _ROLES, "whatever ended, events tell a disconnect"),
    Fault("classroom.cdr-lost", _ROLES, "nothing is written into the CDR"),
    Fault("classroom.garbage-fatal", _ROLES, "a text that is no frame closes its socket"),
    Fault("classroom.oversize-taken", _ROLES, "frames of any length are served"),
    Fault(
        "classroom.flood-blocks",
        _ROLES,
        "the whole backend stands still for 20 ms for each join that it refuses",
    ),
    Fault(
        "classroom.slow-reader-blocks",
        _ROLES,
        "nobody is sent anything while one does not take what it is sent",
    ),
    Fault(
        "classroom.unmute-lost",
        _ROLES,
        "a publisher that was silent once is forwarded as silent from then on",
    ),
    Fault("classroom.change-untold", _ROLES, "nobody is told what a publisher changes"),
    Fault("classroom.picture-lost", _ROLES, "video packets are not forwarded; audio flows"),
    Fault("classroom.keyframes-withheld", _ROLES, "key frames of video are not forwarded"),
    Fault(
        "classroom.restart-lost",
        _ROLES,
        "a publisher that starts anew is forwarded to nobody",
    ),
    Fault(
        "classroom.rooms-mixed",
        _ROLES,
        "who subscribes is served a stream of another session, if there is one",
    ),
    Fault("classroom.lost-stay", _ROLES, "who lost the socket is never given up"),
    Fault(
        "classroom.unpublish-leaks",
        _ROLES,
        "the end of a stream is announced, and its media flows on",
    ),
    Fault("classroom.unsubscribe-leaks", _ROLES, "who unsubscribes is served on"),
    Fault("classroom.recording-cut", _ROLES, "0.8 s of each stream are recorded"),
    Fault("classroom.recording-unchecked", _ROLES, "a session without anybody is recorded"),
    Fault("classroom.recordings-open", _ROLES, "recordings are served to who has no credentials"),
    Fault(
        "classroom.media-server-fails",
        _ROLES,
        "the media server fails as the fault's text says (embedded/media_server.py)",
    ),
)
