"""Whether a lab answers: every host and every endpoint tried at once, each on its own.

Facts only; a table is made of them elsewhere.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

from blueprints.errors import ConfigError
from lab import secrets
from lab.errors import LabError
from lab.host.ssh import SshHost
from lab.session import Lab

#: How long an endpoint may take to answer, seconds.
ENDPOINT_TIMEOUT_S = 5.0
_COMMAND_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Finding:
    """What one try found. ``address``: ``HOST:PORT``, a URL or a reference, "" if it is missing."""

    name: str
    kind: Literal["host", "endpoint", "secret", "inventory"]
    address: str
    ok: bool
    says: str
    duration_s: float


def check(lab: Lab) -> list[Finding]:
    """Try everything that the inventory names, in its order; what it leaves open comes first.

    A host: TCP, its key, and the login of each account with a command. An endpoint: TCP, TLS by
    the system's CA, an HTTP answer of any status. A system's secret: it can be read here. Takes
    no longer than the slowest of them.
    """
    inventory = lab.inventory
    open_ends = [
        Finding(place, "inventory", "", ok=False, says=f"missing: {what.strip()}", duration_s=0.0)
        for place, _, what in (sentence.partition(":") for sentence in inventory.missing())
    ]
    tries: list[Callable[[], Finding]] = [
        partial(_host, lab, name)
        for name, entry in inventory.hosts.items()
        if entry.address and entry.host_key and entry.accounts
    ]
    tries += [
        partial(_endpoint, lab, system, endpoint)
        for system, system_entry in inventory.systems.items()
        for endpoint in system_entry.endpoints
    ]
    tries += [
        partial(_secret, system, name, reference)
        for system, system_entry in inventory.systems.items()
        for name, reference in system_entry.secrets.items()
    ]
    if not tries:
        return open_ends
    with ThreadPoolExecutor(max_workers=len(tries), thread_name_prefix="check") as pool:
        return open_ends + [future.result() for future in [pool.submit(one) for one in tries]]


def _host(lab: Lab, name: str) -> Finding:
    entry = lab.inventory.hosts[name]

    def look() -> str:
        kernel = lab.host(name).run(["uname", "-sr"], timeout=_COMMAND_TIMEOUT_S).check().text
        for account in entry.accounts[1:]:
            host = SshHost(name, entry, account=account)
            try:
                host.run(["true"], timeout=_COMMAND_TIMEOUT_S).check()
            finally:
                host.close()
        accounts = ", ".join(account.name for account in entry.accounts)
        return f"its key is the pinned one, {accounts} can log in, {kernel.strip()}"

    return _try(name, "host", f"{entry.address}:{entry.port}", look)


def _endpoint(lab: Lab, system: str, endpoint: str) -> Finding:
    url = lab.url(system, endpoint)
    host, port = lab.address(system, endpoint)

    def look() -> str:
        if url.startswith("tcp:"):
            socket.create_connection((host, port), timeout=ENDPOINT_TIMEOUT_S).close()
            return "accepts connections"
        connection: http.client.HTTPConnection
        if url.startswith("https:"):
            connection = http.client.HTTPSConnection(
                host,
                port,
                timeout=ENDPOINT_TIMEOUT_S,
                context=_trust(lab, system),
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=ENDPOINT_TIMEOUT_S)
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            return f"answers HTTP {connection.getresponse().status}"
        finally:
            connection.close()

    return _try(f"{system}.{endpoint}", "endpoint", url, look)


def _trust(lab: Lab, system: str) -> ssl.SSLContext:
    """What vouches for a system: its CA, or the kubeconfig's."""
    if system == "iec":
        from lab.iec.client import access  # lightkube is not light

        return access(lab).tls()
    return ssl.create_default_context(cafile=lab.ca(system))


def _secret(system: str, name: str, reference: str) -> Finding:
    def look() -> str:
        secrets.resolve(reference)
        return "can be read"

    return _try(f"{system}.{name}", "secret", reference, look)


def _try(
    name: str, kind: Literal["host", "endpoint", "secret"], address: str, look: Callable[[], str]
) -> Finding:
    started = time.monotonic()
    try:
        says, ok = look(), True
    except (LabError, ConfigError) as error:
        says, ok = str(error), False
    except ssl.SSLCertVerificationError as error:
        says, ok = f"its certificate is not trusted: {error.verify_message}", False
    except TimeoutError:
        says, ok = f"no answer within {ENDPOINT_TIMEOUT_S:g} s", False
    except (OSError, http.client.HTTPException) as error:
        says, ok = getattr(error, "strerror", None) or str(error) or type(error).__name__, False
    return Finding(name, kind, address, ok, says, time.monotonic() - started)
