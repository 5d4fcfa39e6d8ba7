"""TarsWeb's HTTP API, typed: what application and service management need of it.

Source of every fact: exchanges recorded from TarsWeb 3.0.15
(``fixtures/recordings/tars/web``). It answers nearly everything with HTTP 200; failure is a
``ret_code`` other than 200, or text where JSON was due, so both are looked at. A task's
own status shows 6 while items still run: a task has ended when each of its items has.
"""

from __future__ import annotations

from functools import cached_property

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
    StateReport,
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
    "StateReport",
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

    @cached_property
    def configs(self) -> Configs:
        return Configs(self)

    @cached_property
    def templates(self) -> Templates:
        return Templates(self)

    @cached_property
    def scaling(self) -> Scaling:
        return Scaling(self)

    @cached_property
    def users(self) -> Users:
        return Users(self)

    def __enter__(self) -> TarsWeb:
        return self
