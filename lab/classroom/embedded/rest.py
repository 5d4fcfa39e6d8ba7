"""OpenVidu 2.13's REST interface: routes, in the shapes of the recorded exchanges."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import hdrs, web

from lab.classroom.embedded import answers
from lab.classroom.embedded.model import (
    GARBAGE_INTERVAL_S,
    GARBAGE_THRESHOLD_S,
    VERSION,
    Session,
)
from lab.classroom.embedded.options import (
    Refused,
    role_named,
    session_options,
    signal_request,
    token_request,
)
from lab.classroom.embedded.recordings import Recordings
from lab.classroom.embedded.rest_recordings import RestRecordings
from lab.classroom.embedded.rooms import Rooms
from lab.classroom.embedded.sockets import serve_socket
from lab.classroom.embedded.statistics import with_statistics
from lab.classroom.messages import Signal
from lab.classroom.signalling import PATH
from lab.classroom.token import Role
from lab.cut_answers import cut_short

#: While it is deaf, the server keeps a caller waiting for this long, in seconds.
DEAF_S = 30.0
#: The largest body that is read; the real server has no limit below this one.
MAX_BODY_BYTES = 16 * 1024 * 1024

#: What a token for a role says when the fault classroom.token-wrong-role is on.
_WRONG_ROLE = {
    Role.SUBSCRIBER: Role.PUBLISHER,
    Role.PUBLISHER: Role.SUBSCRIBER,
    Role.MODERATOR: Role.PUBLISHER,
}
#: What a connection is listed with when the fault classroom.listing-bare is on.
_BARE = {"platform": "", "role": Role.PUBLISHER.value, "clientData": "", "serverData": ""}
_BOOLEANS = {"true": True, "on": True, "yes": True, "1": True} | dict.fromkeys(
    ("false", "off", "no", "0", ""), False
)
_BANNER = """<!DOCTYPE html>
<title>Embedded classroom backend</title>
<p>This is the embedded, OpenVidu-2.13-compatible classroom backend of the suite, not OpenVidu.
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Rest:
    """The routes over the rooms. ``authority`` is ``HOST:PORT``, as tokens name it."""

    rooms: Rooms
    authority: str
    secret: str = field(repr=False)
    recordings: Recordings | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    #: Every so many seconds, sessions that nobody joined are looked for, and how old they may get.
    garbage: tuple[float, float] = (GARBAGE_INTERVAL_S, GARBAGE_THRESHOLD_S)
    #: Started while a fault is on that keeps a restarted server from making sessions.
    _numb: bool = field(init=False)
    #: Sessions that were closed while a fault makes the server deny it, as REST shows them.
    _undead: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numb = self.rooms.faults.active("classroom.restart-numb")

    def application(self) -> web.Application:
        app = web.Application(
            middlewares=[self._whole_answer, self._guard], client_max_size=MAX_BODY_BYTES
        )
        app.on_response_prepare.append(_finish_headers)
        routes: list[tuple[str, str, Handler]] = [
            ("POST", "/api/sessions", self._create_session),
            ("GET", "/api/sessions", self._list_sessions),
            ("GET", "/api/sessions/{session}", self._get_session),
            ("DELETE", "/api/sessions/{session}", self._close_session),
            ("DELETE", "/api/sessions/{session}/connection/{id}", self._force_disconnect),
            ("DELETE", "/api/sessions/{session}/stream/{id}", self._force_unpublish),
            ("POST", "/api/tokens", self._create_token),
            ("POST", "/api/signal", self._signal),
            ("GET", "/config", self._config),
            ("GET", "/cdr", self._list_cdr),
            ("GET", "/cdr/{name}", self._get_cdr),
            ("GET", "/", _banner),
            ("GET", PATH, self._socket),
            *RestRecordings(self.rooms, self.recordings, _needed_body).routes(),
        ]
        texts: dict[str, Any] = {
            "/config/openvidu-version": VERSION,
            "/config/openvidu-publicurl": f"https://{self.authority}/",
            "/config/openvidu-recording": self.recordings is not None,
            "/config/openvidu-recording-path": self._recording_path(),
            "/config/openvidu-cdr": self.rooms.journal.cdr is not None,
            "/accept-certificate": "accept-cert",
        }
        routes += [("GET", path, _constant(found)) for path, found in texts.items()]
        for method, path, handler in routes:
            app.router.add_route(method, path, handler)
            if path.startswith(("/api/", "/config")):
                app.router.add_route(method, f"{path}/", handler)
            if method == "GET" and path != PATH:
                app.router.add_route("HEAD", path, handler)
        return app

    # -- around every call --------------------------------------------------------------

    @web.middleware
    async def _whole_answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn refusals into answers; while out of order, give none."""
        try:
            return await self._out_of_order(request) or await handler(request)
        except Refused as refusal:
            bare = self.rooms.faults.active("classroom.errors-bare")
            return answers.refused(request, refusal.status, None if bare else refusal.message)
        except _Unreadable as unreadable:
            return answers.framework_error(request, unreadable.status, unreadable.message)
        except web.HTTPMethodNotAllowed as wrong:
            return _not_allowed(request, wrong)
        except web.HTTPNotFound:
            return answers.framework_error(request, 404, "No message available")

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = answers.preflight(request)
        if answer is not None:
            return answer
        if not answers.let_in(request, self.secret, self.rooms.faults.active):
            return answers.unauthorized(request)
        return await handler(request)

    async def _out_of_order(self, request: web.Request) -> web.StreamResponse | None:
        if self.rooms.faults.active("classroom.deaf"):
            return await self._hang_up(request)
        if self.rooms.faults.active("classroom.answers-cut"):
            return await cut_short(request)
        return None

    async def _hang_up(self, request: web.Request) -> web.Response:
        """Accept, never answer, and cut the connection in the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), DEAF_S)
        if request.transport is not None:
            request.transport.abort()
        return answers.empty(503)  # nobody gets it

    # -- sessions -----------------------------------------------------------------------

    async def _create_session(self, request: web.Request) -> web.Response:
        options = session_options(await _body(request) or {})
        faulty = self.rooms.faults.active
        if self._numb and faulty("classroom.restart-numb"):
            raise Refused(500, "No media server is there")
        if faulty("classroom.custom-id-ignored"):
            options = replace(options, custom_session_id="")
        session = self.rooms.sessions.create(options, _now_ms())
        if session is None and faulty("classroom.duplicate-accepted"):
            session = self.rooms.sessions.get(options.custom_session_id)
        if session is None:
            return answers.empty(409)
        if faulty("classroom.unjoined-told"):
            self.rooms.journal.session_created(session)
        return answers.value({"id": session.id, "createdAt": session.created_at})

    async def _list_sessions(self, request: web.Request) -> web.Response:
        stats = _stats_wanted(request)
        content = [self._shown(session, stats) for session in self.rooms.sessions.all()]
        if self._forgetful():
            content += self._undead.values()
        return answers.value({"numberOfElements": len(content), "content": content})

    def _shown(self, session: Session, stats: bool) -> dict[str, Any]:
        return with_statistics(self.rooms, session) if stats else session.to_json()

    async def _get_session(self, request: web.Request) -> web.Response:
        stats = _stats_wanted(request)
        if self._forgetful():
            undead = self._undead.get(request.match_info["session"])
            return answers.empty(404) if undead is None else answers.value(undead)
        found = self._shown(self._session(request, missing=404), stats)
        if self.rooms.faults.active("classroom.listing-bare"):
            for connection in found["connections"]["content"]:
                connection.update(_BARE)
        return answers.value(found)

    async def _close_session(self, request: web.Request) -> web.Response:
        session = self._session(request, missing=404)
        if self._forgetful():
            self._undead[session.id] = session.to_json()
        lost = self.rooms.faults.active("classroom.close-reason-lost")
        self.rooms.close_session(session, "disconnect" if lost else "sessionClosedByServer")
        return answers.empty(204)

    async def _force_disconnect(self, request: web.Request) -> web.Response:
        session = self._session(request, missing=400)
        seat = self.rooms.seat_of(session, request.match_info["id"])
        if seat is None:
            return self._missing()
        if not self.rooms.faults.active("classroom.evicted-stays"):
            self.rooms.evict(seat, "forceDisconnectByServer")
        return answers.empty(204)

    async def _force_unpublish(self, request: web.Request) -> web.Response:
        session = self._session(request, missing=400)
        owner = session.owner_of(request.match_info["id"])
        seat = self.rooms.seat_of(session, owner.id) if owner else None
        if seat is None:
            return self._missing()
        if not self.rooms.faults.active("classroom.stream-stays"):
            self.rooms.stop_stream(seat, "forceUnpublishByServer", tell_publisher=True)
        return answers.empty(204)

    def _missing(self) -> web.Response:
        """The answer to who ends a connection or stream that is not there."""
        return answers.empty(204 if self.rooms.faults.active("classroom.missing-ended") else 404)

    def _session(self, request: web.Request, *, missing: int) -> Session:
        session = self.rooms.sessions.get(request.match_info["session"])
        if session is None:
            raise Refused(missing)
        return session

    def _forgetful(self) -> bool:
        if self.rooms.faults.active("classroom.session-forgets"):
            return True
        self._undead.clear()
        return False

    # -- tokens and signals -------------------------------------------------------------

    async def _create_token(self, request: web.Request) -> web.Response:
        wanted = token_request(await _needed_body(request))
        faulty = self.rooms.faults.active
        if faulty("classroom.role-first"):
            role_named(wanted.role)
        session = self.rooms.sessions.get(wanted.session)
        if session is None:
            raise Refused(404, f"Session {wanted.session} not found")
        unchecked = wanted.role not in Role.__members__ and faulty("classroom.role-unchecked")
        role = shown = role_named(None if unchecked else wanted.role)
        if faulty("classroom.token-wrong-role"):
            shown = _WRONG_ROLE[role]
        grant = session.grant(self.authority, role, wanted.data, shown_role=shown)
        answer: dict[str, Any] = {
            "id": grant.url,
            "session": session.id,
            "role": shown.value,
            "data": wanted.data,
            "token": grant.url,
        }
        if wanted.kurento_options is not None:
            answer["kurentoOptions"] = wanted.kurento_options
        return answers.value(answer)

    async def _signal(self, request: web.Request) -> web.Response:
        wanted = signal_request(await _needed_body(request))
        session = self.rooms.sessions.get(wanted.session)
        if session is None:
            return answers.empty(404)
        if not session.active:
            return answers.empty(406)
        receivers = self.rooms.seats_in(session)
        if wanted.to:
            receivers = [seat for seat in receivers if seat.participant.id in wanted.to]
            known = {seat.participant.id for seat in receivers} == set(map(str, wanted.to))
            if not known and not self.rooms.faults.active("classroom.signal-unchecked"):
                raise Refused(406, '"to" array has no valid connection identifiers')
        signal = Signal(data=wanted.content.get("data"), type=wanted.content.get("type"))
        for receiver in receivers:
            if self.rooms.faults.active("classroom.signal-forged"):
                signal = replace(signal, sender=receiver.participant.id)
            receiver.tell(signal)
        return answers.empty(200)

    # -- the rest -----------------------------------------------------------------------

    def _recording_path(self) -> str:
        return f"{self.recordings.folder}/" if self.recordings else "/opt/openvidu/recordings/"

    async def _list_cdr(self, request: web.Request) -> web.Response:  # noqa: ARG002
        cdr = self.rooms.journal.cdr
        return answers.value(cdr.names() if cdr else [])

    async def _get_cdr(self, request: web.Request) -> web.Response:
        cdr = self.rooms.journal.cdr
        found = cdr.content(request.match_info["name"]) if cdr else None
        if found is None:
            raise web.HTTPNotFound
        return answers.text(found.decode())

    async def _config(self, request: web.Request) -> web.Response:  # noqa: ARG002
        interval, threshold = self.garbage
        journal = self.rooms.journal
        found = {
            "VERSION": VERSION,
            "KMS_URIS": ["embedded"],
            "OPENVIDU_PUBLICURL": f"https://{self.authority}",
            "OPENVIDU_CDR": journal.cdr is not None,
            "OPENVIDU_STREAMS_VIDEO_MAX_RECV_BANDWIDTH": 1000,
            "OPENVIDU_STREAMS_VIDEO_MIN_RECV_BANDWIDTH": 300,
            "OPENVIDU_STREAMS_VIDEO_MAX_SEND_BANDWIDTH": 1000,
            "OPENVIDU_STREAMS_VIDEO_MIN_SEND_BANDWIDTH": 300,
            "OPENVIDU_SESSIONS_GARBAGE_INTERVAL": round(interval),
            "OPENVIDU_SESSIONS_GARBAGE_THRESHOLD": round(threshold),
            "OPENVIDU_RECORDING": self.recordings is not None,
            "OPENVIDU_WEBHOOK": journal.webhook is not None,
        }
        if self.recordings is not None:
            found |= {
                "OPENVIDU_RECORDING_VERSION": "embedded",
                "OPENVIDU_RECORDING_PATH": self._recording_path(),
                "OPENVIDU_RECORDING_PUBLIC_ACCESS": False,
                "OPENVIDU_RECORDING_NOTIFICATION": "publisher_moderator",
                "OPENVIDU_RECORDING_CUSTOM_LAYOUT": "",
                "OPENVIDU_RECORDING_AUTOSTOP_TIMEOUT": round(self.recordings.autostop_s),
            }
        if journal.webhook is not None:
            target = journal.webhook.target
            found |= {
                "OPENVIDU_WEBHOOK_ENDPOINT": target.endpoint,
                "OPENVIDU_WEBHOOK_HEADERS": list(target.headers),
                "OPENVIDU_WEBHOOK_EVENTS": list(target.events),
            }
        return answers.value(found)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            answer = web.Response(status=400, text='Can "Upgrade" only to "WebSocket".')
            answer.force_close()
            return answer
        return await serve_socket(request, self.rooms, self.secret)


class _Unreadable(Exception):
    """Spring refuses the request before any controller sees it."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


def _not_allowed(request: web.Request, wrong: web.HTTPMethodNotAllowed) -> web.Response:
    says = None if request.path == PATH else f"Request method '{request.method}' not supported"
    answer = answers.empty(405) if says is None else answers.framework_error(request, 405, says)
    answer.headers[hdrs.ALLOW] = ", ".join(sorted(wrong.allowed_methods - {"HEAD"}))
    return answer


async def _body(request: web.Request) -> dict[str, Any] | None:
    """The JSON object in a request; None if there is no body, or ``null``."""
    data = await request.read()
    if not data:
        return None
    if request.content_type != "application/json":
        charset = request.charset or "UTF-8"
        says = f"Content type '{request.content_type};charset={charset}' not supported"
        raise _Unreadable(415, says)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise _Unreadable(400, "JSON parse error") from None
    if found is not None and not isinstance(found, dict):
        raise _Unreadable(400, "JSON parse error: no object")
    return found


async def _needed_body(request: web.Request) -> dict[str, Any]:
    found = await _body(request)
    if found is None:
        raise _Unreadable(400, answers.MISSING_BODY)
    return found


def _stats_wanted(request: web.Request) -> bool:
    """The query's ``webRtcStats``, as Spring reads a boolean."""
    given = request.query.get("webRtcStats", "false")
    if given.lower() not in _BOOLEANS:
        raise _Unreadable(
            400,
            "Failed to convert value of type 'java.lang.String' to required type 'boolean'; nested "
            f"exception is java.lang.IllegalArgumentException: Invalid boolean value [{given}]",
        )
    return _BOOLEANS[given.lower()]


def _constant(found: object) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:  # noqa: ARG001
        return answers.text(found) if isinstance(found, str) else answers.value(found)

    return handler


async def _banner(request: web.Request) -> web.Response:  # noqa: ARG001
    return web.Response(text=_BANNER, content_type="text/html", charset="UTF-8")


async def _finish_headers(request: web.Request, answer: web.StreamResponse) -> None:
    answers.allow_origin(request, answer)
    answer.headers[hdrs.SERVER] = "iec4 embedded classroom"
    if answer.content_length == 0:
        answer.headers.popall(hdrs.CONTENT_TYPE, None)


def _now_ms() -> int:
    return int(time.time() * 1000)
