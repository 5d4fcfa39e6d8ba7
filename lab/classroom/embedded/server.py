"""The embedded classroom backend as one server: TLS, REST, signalling and media together."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from lab.classroom.embedded import foreign, media_server
from lab.classroom.embedded.journal import CdrFiles, Journal, Webhook, WebhookTarget
from lab.classroom.embedded.media import MediaFaults, MediaPlane
from lab.classroom.embedded.model import (
    AUTOSTOP_S,
    GARBAGE_INTERVAL_S,
    GARBAGE_THRESHOLD_S,
    VERSION,
    Sessions,
)
from lab.classroom.embedded.recordings import Recordings
from lab.classroom.embedded.rest import Rest
from lab.classroom.embedded.rooms import Rooms
from lab.classroom.embedded.untrusted import drop_bad_datagrams
from lab.classroom.loopback_ice import gather_on
from lab.classroom.signalling import RECONNECTION_GRACE_S
from lab.faultflags import FaultFlags

log = logging.getLogger("classroom")

#: How long connections may take to end when the server stops, in seconds.
SHUTDOWN_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Settings:
    """Where to listen, with which certificate; ``home`` is where faults are injected.

    ``recordings`` and ``cdr`` are the directories of its recordings and CDR files, ``webhook``
    is where events are posted; None switches each off. The times are in seconds: how long a lost
    socket may come back (``grace_s``), how often sessions that nobody ever joined are looked for,
    how old they may get, and how long a recording waits for a publisher.
    """

    home: Path
    host: str
    port: int
    cert: Path
    key: Path
    secret_file: Path
    grace_s: float = RECONNECTION_GRACE_S
    garbage_interval_s: float = GARBAGE_INTERVAL_S
    garbage_threshold_s: float = GARBAGE_THRESHOLD_S
    autostop_s: float = AUTOSTOP_S
    recordings: Path | None = None
    cdr: Path | None = None
    webhook: WebhookTarget | None = None


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set; raises `OSError` if the port is taken."""
    gather_on(settings.host)
    drop_bad_datagrams()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(settings.cert, settings.key)
    faults = FaultFlags(settings.home)
    foreign.show_when(lambda: faults.active("classroom.foreign-certificate"), tls, settings.host)
    media = MediaPlane(
        MediaFaults(
            blackhole=lambda: faults.active("classroom.media-blackhole"),
            silence=lambda: faults.active("classroom.media-silence"),
            loud=lambda: faults.active("classroom.media-loud"),
            unmute_lost=lambda: faults.active("classroom.unmute-lost"),
            picture_lost=lambda: faults.active("classroom.picture-lost"),
            keyframes_withheld=lambda: faults.active("classroom.keyframes-withheld"),
            lossy=lambda: faults.active("classroom.media-lossy"),
            uneven=lambda: faults.active("classroom.media-uneven"),
            late=lambda: faults.active("classroom.media-late"),
            frozen=lambda: faults.active("classroom.media-frozen"),
            thinned=lambda: faults.active("classroom.media-thinned"),
            possible=faults.possible,
        )
    )
    journal = Journal(
        faults,
        cdr=CdrFiles(settings.cdr) if settings.cdr else None,
        webhook=Webhook(settings.webhook, faults) if settings.webhook else None,
    )
    rooms = Rooms(Sessions(), media, faults, journal, grace_s=settings.grace_s)
    secret = settings.secret_file.read_text().rstrip("\n")
    garbage = (settings.garbage_interval_s, settings.garbage_threshold_s)
    authority = f"{settings.host}:{settings.port}"
    recordings = None
    if settings.recordings is not None:
        recordings = Recordings(
            rooms, settings.recordings, f"https://{authority}/", autostop_s=settings.autostop_s
        )
        rooms.recorder = recordings
    rest = Rest(rooms, authority, secret, recordings, stop, garbage)
    runner = web.AppRunner(rest.application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    watching = asyncio.create_task(media_server.watch(rooms, stop))
    try:
        await web.TCPSite(
            runner, settings.host, settings.port, ssl_context=tls, reuse_address=True
        ).start()
        log.info(
            "embedded classroom backend (OpenVidu %s) on https://%s:%s",
            VERSION, settings.host, settings.port,
        )  # fmt: skip
        while not stop.is_set():
            oldest = time.time() - settings.garbage_threshold_s
            rooms.sessions.collect_garbage(created_before_ms=int(oldest * 1000))
            try:
                await asyncio.wait_for(stop.wait(), settings.garbage_interval_s)
            except TimeoutError:
                continue
    finally:
        watching.cancel()
        await rooms.close()
        await runner.cleanup()
        await journal.close()
