"""OpenVidu 2.13's REST interface, typed.

Source of every fact: exchanges recorded from openvidu-server 2.13.0
(``fixtures/recordings/openvidu/rest``). Calls raise `RestRefused` for another status than
the good one, `SystemDown` when the server cannot be reached or does not answer as OpenVidu.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from lab.classroom.errors import RestRefused
from lab.classroom.resources import (
    Config,
    Connection,
    IpCamera,
    NewSession,
    NewToken,
    Recording,
    RecordingProperties,
    Recordings,
    Session,
    SessionProperties,
    Sessions,
)
from lab.classroom.tls import trust
from lab.classroom.token import KurentoOptions, Role, Token, without_tokens
from lab.classroom.wire import Malformed, read, write
from lab.closing import Closing
from lab.errors import SystemDown

#: The HTTP Basic user; the password is OPENVIDU_SECRET.
USER = "OPENVIDUAPP"
#: How much of a strange page an error keeps.
_EVIDENCE_CHARACTERS = 2000

M = TypeVar("M")


@dataclass(frozen=True)
class Answer:
    """Any answer, a refusal too. ``text`` is its body, ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)


class ClassroomApi(Closing):
    """The REST interface at ``url`` (``https://HOST:PORT``).

    ``secret`` None sends no credentials. ``ca`` vouches for the server (None: the machine's
    own CAs); ``timeout`` is for each of connecting, sending and receiving, in seconds. Usable
    from several threads, and under gevent. Use as a context manager, or `close` it.
    """

    def __init__(
        self,
        url: str,
        secret: str | None,
        *,
        user: str = USER,
        ca: Path | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            auth=None if secret is None else (user, secret),
            verify=trust(ca),
            timeout=timeout,
            trust_env=False,  # a lab's machines are reached directly, never through a proxy
        )

    # -- the server ---------------------------------------------------------------------

    def config(self) -> Config:
        """GET /config."""
        return self._read(Config, self._call("GET", "/config"))

    def version(self) -> str:
        """GET /config/openvidu-version: "2.13.0"."""
        return self._call("GET", "/config/openvidu-version").text

    def public_url(self) -> str:
        """GET /config/openvidu-publicurl; needs no credentials."""
        return self._call("GET", "/config/openvidu-publicurl").text

    def accept_certificate(self) -> str:
        """GET /accept-certificate, where browsers are sent to; needs no credentials."""
        return self._call("GET", "/accept-certificate").text

    def recording_path(self) -> str:
        """GET /config/openvidu-recording-path: the folder on the server."""
        return self._call("GET", "/config/openvidu-recording-path").text

    def recording_on(self) -> bool:
        """GET /config/openvidu-recording: whether the recording module is on."""
        return self._boolean("/config/openvidu-recording")

    def cdr_on(self) -> bool:
        """GET /config/openvidu-cdr: whether call detail records are written."""
        return self._boolean("/config/openvidu-cdr")

    def cdr_files(self) -> tuple[str, ...]:
        """GET /cdr: the names of the files with call detail records."""
        answer = self._call("GET", "/cdr")
        found = self._json(answer)
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise self._stranger("GET /cdr: no list of names", None)
        return tuple(found)

    def cdr(self, name: str) -> tuple[dict[str, Any], ...]:
        """GET /cdr/NAME: its events, each ``{"EVENT": {…}}``; 404 when there is no such file."""
        answer = self._call("GET", f"/cdr/{quote(name, safe='')}")
        try:
            return tuple(json.loads(line) for line in answer.text.splitlines() if line.strip())
        except (ValueError, RecursionError) as error:
            raise self._stranger(f"GET /cdr/{name}: a line is not JSON", None) from error

    # -- sessions -----------------------------------------------------------------------

    def create_session(
        self,
        custom_id: str | None = None,
        properties: SessionProperties = SessionProperties(),  # noqa: B008 - frozen
        *,
        exists_ok: bool = False,
    ) -> NewSession:
        """POST /api/sessions. With ``exists_ok`` one that is there already is as good.

        Refusals: 400 a wrong parameter, 409 the custom id exists.
        """
        body = write(properties) | ({} if custom_id is None else {"customSessionId": custom_id})
        try:
            return self._read(NewSession, self._call("POST", "/api/sessions", body))
        except RestRefused as refused:
            if not exists_ok or custom_id is None or refused.status != HTTPStatus.CONFLICT:
                raise
            found = self.session(custom_id)
            return NewSession(found.id, found.created_at)

    def session(self, session: str, *, statistics: bool = False) -> Session:
        """GET /api/sessions/ID; 404 when there is none (or nobody is in it any more)."""
        return self._read(Session, self._call("GET", _path("sessions", session), stats=statistics))

    def sessions(self, *, statistics: bool = False) -> tuple[Session, ...]:
        """GET /api/sessions. ``statistics``: what the media server knows of each stream."""
        return self._read(Sessions, self._call("GET", "/api/sessions", stats=statistics)).content

    def close_session(self, session: str) -> None:
        """DELETE /api/sessions/ID: everybody in it is evicted. 404 when there is none."""
        self._call("DELETE", _path("sessions", session), expected=204)

    def disconnect(self, session: str, connection: str) -> None:
        """DELETE a connection. 400: no such session; 404: no such connection."""
        path = _path("sessions", session, "connection", connection)
        self._call("DELETE", path, expected=204)

    def unpublish(self, session: str, stream: str) -> None:
        """DELETE a stream. 400: no such session; 404: no such stream; 405: an IP camera's."""
        self._call("DELETE", _path("sessions", session, "stream", stream), expected=204)

    def publish_ip_camera(self, session: str, camera: IpCamera) -> Connection:
        """POST /api/sessions/ID/connection: the camera takes part from then on.

        Refusals: 400 a wrong parameter or URI, 404 no such session.
        """
        answer = self._call("POST", _path("sessions", session, "connection"), write(camera))
        return self._read(Connection, answer)

    def create_token(
        self,
        session: str,
        role: Role | str = Role.PUBLISHER,
        *,
        data: str = "",
        kurento: KurentoOptions | None = None,
    ) -> Token:
        """POST /api/tokens; ``data`` is the server's part of the metadata.

        Refusals: 404 no such session (checked first), 400 a wrong role or option.
        """
        body: dict[str, Any] = {"session": session, "role": str(role), "data": data}
        if kurento is not None:
            body["kurentoOptions"] = write(kurento)
        answer = self._read(NewToken, self._call("POST", "/api/tokens", body))
        understood = answer.kurento_options
        options = None if understood is None else read(KurentoOptions, understood, where="token")
        return Token(answer.token, answer.session, answer.role, answer.data, options)

    def signal(
        self,
        session: str,
        kind: str | None,
        data: str | None = "",
        *,
        to: Sequence[str] = (),
    ) -> None:
        """POST /api/signal to the connections in ``to``, to all when it is empty.

        ``kind`` goes out verbatim as the signal's type; None leaves it or ``data`` out.
        Refusals: 404 no such session, 406 nobody is in it or ``to`` names somebody who is not.
        """
        content = {
            key: value for key, value in {"type": kind, "data": data}.items() if value is not None
        }
        self._call("POST", "/api/signal", {"session": session, "to": list(to), **content})

    # -- recordings ---------------------------------------------------------------------

    def start_recording(
        self,
        session: str,
        properties: RecordingProperties = RecordingProperties(),  # noqa: B008 - frozen
    ) -> Recording:
        """POST /api/recordings/start.

        Refusals: 501 the module is off (checked before all else), 400 or 422 a wrong parameter,
        404 no such session, 406 nobody is in it, 409 it is being recorded, 500.
        """
        body = {"session": session, **write(properties)}
        return self._read(Recording, self._call("POST", "/api/recordings/start", body))

    def stop_recording(self, recording: str) -> Recording:
        """POST /api/recordings/stop/ID. 404 unknown (or the module is off), 406 it is only
        starting, 409 it has stopped."""
        return self._read(Recording, self._call("POST", _path("recordings", "stop", recording)))

    def recordings(self) -> tuple[Recording, ...]:
        """GET /api/recordings. 500: the recording folder does not exist."""
        return self._read(Recordings, self._call("GET", "/api/recordings")).items

    def recording(self, recording: str) -> Recording:
        """GET /api/recordings/ID; 404 when there is none."""
        return self._read(Recording, self._call("GET", _path("recordings", recording)))

    def delete_recording(self, recording: str) -> None:
        """DELETE /api/recordings/ID. 404 unknown, 409 in progress."""
        self._call("DELETE", _path("recordings", recording), expected=204)

    def download(self, recording: Recording) -> bytes:
        """The recording's file, from where its ``url`` says; 404 when it is not ready."""
        path = urlsplit(recording.url or "").path or f"/recordings/{quote(recording.id, safe='')}"
        return self._call("GET", path).content

    # -- one call -----------------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any call; return its answer, refusals included. Raises `SystemDown`."""
        answer = self._request(method, path, body, headers)
        return Answer(answer.status_code, dict(answer.headers), answer.text)

    def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        expected: int = 200,
        stats: bool = False,
    ) -> httpx.Response:
        answer = self._request(method, f"{path}?webRtcStats=true" if stats else path, body)
        if answer.status_code != expected:
            text = without_tokens(answer.text)
            raise RestRefused(
                f"{method} {without_tokens(path)}",
                answer.status_code,
                without_tokens(_message(answer)),
                expected=str(expected),
                body=text,
            )
        return answer

    def _request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body, headers=headers)
        except httpx.TimeoutException as error:
            raise self._down(f"{method} {path} was not answered in time", error) from error
        except httpx.HTTPError as error:
            raise self._down(f"{method} {path} could not be asked", error) from error

    def _boolean(self, path: str) -> bool:
        found = self._json(self._call("GET", path))
        if not isinstance(found, bool):
            raise self._stranger(f"GET {path}: neither true nor false", None)
        return found

    def _read(self, kind: type[M], answer: httpx.Response) -> M:
        try:
            return read(kind, self._json(answer), where=_where(answer))
        except Malformed as error:
            raise self._stranger(str(error), None) from error

    def _json(self, answer: httpx.Response) -> object:
        try:
            return answer.json()
        except (ValueError, RecursionError) as error:
            page = without_tokens(answer.text[:_EVIDENCE_CHARACTERS])
            raise self._stranger(f"{_where(answer)}: the body is not JSON", page) from error

    def _stranger(self, found: str, evidence: str | None) -> SystemDown:
        return SystemDown(
            f"{self.url} does not answer as OpenVidu",
            found=found,
            expected="the answers of openvidu-server 2.13",
            advice="check the inventory's endpoint of the classroom",
            evidence=evidence,
        )

    def _down(self, what: str, error: httpx.HTTPError) -> SystemDown:
        verification = "CERTIFICATE_VERIFY_FAILED" in str(error)
        return SystemDown(
            f"{what} at {self.url}",
            found=str(error) or type(error).__name__,
            expected="an answer of openvidu-server 2.13",
            advice="the CA file in the inventory does not vouch for this server"
            if verification
            else "check that the classroom is deployed and its endpoint is right",
        )

    def close(self) -> None:
        self._http.close()


def _where(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path}"


def _path(*parts: str) -> str:
    return "/api/" + "/".join(quote(part, safe="") for part in parts)


def _message(answer: httpx.Response) -> str:
    """The server's words in an error body, which may be empty, JSON or an HTML page."""
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return answer.text[:120]
    message = found.get("message") if isinstance(found, dict) else None
    return message if isinstance(message, str) else answer.reason_phrase
