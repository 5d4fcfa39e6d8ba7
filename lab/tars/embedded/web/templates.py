"""Templates over HTTP, and profiles merged from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from lab.tars.embedded.answers import Parameters, Route, system_error
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.store import Row
from lab.tars.profile import BrokenProfile

_FIELDS = ("template_name", "parents_name", "profile")


def routes(parts: Parts) -> Iterable[Route]:
    templates = parts.templates

    async def query(parameters: Parameters) -> list[Row]:
        return templates.like(
            parameters.get("template_name", ""), parameters.get("parents_name", "")
        )

    async def names(_: Parameters) -> list[str]:
        return [row["template_name"] for row in templates.like()]

    async def template(parameters: Parameters) -> Row:
        return templates.named(parameters["template_name"]) or {}

    async def add(parameters: Parameters) -> Row:
        try:
            added = templates.add(*(str(parameters[name]) for name in _FIELDS))
        except sqlite3.IntegrityError:
            raise system_error() from None
        if parts.flags.active("tars.template-lost"):
            templates.delete(added["id"])
        return added

    async def change(parameters: Parameters) -> Row:
        try:
            lost = parts.flags.active("tars.template-update-lost")
            changed = templates.change(str(parameters["id"]), {} if lost else parameters)
        except sqlite3.IntegrityError:
            raise system_error() from None
        if changed is None:
            raise system_error()
        return changed

    async def delete(parameters: Parameters) -> list[str]:
        if not templates.delete(str(parameters["id"])):
            raise system_error()
        return [str(parameters["id"])]

    async def merged(parameters: Parameters) -> Row:
        try:
            return {"template": templates.merged(parameters["template_name"])}
        except BrokenProfile:
            raise system_error() from None

    async def server_merged(parameters: Parameters) -> Row:
        key = (parameters["application"], parameters["serverName"], parameters["nodeName"])
        servers = parts.database.servers(*key)
        if not servers:
            raise system_error()
        return {"template": templates.profile_of(servers[0])}

    return (
        Route("GET", "query_profile_template", query),
        Route("GET", "template_name_list", names),
        Route("GET", "profile_template", template, ("template_name",)),
        Route("POST", "add_profile_template", add, _FIELDS),
        Route("POST", "update_profile_template", change, ("id", *_FIELDS)),
        Route("GET", "delete_profile_template", delete, ("id",)),
        Route("GET", "get_merge_profile_template", merged, ("template_name",)),
        Route("GET", "view_server_merge", server_merged, ("application", "serverName", "nodeName")),
    )
