"""Start the embedded classroom backend: one TLS port for REST, signalling and a banner.

    python3 -m lab.classroom.embedded.backend --home DIR --listen 127.0.0.1:4443 \\
        --cert FILE --key FILE --secret-file FILE [--recordings DIR] [--cdr DIR] [--webhook URL]

``--home`` is the host account's home directory, where faults are injected. Media goes over UDP
ports of the same address. Runs until SIGTERM or SIGINT, then evicts everybody.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from lab.classroom.embedded import pauses
from lab.classroom.embedded.journal import WebhookTarget
from lab.classroom.embedded.model import AUTOSTOP_S, GARBAGE_INTERVAL_S, GARBAGE_THRESHOLD_S
from lab.classroom.embedded.without_codecs import stand_in
from lab.classroom.records import Happening
from lab.classroom.signalling import RECONNECTION_GRACE_S


async def _main(argv: list[str]) -> None:
    from lab.classroom.embedded.server import Settings, serve  # after the stand-in

    parser = _parser()
    given = parser.parse_args(argv)
    host, _, port = given.listen.rpartition(":")
    settings = Settings(
        given.home, host, int(port), given.cert, given.key, given.secret_file,
        grace_s=given.reconnection_s,
        garbage_interval_s=given.garbage_interval_s,
        garbage_threshold_s=given.garbage_threshold_s,
        autostop_s=given.recording_autostop_s,
        recordings=given.recordings and given.recordings.resolve(),
        cdr=given.cdr,
        webhook=_webhook(given, parser),
    )  # fmt: skip
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pauses.arrange()
    await serve(settings, stop)


def _webhook(given: argparse.Namespace, parser: argparse.ArgumentParser) -> WebhookTarget | None:
    """Where to post events; leaves with a usage error if it is not on loopback."""
    if given.webhook is None:
        return None
    try:
        events = tuple(map(Happening, given.webhook_events.split(",")))
        return WebhookTarget(given.webhook, tuple(given.webhook_header), events)
    except ValueError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m lab.classroom.embedded.backend",
        description="The embedded, OpenVidu-2.13-compatible classroom backend.",
    )
    parser.add_argument("--home", type=Path, required=True, help="where faults are injected")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--cert", type=Path, required=True, help="certificate chain, PEM")
    parser.add_argument("--key", type=Path, required=True, help="its private key, PEM")
    parser.add_argument("--secret-file", type=Path, required=True, help="OPENVIDU_SECRET")
    parser.add_argument("--recordings", type=Path, metavar="DIR", help="record there on request")
    parser.add_argument("--cdr", type=Path, metavar="DIR", help="write call detail records there")
    parser.add_argument("--webhook", metavar="URL", help="post events to this loopback address")
    parser.add_argument("--webhook-header", action="append", default=[], metavar="NAME: VALUE")
    parser.add_argument(
        "--webhook-events", default=",".join(Happening), metavar="NAME,…", help="only these"
    )
    for name, default, meaning in (
        ("--reconnection-s", RECONNECTION_GRACE_S, "how long a lost socket may come back"),
        ("--garbage-interval-s", GARBAGE_INTERVAL_S, "how often unused sessions are looked for"),
        ("--garbage-threshold-s", GARBAGE_THRESHOLD_S, "how old unused sessions may get"),
        ("--recording-autostop-s", AUTOSTOP_S, "how long a recording waits for a publisher"),
    ):
        parser.add_argument(name, type=float, default=default, metavar="S", help=meaning)
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("aioice").setLevel(logging.WARNING)
    stand_in()
    asyncio.run(_main(sys.argv[1:]))
