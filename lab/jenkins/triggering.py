"""Asks for one build of a job, once: whatever happens on the way, never for two.

Source: the recorded answers to ``build`` and ``buildWithParameters`` (bwp-*, build-*,
queue-*), which Jenkins answers with the queue item's place. An item that is queued already
with the same values takes the new request in: 303 with parameters, 201 without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from lab.errors import WaitTimeout
from lab.jenkins import parameters
from lab.jenkins.access import job_path
from lab.jenkins.client import Client
from lab.jenkins.errors import AnswerLost, JenkinsError, RequestRefused
from lab.wait import wait_for

#: Seconds in which a request whose answer was lost shows in the queue or as a build. Jenkins
#: queues within milliseconds; one that does not show was lost on its way there.
SETTLE_S = 10.0
#: How often a request is sent that never arrives.
MOST_LOST = 3
#: How many builds are looked through for one's own.
LOOKED_AT = 50

_JOB = "name,buildable,nextBuildNumber,property[parameterDefinitions[name,type,choices]]"
_WHO = "actions[parameters[name,value],causes[userId]]"
_ITEM = re.compile(r"/queue/item/(\d+)/?$")


@dataclass(frozen=True)
class Asked:
    """A build that was asked for: a queue item, or already a build's number.

    ``merged``: the item was there before, and took this request in.
    """

    job: str
    item: int | None = None
    number: int | None = None
    merged: bool = False


@dataclass(frozen=True)
class Request:
    """What to ask Jenkins for; `prepare` makes one that Jenkins will take."""

    job: str
    next_number: int
    values: Mapping[str, str] = field(default_factory=dict)
    parameterized: bool = False

    @property
    def path(self) -> str:
        call = "buildWithParameters" if self.parameterized else "build"
        return f"{job_path(self.job)}{call}"


def prepare(client: Client, job: str, values: Mapping[str, str]) -> Request:
    """Look at the job, and check that it can be built with these values.

    Raises `ConfigError` for values that it does not take, `NotFound`, and `RequestRefused` for a
    job that is disabled.
    """
    found = client.json(job_path(job), tree=_JOB)
    if "nextBuildNumber" not in found:
        raise RequestRefused(f"{job} is no job", status=200, found=found.get("_class", "a folder"))
    if not found.get("buildable", True):
        raise RequestRefused(
            f"{job} cannot be built", status=409, found="it is disabled", advice="enable it first"
        )
    declared = parameters.declared_by(found)
    parameters.check(job, declared, values)
    return Request(job, int(found["nextBuildNumber"]), dict(values), bool(declared))


def trigger(client: Client, request: Request, *, settle: float = SETTLE_S) -> Asked:
    """Ask for the build. Raises `AnswerLost` when it cannot be told whether it was taken.

    A lost answer is looked up: in the queue, and among the builds since `prepare`. Only when
    Jenkins answers and shows nothing for ``settle`` seconds the request is sent again.
    """
    for _ in range(MOST_LOST):
        try:
            answer = client.post(request.path, data=dict(request.values), delay="0sec")
        except AnswerLost as lost:
            last = lost
            if asked := look_up(client, request, settle=settle):
                return asked
        else:
            return Asked(request.job, item=_item(answer), merged=answer.status_code == 303)
    raise last


def _item(answer: requests.Response) -> int:
    location = answer.headers.get("Location", "")
    match = _ITEM.search(location)
    if answer.status_code not in (201, 303) or match is None:
        raise RequestRefused(
            "Jenkins named no queue item",
            status=answer.status_code,
            found=f"{answer.status_code}, Location {location or 'missing'}",
        )
    return int(match[1])


def look_up(client: Client, request: Request, *, settle: float = SETTLE_S) -> Asked | None:
    """Our request in the queue or among the builds; None when it did not arrive."""
    account = _account(client)
    try:
        return wait_for(
            "the request shows",
            lambda: _find(client, request, account),
            timeout=settle,
            not_yet=(),
        )
    except WaitTimeout:
        return None


def _find(client: Client, request: Request, account: str | None) -> Asked | None:
    """A queued item, or a build since `prepare`, of this job, account and values."""
    path = job_path(request.job)
    queue = client.json("queue/", tree=f"items[id,task[url],{_WHO}]")
    for item in queue.get("items", []):
        is_of_job = str(item.get("task", {}).get("url", "")).endswith(f"/{path}")
        if is_of_job and _is_ours(item, request, account):
            return Asked(request.job, item=int(item["id"]))
    builds = client.json(path, tree=f"builds[number,{_WHO}]{{0,{LOOKED_AT}}}").get("builds", [])
    ours = [
        int(build["number"])
        for build in builds
        if int(build["number"]) >= request.next_number and _is_ours(build, request, account)
    ]
    return Asked(request.job, number=min(ours)) if ours else None


def _is_ours(found: Mapping[str, Any], request: Request, account: str | None) -> bool:
    actions = found.get("actions", [])
    users = {cause.get("userId") for action in actions for cause in action.get("causes", [])}
    return (account is None or account in users) and parameters.fits(actions, request.values)


def _account(client: Client) -> str | None:
    """The id under which Jenkins knows us; None for anonymous."""
    try:
        found = client.json("whoAmI/")
    except JenkinsError:
        return None
    return None if found.get("anonymous") else found.get("name")
