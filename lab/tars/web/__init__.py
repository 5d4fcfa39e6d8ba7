"""TarsWeb's HTTP API, typed: what application and service management need of it.

Source of every fact: exchanges recorded from TarsWeb 3.0.15
(``fixtures/recordings/tars/web``). It answers nearly everything with HTTP 200; failure is a
``ret_code`` other than 200, or text where JSON was due, so both are looked at. A task's
own status shows 6 while items still run: a task has ended when each of its items has.
"""

from __future__ import annotations

from pathlib import Path

from lab.tars.web.answers import (
    Adapter,
    AdapterConf,
    Application,
    CommandAnswer,
    ConfigFile,
    ConfigRevision,
    Package,
    Preview,
    Published,
    Reference,
    Server,
    ServerSpec,
    Task,
    TaskFailed,
    TaskItem,
    Template,
    Token,
    WebRefused,
)
from lab.tars.web.calls import API, PAGES, Calls, Origin
from lab.tars.web.configs import Configs
from lab.tars.web.pace import Pace
from lab.tars.web.releases import Releases
from lab.tars.web.scaling import Scaling
from lab.tars.web.servers import Servers
from lab.tars.web.templates import Templates
from lab.tars.web.users import Users

__all__ = [
    "API",
    "PAGES",
    "Adapter",
    "AdapterConf",
    "Application",
    "Calls",
    "CommandAnswer",
    "ConfigFile",
    "ConfigRevision",
    "Origin",
    "Pace",
    "Package",
    "Preview",
    "Published",
    "Reference",
    "Server",
    "ServerSpec",
    "TarsWeb",
    "Task",
    "TaskFailed",
    "TaskItem",
    "Template",
    "Token",
    "WebRefused",
]


class TarsWeb(Servers, Releases):
    """TarsWeb, see `Calls` for its arguments: applications, servers, adapters, packages and
    tasks are called on it, the other subjects on its parts.
    """

    def __init__(
        self,
        url: str,
        *,
        ticket: str | None = None,
        ca: Path | None = None,
        timeout: float = 35.0,
        prefix: str = API,
        origin: Origin | None = None,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(
            url, ticket=ticket, ca=ca, timeout=timeout, prefix=prefix, origin=origin, pace=pace
        )
        self.configs = Configs(self)
        self.templates = Templates(self)
        self.scaling = Scaling(self)
        self.users = Users(self)

    def __enter__(self) -> TarsWeb:
        return self
