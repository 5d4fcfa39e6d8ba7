"""Receives the webhooks that a classroom posts, as an application server would.

OpenVidu 2.13 posts each event once, at once, to the one address of its configuration
(OPENVIDU_WEBHOOK_ENDPOINT), and never again: who does not listen loses it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from lab.classroom.probe import SYSTEM, api
from lab.classroom.records import Record, read_webhook
from lab.classroom.wire import Malformed
from lab.closing import Closing
from lab.errors import LabError
from lab.session import Lab
from lab.wait import wait_for

#: A body that is longer is refused unread, in bytes; events have some hundred.
MAX_BODY_BYTES = 64 * 1024
#: How long another receiver may still hold the address, in seconds.
ADDRESS_TIMEOUT_S = 30.0
#: How long a connection may say nothing, in seconds.
IDLE_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Delivery:
    """One event that was posted; ``at`` is the monotonic clock's, in seconds."""

    record: Record
    headers: dict[str, str] = field(repr=False)
    at: float


class WebhookReceiver(Closing):
    """Listens at ``url`` (``http://ADDRESS:PORT/PATH``) until it is closed; a context manager.

    Only one can listen at an address: the next waits for it. ``answer`` is the HTTP status that
    every event gets. Raises `LabError` when the address is not this machine's.
    """

    def __init__(self, url: str, *, answer: int = 200) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise LabError(
                "webhooks cannot be received there",
                found=url,
                expected="http://ADDRESS:PORT/PATH with an address of this machine",
                advice="set systems.classroom.webhook in the inventory to what /config says",
            )
        self.url = url
        self.answer = answer
        self._path = parts.path or "/"
        self._arrived = threading.Condition()
        self._deliveries: list[Delivery] = []
        self._refused: list[Malformed] = []
        self._server = _listen((parts.hostname, parts.port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def deliveries(self, session: str | None = None) -> list[Delivery]:
        """What has come until now, in its order; of one session only, if it is named.

        Raises `Malformed` if something came that is no event.
        """
        with self._arrived:
            if self._refused:
                raise self._refused[0]
            return [
                delivery
                for delivery in self._deliveries
                if session is None or delivery.record.session_id == session
            ]

    def wait_for(
        self, session: str, wanted: Callable[[list[Record]], bool], *, timeout: float
    ) -> list[Record]:
        """The session's events once ``wanted`` holds of them; after ``timeout`` seconds those
        that have come, whatever they are: the caller judges them."""
        deadline = time.monotonic() + timeout
        with self._arrived:
            while True:
                found = [delivery.record for delivery in self.deliveries(session)]
                left = deadline - time.monotonic()
                if wanted(found) or left <= 0:
                    return found
                self._arrived.wait(left)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Keep what was posted; the status to answer."""
        if path != self._path:
            return 404
        with self._arrived:
            try:
                delivery = Delivery(read_webhook(body), headers, time.monotonic())
            except Malformed as malformed:
                self._refused.append(malformed)
                status = 400
            else:
                self._deliveries.append(delivery)
                status = self.answer
            self._arrived.notify_all()
        return status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = IDLE_TIMEOUT_S

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
                    status = 413
                else:
                    body = self.rfile.read(int(length))
                    status = take(self.path, dict(self.headers.items()), body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                # A connection that lives on would reach this receiver, not the next one.
                self.send_header("Connection", "close")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The deliveries tell what came."""

        return Handler


def receiver(lab: Lab, *, answer: int = 200) -> WebhookReceiver:
    """Listen where a lab's classroom posts its events; raises `LabError` if that is not where
    the inventory says."""
    listed = lab.inventory.systems[SYSTEM].webhook
    with api(lab) as classroom:
        posted = classroom.config().webhook_endpoint
    if listed is None or posted != listed:
        raise LabError(
            "the classroom posts its events elsewhere",
            found=posted or "webhooks are off",
            expected=str(listed),
            advice="make systems.classroom.webhook and OPENVIDU_WEBHOOK_ENDPOINT the same",
        )
    return WebhookReceiver(listed, answer=answer)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def _listen(address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Listen at ``address``, as soon as it is free."""
    try:
        with socket.create_server((address[0], 0)):
            pass
    except OSError as error:
        raise LabError(
            f"{address[0]} is no address of this machine: no webhook can be received there",
            found=str(error),
        ) from error

    return wait_for(
        f"{address[0]}:{address[1]} is free for webhooks",
        lambda: _Server(address, handler),
        timeout=ADDRESS_TIMEOUT_S,
        advice="another run judges the same classroom's webhooks",
    )
