"""TLS to a classroom: verified, always."""

from __future__ import annotations

import ssl
from pathlib import Path

from lab.errors import LabError


def trust(ca: Path | None) -> ssl.SSLContext:
    """A client context that trusts the CA in ``ca``; None means the machine's own CAs.

    Raises `LabError` when the file cannot be read or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # ssl.SSLError is one
        raise LabError(
            f"the CA file {ca} cannot be used",
            found=error.strerror or str(error),
            expected="certificates in PEM",
            advice="correct systems.classroom.ca in the inventory",
        ) from error


def trust_in_threads(ca: Path | None) -> ssl.SSLContext:
    """As `trust`, for ``websockets.sync``, but TLS 1.2: it reads and writes in two threads, and
    over TLS 1.3, where either may have to do the other's work, one in 200 connections hung.
    """
    context = trust(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
