"""What happens in sessions, written down as it happens: CDR lines and webhooks.

Nobody waits for either: a webhook whose endpoint is down or refuses is lost and never sent
again, as with openvidu-server 2.13.0.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from lab.classroom.embedded.model import Participant, Session
from lab.classroom.messages import Stream
from lab.classroom.records import Happening, Record, cdr_line, webhook_body
from lab.faultflags import FaultFlags

log = logging.getLogger("classroom")

#: How long the endpoint may take for one event, in seconds.
DELIVERY_TIMEOUT_S = 5.0
#: Events that may wait for a slow endpoint; more are lost.
WAITING = 1000
#: Losses in a row that are told; then there is silence until an event arrives again.
TOLD_LOSSES = 10
#: How late an event is posted when the fault classroom.webhook-late is on, in seconds.
LATE_S = 2.0
#: How long the last events may take when the server stops, in seconds.
CLOSING_TIMEOUT_S = 2.0

#: Why the last one leaves, when the session did not end for a reason of its own.
_LEAVING = {
    "disconnect", "networkDisconnect", "forceDisconnectByUser", "forceDisconnectByServer",
}  # fmt: skip


@dataclass(frozen=True)
class WebhookTarget:
    """OPENVIDU_WEBHOOK_ENDPOINT, _HEADERS (``Name: value``) and _EVENTS."""

    endpoint: str
    headers: tuple[str, ...] = field(default=(), repr=False)
    events: tuple[Happening, ...] = tuple(Happening)

    def __post_init__(self) -> None:
        """Raises `ValueError` unless the endpoint is HTTP on a loopback address."""
        parts = urlsplit(self.endpoint)
        try:
            local = ip_address(parts.hostname or "").is_loopback
        except ValueError:
            local = False
        if parts.scheme not in ("http", "https") or not local or parts.port is None:
            raise ValueError(
                f"webhook endpoint {self.endpoint}: expected http(s)://LOOPBACK-ADDRESS:PORT/PATH"
            )
        for header in self.headers:
            name, colon, _ = header.partition(":")
            if not colon or not name.strip():
                raise ValueError("a webhook header reads 'Name: value'")


class Webhook:
    """Posts one event after the other, each once."""

    def __init__(self, target: WebhookTarget, faults: FaultFlags) -> None:
        self.target = target
        self._faults = faults
        #: How many events in a row were lost: more than none while the endpoint fails.
        self.losses = 0
        self._waiting: asyncio.Queue[Record] = asyncio.Queue(WAITING)
        self._task = asyncio.create_task(self._deliver())

    def tell(self, record: Record) -> None:
        if record.event in self.target.events:
            try:
                self._waiting.put_nowait(record)
            except asyncio.QueueFull:
                self._lose(record, f"{WAITING} wait already")

    def _lose(self, record: Record, why: str) -> None:
        self.losses += 1
        if self.losses <= TOLD_LOSSES:
            log.warning("webhook %s is lost: %s", record.event, why)

    async def _deliver(self) -> None:
        headers = {"Content-Type": "application/json"}
        for header in self.target.headers:
            name, _, value = header.partition(":")
            headers[name.strip()] = value.strip()
        timeout = aiohttp.ClientTimeout(total=DELIVERY_TIMEOUT_S)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
            while True:
                record = await self._waiting.get()
                if self._faults.active("classroom.webhook-late"):
                    await asyncio.sleep(LATE_S)
                try:
                    await self._post(client, record)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    self._lose(record, type(error).__name__)
                finally:
                    self._waiting.task_done()

    async def _post(self, client: aiohttp.ClientSession, record: Record) -> None:
        body = json.dumps(webhook_body(record), ensure_ascii=False, separators=(",", ":"))
        for _ in range(2 if self._faults.active("classroom.webhook-repeated") else 1):
            async with client.post(
                self.target.endpoint, data=body.encode(), allow_redirects=False
            ) as answer:
                if answer.ok:
                    self.losses = 0
                    return
        self._lose(record, f"it was answered {answer.status}")

    async def close(self) -> None:
        """Give what waits a little time, then end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), CLOSING_TIMEOUT_S)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


class CdrFiles:
    """The directory of CDR files; this server writes ``CDR.DATE_TIME.log`` of its start."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._file = (directory / f"CDR.{time.strftime('%Y-%m-%d_%H-%M-%S')}.log").open("a")

    def tell(self, record: Record) -> None:
        self._file.write(f"{cdr_line(record)}\n")
        self._file.flush()

    def names(self) -> list[str]:
        return sorted(file.name for file in self._directory.glob("*.log"))

    def content(self, name: str) -> bytes | None:
        """A file by its name; None if there is none."""
        return (self._directory / name).read_bytes() if name in self.names() else None

    def close(self) -> None:
        self._file.close()


class Journal:
    """Tells the CDR and the webhook of everything. Either may be None: switched off.

    What has begun is kept until it ends: the end tells it again, with how long it took.
    """

    def __init__(
        self, faults: FaultFlags, *, cdr: CdrFiles | None = None, webhook: Webhook | None = None
    ) -> None:
        self._faults = faults
        self.cdr = cdr
        self.webhook = webhook
        self._begun: dict[tuple[str, ...], Record] = {}

    def session_destroyed(self, session: Session, reason: str) -> None:
        """Nothing is told of a session that nobody ever joined."""
        final = "lastParticipantLeft" if reason in _LEAVING else reason
        self._end((session.id,), Happening.SESSION_DESTROYED, final)

    def session_created(self, session: Session) -> None:
        """Told once, when somebody joins (or earlier, for a fault)."""
        if (session.id,) not in self._begun:
            created = Record(session.id, session.created_at, event=Happening.SESSION_CREATED)
            self._begin((session.id,), created)

    def joined(self, session: Session, participant: Participant) -> None:
        """With the first one, the session is told of: of the moment when REST made it."""
        self.session_created(session)
        record = Record(
            session.id,
            participant.created_at,
            participant_id=participant.id,
            location="unknown",
            platform=participant.platform,
            client_data=participant.client_data,
            server_data=participant.server_data,
            event=Happening.PARTICIPANT_JOINED,
        )
        self._begin((session.id, participant.id), record)

    def left(self, session: Session, participant: Participant, reason: str) -> None:
        self._end((session.id, participant.id), Happening.PARTICIPANT_LEFT, reason)

    def published(self, session: Session, connection_id: str, stream: Stream) -> None:
        record = _connection(session, connection_id, stream, stream.created_at)
        self._begin((session.id, connection_id, connection_id), record)

    def received(
        self, session: Session, connection_id: str, sender_id: str, stream: Stream, at_ms: int
    ) -> None:
        """``connection_id`` receives the stream of ``sender_id`` from ``at_ms`` on."""
        record = _connection(session, connection_id, stream, at_ms, sender_id)
        self._begin((session.id, connection_id, sender_id), record)

    def stopped(self, session: Session, connection_id: str, sender_id: str, reason: str) -> None:
        """A stream's way from ``sender_id``; its own way in if both are the same."""
        self._end((session.id, connection_id, sender_id), Happening.CONNECTION_DESTROYED, reason)

    def _begin(self, key: tuple[str, ...], record: Record) -> None:
        self._begun[key] = record
        self.tell(record)

    def _end(self, key: tuple[str, ...], event: Happening, reason: str) -> None:
        begun = self._begun.pop(key, None)
        if begun is None:
            return
        now = int(time.time() * 1000)
        ended = replace(
            begun,
            event=event,
            timestamp=now,
            start_time=begun.timestamp,
            duration=(now - begun.timestamp) // 1000,
            reason="disconnect" if self._faults.active("classroom.event-reason-lost") else reason,
        )
        self.tell(ended)

    def tell(self, record: Record) -> None:
        """Tell the CDR and the webhook of one event."""
        if self.cdr is not None and not self._faults.active("classroom.cdr-lost"):
            self.cdr.tell(record)
        if self.webhook is not None and not self._faults.active("classroom.webhook-lost"):
            self.webhook.tell(record)

    async def close(self) -> None:
        if self.webhook is not None:
            await self.webhook.close()
        if self.cdr is not None:
            self.cdr.close()


def _connection(
    session: Session,
    connection_id: str,
    stream: Stream,
    at_ms: int,
    sender_id: str | None = None,
) -> Record:
    """A stream's way in, or out if it comes from ``sender_id``.

    What video has is told of a stream with video only.
    """
    record = Record(
        session.id,
        at_ms,
        stream_id=stream.id,
        participant_id=connection_id,
        connection="INBOUND" if sender_id else "OUTBOUND",
        receiving_from=sender_id,
        audio_enabled=stream.has_audio,
        video_enabled=stream.has_video,
        event=Happening.CONNECTION_CREATED,
    )
    if not stream.has_video:
        return record
    return replace(
        record,
        video_source=stream.type_of_video,
        video_framerate=stream.frame_rate,
        video_dimensions=stream.video_dimensions,
    )
