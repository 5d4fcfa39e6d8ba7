"""Whom to trust as the server of an upload or a notification: always somebody's certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from blueprints.errors import ConfigError

_REFUSED = "CERTIFICATE_VERIFY_FAILED"


class Untrusted(Exception):
    """A server's certificate is vouched for by nobody whom we trust; asking again is no use."""

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(
            f"{url} cannot be trusted: {error}; if its certificate is of a CA of your own, "
            "name that: --ca FILE"
        )


def trust(ca: Path | None) -> ssl.SSLContext:
    """Verify servers by ``ca``, by the machine's own CAs without it. Raises `ConfigError`."""
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca} is no file of CA certificates in PEM: {error}") from None


def check(url: str, error: Exception) -> None:
    """Raise `Untrusted` where a connection failed for the server's certificate."""
    if _REFUSED in str(error):
        raise Untrusted(url, error) from None
