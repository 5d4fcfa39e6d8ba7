"""Log-in and tokens over HTTP. There is one user, the administrator."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from lab.tars.embedded.access import ADMIN
from lab.tars.embedded.answers import Parameters, Refused, Route, envelope
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.store import Row


def routes(parts: Parts) -> Iterable[Route]:
    access = parts.access

    async def is_enable_login(_: Parameters) -> Row:
        return {"enableLogin": True}

    async def get_login_uid(_: Parameters) -> Row:
        return {"uid": ADMIN}

    async def has_auth(_: Parameters) -> Row:
        return {"has_auth": True}

    async def get_auth_list(_: Parameters) -> Row:
        return {"operator": [], "developer": []}

    async def set_password(parameters: Parameters) -> web.Response:
        """The administrator's, once."""
        if parameters["password"] != parameters["repeat_password"]:
            raise Refused("Two different input password, please re-entry")
        if access.has_password(ADMIN):
            raise Refused("Can not set admin user password")
        access.set_password(ADMIN, str(parameters["password"]))
        return envelope({}, err_msg="Modify Succ")

    async def login(parameters: Parameters) -> web.Response:
        """The one success without an err_msg, as recorded."""
        ticket = access.log_in(str(parameters["uid"]), str(parameters["password"]))
        if ticket is None:
            raise Refused("Incorrect password")
        return web.json_response({"data": {"ticket": ticket}, "ret_code": 200})

    async def add_token(parameters: Parameters) -> Row:
        """Times in the answer are in ISO form, as recorded."""
        made = access.add_token(ADMIN, str(parameters["expire_time"]))
        shown = {name: made[name] for name in ("id", "uid", "token", "valid")}
        for name in ("expire_time", "update_time"):
            shown[name] = f"{made[name].replace(' ', 'T')}.000Z"
        return shown

    async def set_token_valid(parameters: Parameters) -> Row:
        access.switch_token(str(parameters["token"]), valid=bool(parameters["valid"]))
        return {}

    async def delete_token(parameters: Parameters) -> Row:
        """``tokens`` are numbers, not tokens; what is none is taken as well."""
        for number in parameters["tokens"]:
            access.delete_token(number)
        return {}

    return (
        Route("GET", "is_enable_login", is_enable_login),
        Route("GET", "get_login_uid", get_login_uid),
        Route("GET", "has_auth", has_auth),
        Route("GET", "get_auth_list", get_auth_list),
        Route("POST", "adminModifyPass", set_password),
        Route("POST", "login", login),
        Route("POST", "auth/addToken", add_token),
        Route("POST", "auth/setTokenValid", set_token_valid),
        Route("POST", "auth/deleteToken", delete_token),
    )
