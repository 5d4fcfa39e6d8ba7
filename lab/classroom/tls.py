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
