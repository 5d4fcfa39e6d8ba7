"""Brings the jobs on a Jenkins to what is defined: changes only what differs, keeps all builds.

Nothing is deleted but by `prune`, and that only what Job Builder made of definitions of ours
which are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import jenkins

from blueprints.guarded_xml import XmlRefused
from lab.jenkins.client import Client
from lab.jenkins.config_xml import parse
from lab.jenkins.defined import State, configuration, look
from lab.jenkins.drift_rules import MANAGED
from lab.jenkins.errors import AnswerLost, JenkinsError, NotFound, RequestRefused

#: How the names of our jobs begin; jobs of other names are never touched.
PREFIX = "iec4-"
#: How often a change is tried whose answer gets lost.
TRIES = 3


def put(client: Client, name: str, rendered: str) -> State:
    """Create or update a job if it differs; returns how it stood before.

    Safe to repeat: each try looks first. Raises `JenkinsError`; `AnswerLost` when the answer got
    lost `TRIES` times.
    """
    first: State | None = None
    for attempt in range(TRIES):
        found = look(client, name, rendered)
        first = first or found.state
        if found.state == "same":
            return first
        try:
            with _in_our_words(name):
                if found.state == "missing":
                    client.jobs.create_job(name, rendered)
                else:
                    client.jobs.reconfig_job(name, rendered)
        except AnswerLost:
            if attempt == TRIES - 1:
                raise
        except RequestRefused as refused:
            raise _explained(refused, name) from None
    if look(client, name, rendered).state != "same":
        raise JenkinsError(
            f"{name}: Jenkins keeps something else than what it was given",
            advice=f"./iec4 jobs diff shows what; is {name} being changed by somebody else?",
        )
    return first or "same"


def not_defined(client: Client, rendered: Mapping[str, str]) -> list[str]:
    """Jobs on Jenkins that Job Builder made of our definitions, and that none defines now."""
    names = [str(job["fullname"]) for job in client.jobs.get_all_jobs()]
    return sorted(
        name
        for name in names
        if name.rsplit("/", 1)[-1].startswith(PREFIX)
        and name not in rendered
        and MANAGED in _description(client, name)
    )


def delete(client: Client, name: str) -> None:
    """Delete a job and its builds; one that is gone already is fine."""
    for _ in range(TRIES):
        try:
            with _in_our_words(name):
                client.jobs.delete_job(name)
        except NotFound:
            return
        except AnswerLost as lost:
            last = lost
        else:
            return
    raise last


@contextmanager
def _in_our_words(name: str) -> Iterator[None]:
    """python-jenkins' own errors as ours: a folder that is not there, a name in another case."""
    try:
        yield
    except JenkinsError:
        raise
    except jenkins.JenkinsException as error:
        raise JenkinsError(f"{name}: python-jenkins gave up", found=str(error)) from None


def _description(client: Client, name: str) -> str:
    try:
        description = parse(configuration(client, name)).child("description")
    except XmlRefused:
        return ""  # not of Job Builder's making
    return description.text if description else ""


def _explained(refused: RequestRefused, name: str) -> JenkinsError:
    """Jenkins says 500 to XML that is broken, of an unknown type, or of another job type."""
    return RequestRefused(
        f"Jenkins did not take {name}",
        status=refused.status,
        found=str(refused.found),
        advice="is it a job of another type there, or does a plugin lack? Its log says more",
    )
