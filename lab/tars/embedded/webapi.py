"""TarsWeb's HTTP API: every subject's routes, under both of TarsWeb's prefixes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from lab.tars.embedded.answers import (
    ACCESS,
    FLAGS,
    PREFIXES,
    UPLOADS,
    Route,
    answering,
    logged_in,
    real_manners,
)
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.web import (
    applications,
    commands,
    configs,
    logs,
    monitoring,
    packages,
    scaling,
    servers,
    tasks,
    templates,
    users,
)

#: The subjects: each says which routes it has over the master's parts.
SUBJECTS: tuple[Callable[[Parts], Iterable[Route]], ...] = (
    applications.routes,
    servers.routes,
    packages.routes,
    tasks.routes,
    configs.routes,
    templates.routes,
    commands.routes,
    monitoring.routes,
    logs.routes,
    scaling.routes,
    users.routes,
)


def application(parts: Parts) -> web.Application:
    """The aiohttp application that serves the API."""
    app = web.Application(middlewares=[real_manners, logged_in])
    app[UPLOADS] = parts.packages.directory
    app[ACCESS] = parts.access
    app[FLAGS] = parts.flags
    for subject in SUBJECTS:
        for route in subject(parts):
            for prefix in PREFIXES:
                app.router.add_route(route.method, f"{prefix}/{route.path}", answering(route))
    return app
