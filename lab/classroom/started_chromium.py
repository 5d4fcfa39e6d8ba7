"""Chromium as the client pages need it: on this machine, or on a host over SSH.

Both start the machine's own Chromium without a window, with its fake devices (a moving picture,
a beep twice a second, a screen), and are driven by Playwright; a host's through its DevTools
port, which listens on that host's loopback address and is reached through an SSH tunnel.
"""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lab import service
from lab.chromium import INSTALLED_BY, chromium
from lab.classroom import client_pages
from lab.classroom.cuttable import CuttableWay, cuttable_way
from lab.classroom.probe import ENDPOINT, SYSTEM
from lab.classroom.tls import trust
from lab.errors import SystemDown, ToolMissing
from lab.session import Lab
from lab.wait import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Playwright

#: Of a host account's home: what the recipe unpacked, and what a browser keeps while it runs.
DIRECTORY = "classroom-client"
PAGES = f"{DIRECTORY}/pages"
_PROFILE = f"{DIRECTORY}/profile"
#: Succeeds on a host that has one.
HAS_CHROMIUM = ("sh", "-c", "command -v chromium")
#: The service that a host's browser is.
SERVICE = "classroom-client"

#: What Chromium may take to start, in seconds: on a busy machine it reads 300 MB from disk.
START_TIMEOUT_S = 20.0
#: How long connecting for the certificate may take, in seconds.
_CONNECT_TIMEOUT_S = 5.0

_DEVICES = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
)
# Without these a page of each role takes 637 MiB (PSS, with Playwright's 130), with them 539.
_SMALL = (
    "--process-per-site",
    "--in-process-gpu",
    "--disable-gpu",
    "--disable-features=SpareRendererForSitePerProcess,AudioServiceOutOfProcess",
    "--enable-features=NetworkServiceInProcess2",
)
# What Playwright gives a browser that it starts itself, as far as it matters here.
_UNATTENDED = (
    "--headless",
    "--no-first-run",
    "--mute-audio",
    "--remote-debugging-port=0",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-renderer-backgrounding",
    "--password-store=basic",
)
# Chromium's sandbox does not work as root; the only pages are ours.
_START = """
profile=$HOME/$1; shift
rm -rf "$profile" && mkdir -p "$profile" || exit
[ "$(id -u)" -ne 0 ] || set -- --no-sandbox "$@"
exec chromium --user-data-dir="$profile" "$@" about:blank
"""


@dataclass(frozen=True)
class Started:
    """A running browser: how it is driven, the URL of its pages' folder, and its way out.

    ``way``: what its connections to the classroom go through; None where they go by themselves.
    """

    chromium: Chromium
    pages: str
    way: CuttableWay | None = None


def driver() -> AbstractContextManager[Playwright]:
    """What drives browsers; a thread can have one at a time, and run no asyncio beside it."""
    from playwright.sync_api import sync_playwright

    return sync_playwright()


@contextmanager
def here(playwright: Playwright, url: str, ca: Path | None) -> Iterator[Started]:
    """This machine's Chromium for the classroom at ``url``, until the end of the context.

    Raises `ToolMissing` without Chromium, `SystemDown` when the classroom cannot be reached or
    trusted.
    """
    flags = (*_DEVICES, *_SMALL, _accepted(url, ca))
    with client_pages.unpacked() as pages, cuttable_way() as way:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            headless=True,
            args=flags,
            # Chromium leaves loopback addresses out unless it is told not to.
            proxy={"server": f"http://127.0.0.1:{way.port}", "bypass": "<-loopback>"},
            timeout=START_TIMEOUT_S * 1000,
        )
        try:
            yield Started(browser, pages.as_uri(), way)
        finally:
            browser.close()


@contextmanager
def on_host(playwright: Playwright, lab: Lab, name: str) -> Iterator[Started]:
    """The Chromium of host ``name`` for the lab's classroom, with the pages that lie there.

    It has a profile of its own in the account's home, new each time. Raises `ToolMissing`
    without Chromium, `WaitTimeout` when it does not start, `SystemDown` as `here`.
    """
    host = lab.host(name)
    if not host.run(HAS_CHROMIUM).ok:
        raise ToolMissing(
            f"there is no Chromium on {name}",
            expected="the command chromium",
            advice=f"{INSTALLED_BY}, as root there; or deploy clients with hosts.{name}.sudo: true",
        )
    accepted = _accepted(lab.url(SYSTEM, ENDPOINT), lab.ca(SYSTEM))
    flags = (*_UNATTENDED, *_DEVICES, *_SMALL, accepted)
    argv = ["sh", "-c", _START, "sh", _PROFILE, *flags]
    service.stop(name, SERVICE).execute(lab)  # what an interrupted run left
    service.start(name, SERVICE, argv).execute(lab)
    try:
        port = wait_for(
            f"the start of Chromium on {name}",
            lambda: int(host.check(["head", "-n1", f"{_PROFILE}/DevToolsActivePort"])),
            timeout=START_TIMEOUT_S,
            advice=f"see .iec4/services/{SERVICE}/log on {name}",
        )
        home = Path(host.check(["pwd"]).strip())
        with host.tunnel(port) as local:
            browser = playwright.chromium.connect_over_cdp(
                f"http://127.0.0.1:{local}", timeout=START_TIMEOUT_S * 1000
            )
            yield Started(browser, (home / PAGES).as_uri())
    finally:
        service.stop(name, SERVICE).execute(lab)
        host.check(["rm", "-rf", _PROFILE])


def _accepted(url: str, ca: Path | None) -> str:
    return f"--ignore-certificate-errors-spki-list={verified_key(url, ca)}"


def verified_key(url: str, ca: Path | None) -> str:
    """SHA-256 of the public key of the certificate at ``url``, in base64, verified by ``ca``.

    Chromium's certificates are the system's, and no user's; so the CA is judged here, and
    Chromium is told to accept this one key (an SPKI list) and no other.
    Raises `SystemDown` when there is no connection or no trust.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        with (
            socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S) as plain,
            trust(ca).wrap_socket(plain, server_hostname=host) as secure,
        ):
            certificate = secure.getpeercert(binary_form=True)
    except OSError as error:  # ssl.SSLError is one
        raise SystemDown(
            f"the classroom at {url} cannot be reached or trusted",
            found=str(error),
            expected=f"a certificate by {ca or 'a CA of this machine'}",
        ) from error
    assert certificate is not None, "a verified peer has a certificate"
    key = x509.load_der_x509_certificate(certificate).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode()
