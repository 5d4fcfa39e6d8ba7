"""Start the embedded classroom backend: one TLS port for REST, signalling and a banner.

    python3 -m lab.classroom.embedded.backend --home DIR --listen 127.0.0.1:4443 \\
        --cert FILE --key FILE --secret-file FILE

``--home`` is the host account's home directory, where faults are injected. Media goes over UDP
ports of the same address. Runs until SIGTERM or SIGINT, then evicts everybody.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from lab.classroom.embedded.media import MediaFaults, MediaPlane
from lab.classroom.embedded.model import VERSION, Sessions
from lab.classroom.embedded.rest import Rest
from lab.classroom.embedded.rooms import Rooms
from lab.classroom.loopback_ice import gather_on
from lab.faultflags import FaultFlags

log = logging.getLogger("classroom")

#: Every so many seconds, sessions that nobody ever joined are looked for.
GARBAGE_INTERVAL_S = 900.0
#: How long connections may take to end when the server stops, in seconds.
SHUTDOWN_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Settings:
    home: Path
    host: str
    port: int
    cert: Path
    key: Path
    secret_file: Path


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set; raises `OSError` if the port is taken."""
    gather_on(settings.host)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(settings.cert, settings.key)
    faults = FaultFlags(settings.home)
    media = MediaPlane(
        MediaFaults(
            blackhole=lambda: faults.active("classroom.media-blackhole"),
            silence=lambda: faults.active("classroom.media-silence"),
        )
    )
    rooms = Rooms(Sessions(), media, faults)
    secret = settings.secret_file.read_text().rstrip("\n")
    rest = Rest(rooms, f"{settings.host}:{settings.port}", secret, stop)
    runner = web.AppRunner(rest.application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        await web.TCPSite(
            runner, settings.host, settings.port, ssl_context=tls, reuse_address=True
        ).start()
        log.info(
            "embedded classroom backend (OpenVidu %s) on https://%s:%s",
            VERSION, settings.host, settings.port,
        )  # fmt: skip
        while not stop.is_set():
            rooms.sessions.collect_garbage(int(time.time() * 1000))
            try:
                await asyncio.wait_for(stop.wait(), GARBAGE_INTERVAL_S)
            except TimeoutError:
                continue
    finally:
        await rooms.close()
        await runner.cleanup()


def _settings(argv: list[str]) -> Settings:
    parser = argparse.ArgumentParser(
        prog="python3 -m lab.classroom.embedded.backend",
        description="The embedded, OpenVidu-2.13-compatible classroom backend.",
    )
    parser.add_argument("--home", type=Path, required=True, help="where faults are injected")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--cert", type=Path, required=True, help="certificate chain, PEM")
    parser.add_argument("--key", type=Path, required=True, help="its private key, PEM")
    parser.add_argument("--secret-file", type=Path, required=True, help="OPENVIDU_SECRET")
    given = parser.parse_args(argv)
    host, _, port = given.listen.rpartition(":")
    return Settings(given.home, host, int(port), given.cert, given.key, given.secret_file)


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("aioice").setLevel(logging.WARNING)
    asyncio.run(_main(_settings(sys.argv[1:])))
