"""TLS to a classroom: verified, always."""

from __future__ import annotations

import ssl
from pathlib import Path


def trust(ca: Path | None) -> ssl.SSLContext:
    """A client context that trusts the CA in ``ca``; None means the machine's own CAs."""
    return ssl.create_default_context(cafile=None if ca is None else str(ca))
