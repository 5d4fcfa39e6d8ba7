"""Where a backend's webhooks go: an endpoint that can be away, and what the CDR keeps."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.classroom.records import Record, read_cdr_line
from lab.classroom.webhook import WebhookReceiver
from lab.closing import Closing
from lab.wait import wait_for
from tests.classroom_backend.running import ADDRESS, Backend, running_backend

#: As the recorded server had them.
HEADERS = ("Authorization: Basic bWFkZTp1cA==", "X-Made-Up: yes")
#: A file of the CDR is written there, from the backend's home.
CDR = "cdr"
#: How long an event may take, in seconds.
TIMEOUT_S = 10.0


@contextmanager
def telling_backend(home: Path, *options: str) -> Iterator[tuple[Backend, str]]:
    """A backend that writes a CDR and posts webhooks, and the URL that it posts them to."""
    with socket.create_server((ADDRESS, 0)) as probe:
        url = f"http://{ADDRESS}:{probe.getsockname()[1]}/hook"
    headers = [part for header in HEADERS for part in ("--webhook-header", header)]
    with running_backend(home, "--cdr", CDR, "--webhook", url, *headers, *options) as backend:
        yield backend, url


def cdr_lines(backend: Backend, session: str) -> list[str]:
    """A session's lines in the backend's CDR."""
    lines = [
        line
        for file in sorted((backend.home / CDR).glob("*.log"))
        for line in file.read_text().splitlines()
    ]
    return [line for line in lines if read_cdr_line(line).session_id == session]


class Endpoint(Closing):
    """Listens at ``url``. ``answer`` is the status that each event gets."""

    def __init__(self, backend: Backend, url: str, *, answer: int = 200) -> None:
        self._backend = backend
        self._url = url
        self._answer = answer
        self._seen = 0
        self._receiver: WebhookReceiver | None = WebhookReceiver(url, answer=answer)
        self._lost_before = self._lost()

    def note(self, text: str) -> None:
        """The recorder's notes say when its endpoint was away."""
        if text == "the webhook endpoint is down":
            self.close()
        elif text == "the webhook endpoint is back":
            written = len(cdr_lines(self._backend, "w-down"))
            wait_for(
                "the backend has tried to post everything",
                lambda: self._lost() - self._lost_before == written,
                timeout=TIMEOUT_S,
            )
            self._receiver = WebhookReceiver(self._url, answer=self._answer)

    def _lost(self) -> int:
        return (self._backend.home / "log").read_text().count(" is lost: ")

    def next_event(self) -> Record:
        """The next event; raises `WaitTimeout` when none comes."""
        receiver = self._receiver
        assert receiver is not None, "the endpoint is away"
        delivery = wait_for(
            "the next event",
            lambda: next(iter(receiver.deliveries()[self._seen :]), None),
            timeout=TIMEOUT_S,
            interval=0.005,
        )
        self._seen += 1
        headers = [f"{key}: {value}" for key, value in delivery.headers.items()]
        assert set(HEADERS) <= set(headers)
        return delivery.record

    def nothing_more(self) -> None:
        """Nothing came beyond what was asked for."""
        assert self._receiver is None or len(self._receiver.deliveries()) == self._seen

    def close(self) -> None:
        if self._receiver is not None:
            self._receiver.close()
            self._receiver = None
