"""One request, read: who asks, for what, with which parameters; and the answers in use."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from lab.jenkins.embedded import pages
from lab.jenkins.embedded.accounts import Caller
from lab.jenkins.embedded.exports import BadTree, Exported, shown

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Ask:
    """``path``: its unquoted segments, without the context path; ``slash``: it ends with one.

    ``form``: query and form together; ``root``: the context path, "" or "/jenkins".
    """

    request: web.Request
    caller: Caller
    path: tuple[str, ...]
    form: Mapping[str, str]
    root: str

    @classmethod
    async def read(cls, request: web.Request, caller: Caller, root: str) -> Ask:
        form = {name: str(value) for name, value in request.query.items()}
        if request.method == "POST" and request.content_type in _FORMS:
            given = await request.post()
            form |= {name: value for name, value in given.items() if isinstance(value, str)}
        return cls(request, caller, segments(request, root), form, root)

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def slash(self) -> bool:
        return self.request.rel_url.raw_path.endswith("/")

    @property
    def uri(self) -> str:
        return self.request.rel_url.raw_path

    def need(self, permission: str) -> None:
        """Raise `pages.Refused` unless the caller has a permission (``Item.Build``)."""
        if not self.caller.may(permission):
            raise pages.access_denied(self.caller.name, permission)

    def post_only(self, *, triggers: bool = False) -> None:
        if self.method != "POST":
            raise pages.requires_post(triggers=triggers)

    def show(self, exported: Exported, **headers: str) -> web.Response:
        """An object as JSON, by the request's ``tree`` and ``depth``."""
        try:
            found = shown(
                exported, tree=self.form.get("tree"), depth=int(self.form.get("depth") or 0)
            )
        except (BadTree, ValueError):
            raise pages.oops() from None
        return as_json(found, **headers)

    def delay_s(self) -> float | None:
        """The ``delay`` of a trigger: ``5``, ``0sec``. None when there is none."""
        text = self.form.get("delay")
        if text is None:
            return None
        for unit in ("secs", "sec"):
            text = text.removesuffix(unit)
        try:
            delay = float(text)
        except ValueError:
            raise pages.oops() from None
        if not math.isfinite(delay):
            raise pages.oops()
        return delay


def segments(request: web.Request, root: str) -> tuple[str, ...]:
    """The path's parts below the context path; empty ones (``//``) do not count."""
    raw = request.rel_url.raw_path
    if root:
        if raw != root and not raw.startswith(f"{root}/"):
            raise pages.jetty(404, "Not Found", raw)
        raw = raw[len(root) :]
    return tuple(unquote(part) for part in raw.split("/") if part)


def as_json(data: Any, **headers: str) -> web.Response:
    return web.Response(
        text=json.dumps(data, ensure_ascii=False, separators=(",", ":")),
        content_type="application/json",
        charset="utf-8",
        headers={**pages.STAPLER, **headers},
    )


def empty(status: int, **headers: str) -> web.Response:
    """An answer without a body, and without Jenkins' headers."""
    answer = web.Response(status=status, headers=headers)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def moved(place: str) -> web.Response:
    """302 to a path of this server."""
    return empty(302, Location=place)


def xml(text: str) -> web.Response:
    headers = {"Content-Type": "application/xml"}
    return web.Response(body=text.encode(), headers=headers)


def plain(data: bytes, **headers: str) -> web.Response:
    headers["Content-Type"] = "text/plain;charset=utf-8"
    return web.Response(body=data, headers=headers)
