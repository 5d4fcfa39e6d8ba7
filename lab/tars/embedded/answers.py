"""How TarsWeb answers: one JSON envelope, nearly always with HTTP 200, and the exceptions.

Source: recordings of TarsWeb 3.0.15. Messages are Chinese unless the cookie says
``locale=en``, as on the real one.
"""

from __future__ import annotations

import hashlib
import html
import json
import logging
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import BodyPartReader, web

from lab.faultflags import FaultFlags
from lab.tars.embedded.access import Access

#: The prefixes under which the real one serves the same API: by token, and for its pages.
PREFIXES = ("/api", "/pages/server/api")

#: Says in every answer that this is no real TarsWeb.
SERVER = "embedded-tarsweb"

#: The field that carries a package, as TarsWeb's own pages name it.
FILE_FIELD = "suse"
MAX_UPLOAD = 200 * 1024 * 1024
_CHUNK = 256 * 1024

#: Where uploads are put down until somebody takes them.
UPLOADS = web.AppKey("uploads", Path)

Parameters = dict[str, Any]
Handler = Callable[[Parameters], Awaitable[Any]]

#: Who may call; without it, everybody.
ACCESS = web.AppKey("access", Access)
FLAGS = web.AppKey("flags", FaultFlags)
#: What can be called without a log-in: the log-in itself.
OPEN = ("login", "is_enable_login", "get_login_uid")

_SYSTEM_ERROR = {"en": "system error", "cn": "系统内部错误"}
_REQUIRED = {"en": "{} is required", "cn": "{}不能为空"}
_NUMERIC = "{} must be numeric type"
_NOT_LOGGED_IN = {"en": "You have not been login", "cn": "您还没有登录"}

_log = logging.getLogger(__name__)

_PAGE = """<!DOCTYPE html>
<html>
  <head><title>Error - {status}</title></head>
  <body><div id="error"><h1>Error</h1><pre><code>{text}</code></pre></div></body>
</html>
"""


class Route(NamedTuple):
    """One function of the API: how it is called, and what it is refused without.

    ``required`` parameters must not be empty, ``numeric`` ones must be numbers. ``handler``
    returns ``data``, or the whole answer.
    """

    method: str
    path: str
    handler: Handler
    required: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upload:
    """A file that came with a request; it is gone after the answer unless it was moved."""

    path: Path
    md5: str


class Refused(Exception):
    """Answered with ret_code 500 and this message in both languages: no HTTP error."""

    def __init__(self, english: str = _SYSTEM_ERROR["en"], chinese: str | None = None) -> None:
        self.messages = {"en": english, "cn": chinese or english}
        super().__init__(english)


def system_error() -> Refused:
    """What the real one says of nearly everything that it does not expect."""
    return Refused(_SYSTEM_ERROR["en"], _SYSTEM_ERROR["cn"])


class PlainAnswer(Exception):
    """Answered with 200 and plain text, where JSON was due: the real one does so at times."""


def envelope(data: object, ret_code: int = 200, err_msg: str = "") -> web.Response:
    text = json.dumps({"data": data, "ret_code": ret_code, "err_msg": err_msg}, ensure_ascii=False)
    return web.Response(text=text, content_type="application/json")


def page(status: int, text: str) -> web.Response:
    """The HTML page that the real one shows where it breaks."""
    body = _PAGE.format(status=status, text=html.escape(text))
    return web.Response(status=status, text=body, content_type="text/html")


def answering(route: Route) -> Callable[[web.Request], Any]:
    """An aiohttp handler: parameters from query and body, then the route's, then the envelope."""

    async def answer(request: web.Request) -> web.StreamResponse:
        language = _language(request)
        try:
            parameters = await _parameters(request)
        except json.JSONDecodeError as error:
            return page(400, f"SyntaxError: {error}")
        upload = parameters.get(FILE_FIELD)
        try:
            _check(route, parameters)
            data = await route.handler(parameters)
            return data if isinstance(data, web.StreamResponse) else envelope(data)
        except Refused as refusal:
            return envelope({}, 500, refusal.messages[language])
        except PlainAnswer as plain:
            return web.Response(text=str(plain))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # A request in a shape that the handler does not know: the real one breaks the same.
            _log.exception("%s %s", request.method, request.path)
            return page(500, f"{type(error).__name__}: {error}")
        finally:
            if isinstance(upload, Upload):
                upload.path.unlink(missing_ok=True)

    return answer


def _language(request: web.Request) -> str:
    return "en" if request.cookies.get("locale") == "en" else "cn"


def _check(route: Route, parameters: Parameters) -> None:
    for name in route.required:
        if parameters.get(name) in (None, "", []):
            raise Refused(*(_REQUIRED[of].format(name) for of in ("en", "cn")))
    for name in route.numeric:
        if not str(parameters.get(name, "")).isdigit():
            raise Refused(_NUMERIC.format(name))


async def _parameters(request: web.Request) -> Parameters:
    """Query and body as one mapping; a file is an `Upload`."""
    parameters: Parameters = dict(request.query)
    if request.content_type == "application/json" and request.can_read_body:
        body = await request.json()
        if isinstance(body, dict):
            parameters.update(body)
    elif request.content_type == "application/x-www-form-urlencoded":
        parameters.update(await request.post())
    elif request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader), "forms do not nest"
            if part.filename is None:
                parameters[part.name or ""] = await part.text()
            elif part.name == FILE_FIELD:
                parameters[FILE_FIELD] = await _put_down(part, request.app[UPLOADS])
            else:
                raise web.HTTPInternalServerError(text="Error: Unexpected field")
    return parameters


async def _put_down(part: BodyPartReader, directory: Path) -> Upload:
    digest = hashlib.md5(usedforsecurity=False)  # the sum that Tars compares
    size = 0
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
        while chunk := await part.read_chunk(_CHUNK):
            size += len(chunk)
            if size > MAX_UPLOAD:
                Path(file.name).unlink()
                raise web.HTTPRequestEntityTooLarge(MAX_UPLOAD, size)
            digest.update(chunk)
            file.write(chunk)
    return Upload(Path(file.name), digest.hexdigest())


@web.middleware
async def real_manners(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Unknown paths and wrong methods as the real one answers them."""
    try:
        response = await handler(request)
    except web.HTTPMethodNotAllowed:
        response = web.Response(status=405, text="Method Not Allowed")
    except web.HTTPInternalServerError as error:
        response = page(500, error.text or "")
    except web.HTTPNotFound:
        # Every POST to nowhere is a 200 that means failure.
        post = request.method == "POST"
        response = web.Response(
            status=200 if post else 404, text="Method Not Allowed" if post else "Not Found"
        )
    response.headers["Server"] = SERVER
    return response


@web.middleware
async def logged_in(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Only who may call: `Access` says who."""
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")[0].strip()
    ticket = request.query.get("ticket") or request.cookies.get("ticket")
    name = request.path.rpartition("/")[2]
    allowed = name in OPEN or request.app[ACCESS].allowed(request.remote or "", forwarded, ticket)
    if not allowed and not request.app[FLAGS].active("tars.anyone-allowed"):
        return envelope({}, 500, _NOT_LOGGED_IN[_language(request)])
    return await handler(request)
