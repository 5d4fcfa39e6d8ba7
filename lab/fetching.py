"""Files by reference: from a URL or a path, with the checksum that they must have.

What was fetched once lies in the cache under its SHA-256. Nothing else is asked for: a
redirect is not followed, for it leads where the inventory did not say.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx

from lab.errors import LabError
from lab.payload import cache_dir

#: Seconds for connecting, and for each piece that arrives.
TIMEOUT_S = 30.0
_PIECE = 1024 * 1024


class FetchFailed(LabError):
    """A file could not be had, or is another than the one that was pinned."""


def fetch(at: str, sha256: str) -> Path:
    """The file at ``at`` (http(s)://… or a path), in the cache; ``sha256`` in hex.

    Raises `FetchFailed`; nothing of a wrong file is kept.
    """
    directory = cache_dir() / "fetched"
    directory.mkdir(exist_ok=True)
    stored = directory / sha256
    if stored.exists():
        return stored
    unfinished = directory / f"{sha256}.{os.getpid()}.tmp"
    found = hashlib.sha256()
    try:
        with unfinished.open("wb") as file:
            for piece in _pieces(at):
                found.update(piece)
                file.write(piece)
        if found.hexdigest() != sha256:
            raise FetchFailed(
                f"{at} is not the file that is pinned",
                found=f"SHA-256 {found.hexdigest()}",
                expected=f"SHA-256 {sha256}",
                advice="it was not used; compare with its publisher's checksum",
            )
        unfinished.rename(stored)
    finally:
        unfinished.unlink(missing_ok=True)
    return stored


def _pieces(at: str) -> Iterator[bytes]:
    if not at.startswith(("http://", "https://")):
        try:
            with Path(at).expanduser().open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise FetchFailed(
                f"{at} cannot be read",
                found=error.strerror,
                expected="a readable file on this machine",
                advice="put it there, or correct the inventory",
            ) from None
        return
    try:
        with httpx.stream("GET", at, timeout=TIMEOUT_S, follow_redirects=False) as answer:
            if answer.status_code != httpx.codes.OK:
                raise FetchFailed(
                    f"{at} cannot be fetched",
                    found=f"status {answer.status_code}"
                    + (
                        f", a redirect to {answer.headers['Location']}"
                        if answer.is_redirect
                        else ""
                    ),
                    expected="200",
                    advice="name the place of the file itself in the inventory",
                )
            yield from answer.iter_bytes(_PIECE)
    except httpx.HTTPError as error:
        raise FetchFailed(
            f"{at} cannot be fetched",
            found=str(error) or type(error).__name__,
            advice="check that this machine can reach it",
        ) from error
