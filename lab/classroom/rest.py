"""OpenVidu 2.13's REST interface, typed.

Source of every fact: exchanges recorded from openvidu-server 2.13.0
(``fixtures/recordings/openvidu/rest``). Calls raise `RestRefused` for another status than
the good one, `SystemDown` when the server cannot be reached or does not answer as OpenVidu.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from lab.classroom.errors import RestRefused
from lab.classroom.tls import trust
from lab.classroom.token import Role, Token, without_tokens
from lab.classroom.wire import Malformed, read
from lab.errors import SystemDown

#: The HTTP Basic user; the password is OPENVIDU_SECRET.
USER = "OPENVIDUAPP"
#: How much of a strange page an error keeps.
_EVIDENCE_CHARACTERS = 2000

M = TypeVar("M")


@dataclass(frozen=True)
class Config:
    """What matters of GET /config. The rest of it may hold secrets: webhook headers."""

    version: str = field(metadata={"wire": "VERSION"})
    public_url: str = field(metadata={"wire": "OPENVIDU_PUBLICURL"})
    recording: bool = field(metadata={"wire": "OPENVIDU_RECORDING"})


@dataclass(frozen=True)
class NewSession:
    """A session just created; ``created_at`` in milliseconds since 1970, as everywhere."""

    id: str
    created_at: int


@dataclass(frozen=True)
class PublishedStream:
    """A stream that a connection publishes; ``media_options`` as on the wire."""

    stream_id: str
    created_at: int
    media_options: dict[str, Any] | None = None


@dataclass(frozen=True)
class SubscribedStream:
    """A stream that a connection receives."""

    stream_id: str
    created_at: int


@dataclass(frozen=True)
class Connection:
    """A participant (or IP camera, which has no token)."""

    connection_id: str
    created_at: int
    location: str
    platform: str
    role: Role
    server_data: str
    client_data: str
    publishers: tuple[PublishedStream, ...]
    subscribers: tuple[SubscribedStream, ...]
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Connections:
    """A page of connections; the order is not fixed."""

    number_of_elements: int
    content: tuple[Connection, ...]


@dataclass(frozen=True)
class Session:
    """A session with who is in it."""

    id: str = field(metadata={"wire": "sessionId"})
    created_at: int
    media_mode: str
    recording_mode: str
    default_output_mode: str
    custom_session_id: str
    connections: Connections
    recording: bool
    default_recording_layout: str | None = None
    default_custom_layout: str | None = None


@dataclass(frozen=True)
class _Sessions:
    number_of_elements: int
    content: tuple[Session, ...]


@dataclass(frozen=True)
class Recording:
    """A recording; ``status`` is started, stopped, ready or failed."""

    id: str
    session_id: str
    name: str
    status: str


@dataclass(frozen=True)
class _Recordings:
    count: int
    items: tuple[Recording, ...]


@dataclass(frozen=True)
class _NewToken:
    token: str
    session: str
    role: Role
    data: str


class ClassroomApi:
    """The REST interface at ``url`` (``https://HOST:PORT``).

    ``ca`` vouches for the server (None: the machine's own CAs); ``timeout`` is for each of
    connecting, sending and receiving, in seconds. Usable from several threads, and under
    gevent. Use as a context manager, or `close` it.
    """

    def __init__(
        self, url: str, secret: str, *, ca: Path | None = None, timeout: float = 10.0
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            auth=(USER, secret),
            verify=trust(ca),
            timeout=timeout,
            trust_env=False,  # a lab's machines are reached directly, never through a proxy
        )

    # -- the server ---------------------------------------------------------------------

    def version(self) -> str:
        """GET /config/openvidu-version: "2.13.0"."""
        return self._call("GET", "/config/openvidu-version").text

    def config(self) -> Config:
        """GET /config."""
        return self._read(Config, self._call("GET", "/config"))

    # -- sessions -----------------------------------------------------------------------

    def create_session(self, custom_id: str | None = None, **options: str) -> NewSession:
        """POST /api/sessions; ``options`` are mediaMode, recordingMode, default….

        Refusals: 400 a wrong parameter, 409 the custom id exists.
        """
        body = options if custom_id is None else {"customSessionId": custom_id, **options}
        return self._read(NewSession, self._call("POST", "/api/sessions", body))

    def session(self, session: str) -> Session:
        """GET /api/sessions/ID; 404 when there is none (or nobody is in it any more)."""
        return self._read(Session, self._call("GET", _path("sessions", session)))

    def sessions(self) -> tuple[Session, ...]:
        """GET /api/sessions."""
        return self._read(_Sessions, self._call("GET", "/api/sessions")).content

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

    def create_token(
        self, session: str, role: Role | str = Role.PUBLISHER, *, data: str = ""
    ) -> Token:
        """POST /api/tokens; ``data`` is the server's part of the metadata.

        Refusals: 404 no such session (checked first), 400 a wrong role.
        """
        body = {"session": session, "role": str(role), "data": data}
        answer = self._read(_NewToken, self._call("POST", "/api/tokens", body))
        return Token(answer.token, answer.session, answer.role, answer.data)

    def signal(self, session: str, kind: str, data: str = "", *, to: Sequence[str] = ()) -> None:
        """POST /api/signal to the connections in ``to``, to all when it is empty.

        ``kind`` goes out verbatim as the signal's type. Refusals: 404 no such session, 406
        nobody is in it or ``to`` names somebody who is not.
        """
        body = {"session": session, "to": list(to), "type": kind, "data": data}
        self._call("POST", "/api/signal", body)

    # -- recordings ---------------------------------------------------------------------

    def start_recording(self, session: str, name: str = "") -> Recording:
        """POST /api/recordings/start. 501: the module is off (checked before all else)."""
        body = {"session": session, "name": name}
        return self._read(Recording, self._call("POST", "/api/recordings/start", body))

    def stop_recording(self, recording: str) -> Recording:
        """POST /api/recordings/stop/ID. 404 unknown (or the module is off), 406, 409."""
        return self._read(Recording, self._call("POST", _path("recordings", "stop", recording)))

    def recordings(self) -> tuple[Recording, ...]:
        """GET /api/recordings. 500: the recording folder does not exist."""
        return self._read(_Recordings, self._call("GET", "/api/recordings")).items

    def recording(self, recording: str) -> Recording:
        """GET /api/recordings/ID; 404 when there is none."""
        return self._read(Recording, self._call("GET", _path("recordings", recording)))

    def delete_recording(self, recording: str) -> None:
        """DELETE /api/recordings/ID. 404 unknown, 409 in progress."""
        self._call("DELETE", _path("recordings", recording), expected=204)

    # -- one call -----------------------------------------------------------------------

    def _call(
        self, method: str, path: str, body: object = None, *, expected: int = 200
    ) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.TimeoutException as error:
            raise self._down(f"{method} {path} was not answered in time", error) from error
        except httpx.HTTPError as error:
            raise self._down(f"{method} {path} could not be asked", error) from error
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

    def _read(self, kind: type[M], answer: httpx.Response) -> M:
        where = f"{answer.request.method} {answer.request.url.path}"
        try:
            return read(kind, answer.json(), where=where)
        except Malformed as error:
            raise self._stranger(str(error), None) from error
        except ValueError as error:
            page = without_tokens(answer.text[:_EVIDENCE_CHARACTERS])
            raise self._stranger(f"{where}: the body is not JSON", page) from error

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

    def __enter__(self) -> ClassroomApi:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()


def _path(*parts: str) -> str:
    return "/api/" + "/".join(quote(part, safe="") for part in parts)


def _message(answer: httpx.Response) -> str:
    """The server's words in an error body, which may be empty, JSON or an HTML page."""
    try:
        found = answer.json()
    except ValueError:
        return answer.text[:120]
    message = found.get("message") if isinstance(found, dict) else None
    return message if isinstance(message, str) else answer.reason_phrase
