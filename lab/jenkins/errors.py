"""What Jenkins may answer, told apart as far as its answers allow.

Source: the recorded exchanges, and the reference page of the controller (2.528.2).
"""

from __future__ import annotations

import jenkins

from lab.errors import LabError


class JenkinsError(LabError):
    """Jenkins did not do what it was asked; says what it answered."""


class JenkinsDown(JenkinsError):
    """Nothing answered as Jenkins within the time that was given to it."""


class CredentialsRefused(JenkinsError):
    """The account or its token is not known (401), or there is none (403, anonymous)."""


class PermissionMissing(JenkinsError):
    """The account is known, and may not do this (403 with X-Required-Permission)."""


class NotFound(JenkinsError, jenkins.NotFoundException):  # type: ignore[misc]  # has no types
    """404: no such job, build or queue item, or none that this account may see."""


class RequestRefused(JenkinsError):
    """Any other answer than the one asked for; ``status`` has its number."""

    def __init__(self, what: str, *, status: int, found: str, advice: str | None = None) -> None:
        super().__init__(what, found=found, advice=advice)
        self.status = status


class AnswerLost(JenkinsError):
    """A request that changes something was sent; whether it arrived is not known."""
