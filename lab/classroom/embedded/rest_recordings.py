"""OpenVidu 2.13's REST interface to recordings, and their files under ``/recordings/``.

Source of every refusal: openvidu-server 2.13.0's SessionRestController; where recording is off,
recorded exchanges.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from lab.classroom.embedded import answers
from lab.classroom.embedded.model import Session
from lab.classroom.embedded.options import (
    RecordingRequest,
    Refused,
    completed,
    recording_request,
)
from lab.classroom.embedded.recording import Recording
from lab.classroom.embedded.recordings import Recordings
from lab.classroom.embedded.rooms import Rooms

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RestRecordings:
    """The routes; ``recordings`` is None where recording is off.

    ``body`` reads a request's JSON object, or refuses it.
    """

    def __init__(
        self,
        rooms: Rooms,
        recordings: Recordings | None,
        body: Callable[[web.Request], Awaitable[dict[str, Any]]],
    ) -> None:
        self._rooms = rooms
        self._recordings = recordings
        self._body = body

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/api/recordings/start", self._start),
            ("POST", "/api/recordings/stop/{id}", self._stop),
            ("GET", "/api/recordings", self._list),
            ("GET", "/api/recordings/{id}", self._get),
            ("DELETE", "/api/recordings/{id}", self._delete),
            ("GET", "/recordings/{id}/{name}", self._file),
        ]

    async def _start(self, request: web.Request) -> web.Response:
        params = await self._body(request)
        if self._recordings is None:
            raise Refused(501)
        wanted = recording_request(params)
        session = self._recordable(wanted)
        try:
            started = self._recordings.start(session, completed(wanted, session.options))
        except OSError as error:
            return answers.failed(f"Error starting recording: {error.strerror}")
        return answers.value(started.to_json())

    def _recordable(self, wanted: RecordingRequest) -> Session:
        session = self._rooms.sessions.get(wanted.session)
        if session is None:
            raise Refused(404)
        unchecked = self._rooms.faults.active("classroom.recording-unchecked")
        if session.options.media_mode != "ROUTED" or session.recording:
            raise Refused(409)
        if not session.participants and not unchecked:
            raise Refused(406)
        return session

    async def _stop(self, request: web.Request) -> web.Response:
        stopped = None
        if self._recordings is not None:
            stopped = await self._recordings.stop(request.match_info["id"])
        if stopped is None:
            raise Refused(404)
        return answers.value(stopped.to_json())

    async def _list(self, request: web.Request) -> web.Response:  # noqa: ARG002
        items = [] if self._recordings is None else self._recordings.all()
        found = [recording.to_json() for recording in items]
        return answers.value({"count": len(found), "items": found})

    async def _get(self, request: web.Request) -> web.Response:
        return answers.value(self._known(request)[1].to_json())

    async def _delete(self, request: web.Request) -> web.Response:
        recordings, recording = self._known(request)
        if not recordings.is_over(recording.id):
            raise Refused(409)
        recordings.delete(recording.id)
        return answers.empty(204)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = None
        if self._recordings is not None:
            found = self._recordings.file(request.match_info["id"], request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.FileResponse(found)

    def _known(self, request: web.Request) -> tuple[Recordings, Recording]:
        recording = None
        if self._recordings is not None:
            recording = self._recordings.get(request.match_info["id"])
        if self._recordings is None or recording is None:
            raise Refused(404)
        return self._recordings, recording
