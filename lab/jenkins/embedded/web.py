"""HTTP: who may come in, and where a path leads."""

from __future__ import annotations

import asyncio
import secrets

from aiohttp import web

from lab.cut_answers import cut_short
from lab.jenkins.embedded import pages
from lab.jenkins.embedded.accounts import Account, Accounts, Caller, WrongCredentials
from lab.jenkins.embedded.api import Api
from lab.jenkins.embedded.api_builds import BuildsApi
from lab.jenkins.embedded.api_nodes import NodesApi
from lab.jenkins.embedded.controller import Controller
from lab.jenkins.embedded.exports import Exported
from lab.jenkins.embedded.jobroutes import JobRoutes
from lab.jenkins.embedded.request import Ask, as_json, empty, moved, segments

#: Larger requests are refused, bytes.
MAX_BODY = 16 * 1024 * 1024
#: How long a request is held while the fault jenkins.deaf is on, seconds.
_DEAF_S = 30.0
_SESSION = "JSESSIONID.embedded"
_WITHOUT_LOGIN = (("login",), ("whoAmI", "api", "json"))
_CHANGING = ("POST", "PUT", "DELETE")


class Web:
    """The web side of Jenkins. ``root``: the context path, "" or "/jenkins".

    ``ready`` False: it still starts, and says so to everybody.
    """

    def __init__(
        self, controller: Controller, accounts: Accounts, plugins: dict[str, str], root: str
    ) -> None:
        self.ready = False
        self._controller = controller
        self._accounts = accounts
        builds = BuildsApi(controller)
        self._api = Api(controller, builds)
        self._nodes = NodesApi(controller, plugins)
        self._jobs = JobRoutes(controller, self._api, builds, plugins)
        self._root = root

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._controller.faults.active("jenkins.deaf"):
            await asyncio.sleep(_DEAF_S)
            if request.transport is not None:
                request.transport.abort()
            return pages.starting()  # it reaches nobody
        if self._controller.faults.active("jenkins.answers-cut"):
            return await cut_short(request)
        if not self.ready:
            return pages.starting()
        try:
            return await self._answer(request)
        except pages.Refused as refused:
            return refused.answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        uri = request.rel_url.raw_path
        try:
            caller = self._accounts.caller(request.headers.get("Authorization"))
        except WrongCredentials:
            raise pages.wrong_credentials(uri) from None
        session = request.cookies.get(_SESSION)
        if request.method in _CHANGING and not self._accounts.crumb_fits(
            caller, request.headers, session
        ):
            raise pages.no_crumb(uri)
        if caller.account is None and self._controller.faults.active("jenkins.open-to-all"):
            caller = Caller(Account("anonymous", "reader"))
        open_to_all = segments(request, self._root) in _WITHOUT_LOGIN
        if not caller.may("Hudson.Read") and not open_to_all:
            raise pages.login_first(uri)
        return await self._route(await Ask.read(request, caller, self._root))

    async def _route(  # noqa: PLR0911, PLR0912 (a table of paths)
        self, ask: Ask
    ) -> web.StreamResponse:
        controller, api, nodes = self._controller, self._api, self._nodes
        match ask.path:
            case ():
                return pages.page(200, "<h1>Jenkins, embedded</h1>")
            case ("api", "json"):
                return ask.show(api.root())
            case ("login",):
                return pages.login_page()
            case ("whoAmI", "api", "json"):
                return as_json(_who(ask.caller))
            case ("me", "api", "json"):
                return ask.show(_me(ask.caller, api.base))
            case ("crumbIssuer", "api", kind) if kind in ("json", "xml"):
                return self._crumb(ask, kind)
            case ("queue", *rest):
                return self._queue(ask, tuple(rest))
            case ("computer", "api", "json"):
                return ask.show(nodes.computers())
            case ("computer", name, "api", "json"):
                node = nodes.node(name)
                if node is None:
                    raise pages.not_found()
                return ask.show(nodes.computer(node))
            case ("label", name, "api", "json"):
                return ask.show(nodes.label(name, api.tied_to(name)))
            case ("pluginManager", "api", "json"):
                ask.need("Hudson.Administer")
                return ask.show(nodes.plugins())
            case ("quietDown",) | ("cancelQuietDown",):
                ask.post_only()
                ask.need("Hudson.Administer")
                on = ask.path == ("quietDown",)
                controller.quiet_down(on=on, reason=ask.form.get("message") if on else None)
                return moved(f"{self._root}/")
        return await self._jobs.in_folder(ask, "", ask.path)

    def _queue(self, ask: Ask, path: tuple[str, ...]) -> web.StreamResponse:
        queue = self._controller.queue
        match path:
            case ("api", "json"):
                return ask.show(self._api.queue())
            case ("item", text, "api", "json"):
                item = queue.find(_whole_number(text))
                if item is None:
                    raise pages.not_found()
                return ask.show(self._api.queue_item(item))
            case ("cancelItem",):
                ask.post_only()
                item = queue.find(_whole_number(ask.form.get("id", "")))
                if item is None or not ask.caller.may("Item.Cancel"):
                    raise pages.oops(404)
                if item.state == "left":
                    raise pages.oops()
                self._controller.cancel(item)
                return empty(204)
        raise pages.not_found()

    def _crumb(self, ask: Ask, kind: str) -> web.Response:
        """The crumb of the caller's session, which begins here if there is none."""
        session = ask.request.cookies.get(_SESSION) or secrets.token_hex(16)
        crumb = self._accounts.crumb(ask.caller, session)
        if kind == "json":
            answer = ask.show(
                Exported(
                    "hudson.security.csrf.DefaultCrumbIssuer",
                    {"crumb": crumb, "crumbRequestField": "Jenkins-Crumb"},
                )
            )
        else:  # the one XPath that scripts use: concat(//crumbRequestField,":",//crumb)
            answer = web.Response(
                text=f"Jenkins-Crumb:{crumb}", content_type="text/plain", charset="utf-8"
            )
            answer.headers.update(pages.STAPLER)
        answer.set_cookie(_SESSION, session, path=f"{self._root}/", httponly=True)
        return answer


def _who(caller: Caller) -> dict[str, object]:
    anonymous = caller.account is None
    return {
        "_class": "hudson.security.WhoAmI",
        "anonymous": anonymous,
        "authenticated": True,
        "authorities": ["anonymous" if anonymous else "authenticated"],
        "name": caller.name,
    }


def _me(caller: Caller, base: str) -> Exported:
    return Exported(
        "hudson.model.User",
        {
            "absoluteUrl": f"{base}user/{caller.name}",
            "description": None,
            "fullName": caller.name,
            "id": caller.name,
            "property": [],
        },
    )


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise pages.oops() from None
