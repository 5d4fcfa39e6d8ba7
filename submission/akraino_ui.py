"""Telling Akraino's validation UI that a job has ended.

POST ``/api/v1/jenkinsjobnotification/`` (JenkinsJobNotificationController): 200, or 500 with
nothing said. The UI looks the submission up by its id, so that telling it twice does no harm.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from submission import tls

PATH = "/api/v1/jenkinsjobnotification/"
TIMEOUT_S = 60


class UiFailed(Exception):
    """The UI did not take the notification; the text says how it answered."""


@dataclass(frozen=True)
class Notification:
    """What the UI is told; the names are its own."""

    name: str
    buildNumber: int  # noqa: N815
    submissionId: int  # noqa: N815
    timestamp: str


def notify(
    url: str, notification: Notification, *, timeout: float = TIMEOUT_S, ca: Path | None = None
) -> None:
    """Tell the UI at ``url`` once; ``ca`` vouches for it. Raises `UiFailed`, `tls.Untrusted`."""
    try:
        answer = httpx.post(
            url.rstrip("/") + PATH,
            json=asdict(notification),
            timeout=timeout,
            verify=tls.trust(ca),
        )
    except httpx.TransportError as error:
        tls.check(url, error)
        raise UiFailed(f"the UI at {url} cannot be told: {error or type(error).__name__}") from None
    if answer.status_code != 200:
        raise UiFailed(
            f"the UI at {url} answered {answer.status_code} to the notification of submission "
            f"{notification.submissionId}; expected 200"
        )
