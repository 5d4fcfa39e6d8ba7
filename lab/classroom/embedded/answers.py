"""HTTP answers in the two shapes of openvidu-server 2.13.0, who may call, and CORS.

The controllers' own error body has a numeric ``timestamp``; Spring's (401, 405, 415, unreadable
JSON, a missing body) has a text. Many failures have no body at all.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from lab.classroom.signalling import PATH

#: HTTP Basic's user; its case does not matter, the secret's does.
USER = "OPENVIDUAPP"
#: After these the server closes the connection.
_CLOSING = (400, 500, 501)
_PROTECTED = ("/api", "/config", "/cdr", "/recordings", "/layouts", "/dashboard")
_PROTECTED_FOR_GET_ONLY = ("/config", "/cdr", "/dashboard")
#: Open to who brings no credentials, below a place that is not.
OPEN = ("/config/openvidu-publicurl",)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})

# The real one prints the whole Java signature of the method here.
MISSING_BODY = "Required request body is missing"


def empty(status: int) -> web.Response:
    """An answer without body or content type."""
    return _finish(web.Response(status=status))


def value(found: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return _finish(web.Response(status=status, body=text.encode(), content_type="application/json"))


def text(found: str) -> web.Response:
    return web.Response(text=found, content_type="text/plain", charset="UTF-8")


def failed(what: str) -> web.Response:
    """500, with a text for a body."""
    return _finish(web.Response(status=500, text=what))


def refused(request: web.Request, status: int, message: str | None) -> web.Response:
    """A controller's refusal: its own error body, or none at all."""
    if message is None:
        return empty(status)
    return value(_error(request, int(time.time() * 1000), status, message), status)


def framework_error(request: web.Request, status: int, message: str) -> web.Response:
    """Spring's error body."""
    now = datetime.now(UTC)
    stamp = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}+0000"
    return value(_error(request, stamp, status, message), status)


def unauthorized(request: web.Request) -> web.Response:
    answer = framework_error(request, 401, "Unauthorized")
    answer.headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="Realm"'
    return answer


def _error(request: web.Request, stamp: int | str, status: int, message: str) -> dict[str, Any]:
    return {
        "timestamp": stamp,
        "status": status,
        "error": HTTPStatus(status).phrase,
        "message": message,
        "path": request.path,
    }


def _finish(answer: web.Response) -> web.Response:
    if answer.status in _CLOSING:
        answer.force_close()
    return answer


def needs_credentials(request: web.Request) -> bool:
    """Whether a request without Authorization is refused; a wrong one always is."""
    path = request.path
    if path in OPEN:
        return False
    for place in _PROTECTED:
        if path == place or path.startswith(f"{place}/"):
            return request.method == "GET" or place not in _PROTECTED_FOR_GET_ONLY
    return request.method == "OPTIONS"


def credentials_good(request: web.Request, secret: str, *, any_user: bool = False) -> bool:
    """Whether the Authorization header is Basic OPENVIDUAPP:secret (``any_user``: a fault)."""
    scheme, _, encoded = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    try:
        user, colon, given = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return (
        scheme.lower() == "basic"
        and bool(colon)
        and (any_user or user.upper() == USER)
        and hmac.compare_digest(given.encode(), secret.encode())
    )


def let_in(request: web.Request, secret: str, faulty: Callable[[str], bool]) -> bool:
    """Whether a request may be served; ``faulty`` asks for faults of the lab."""
    if hdrs.AUTHORIZATION in request.headers:
        if credentials_good(request, secret, any_user=faulty("classroom.any-user")):
            return True
        if request.path == PATH:
            return faulty("classroom.handshake-open")
        return faulty("classroom.accept-any-secret")
    if needs_credentials(request):
        if request.path.startswith("/recordings/"):
            return faulty("classroom.recordings-open")
        return faulty("classroom.nobody-asked")
    return request.path not in OPEN or not faulty("classroom.public-closed")


def preflight(request: web.Request) -> web.Response | None:
    """The answer to a CORS preflight; None if the request is none."""
    wanted = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_METHOD)
    if request.method != "OPTIONS" or wanted is None or hdrs.ORIGIN not in request.headers:
        return None
    if wanted not in _METHODS:
        return web.Response(status=403, text="Invalid CORS request")
    answer = web.Response(headers={hdrs.ACCESS_CONTROL_ALLOW_METHODS: wanted})
    headers = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS)
    if headers:
        listed = ", ".join(name.strip() for name in headers.split(","))
        answer.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = listed
    return answer


def allow_origin(request: web.Request, answer: web.StreamResponse) -> None:
    """Let any other origin read the answer; the header is there only if one asks."""
    origin = request.headers.get(hdrs.ORIGIN)
    refused = answer.status == 403  # only a bad preflight is
    if origin is not None and not refused and origin != f"{request.scheme}://{request.host}":
        answer.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
