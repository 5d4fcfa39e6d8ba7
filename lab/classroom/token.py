"""Tokens: the one-time URL with which a participant joins, and how it is kept out of text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from lab.classroom.wire import Malformed
from lab.secrets import MASK

_SECRET_PARTS = re.compile(r"\btok_\w+|(?<=turnCredential=)[^&\s\"']+")


_EXPECTED = "wss://HOST?sessionId=ID&token=TOKEN&role=ROLE&version=V"


class Role(StrEnum):
    """What a token lets its owner do; each may do what the one before may."""

    SUBSCRIBER = "SUBSCRIBER"
    PUBLISHER = "PUBLISHER"
    MODERATOR = "MODERATOR"


def without_tokens(text: str) -> str:
    """``text`` with every token's secret part masked; the server quotes tokens in its errors."""
    return _SECRET_PARTS.sub(MASK, text)


@dataclass(frozen=True)
class KurentoOptions:
    """Limits of what a token's owner may send and be sent: video in kbit/s, 0 for none."""

    video_max_recv_bandwidth: int | None = None
    video_min_recv_bandwidth: int | None = None
    video_max_send_bandwidth: int | None = None
    video_min_send_bandwidth: int | None = None
    allowed_filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Token:
    """A token. ``url`` is the secret: joinRoom sends it verbatim, nothing else shows it.

    The host in ``url`` is what the server believes to be its public address; behind a tunnel
    or proxy that is not where it can be reached, so connections go to the API's endpoint.
    """

    url: str = field(repr=False)
    session: str
    role: Role
    data: str = ""
    #: As the server understood them; None when none were asked for.
    kurento: KurentoOptions | None = None

    @classmethod
    def from_url(cls, url: str, *, data: str = "") -> Token:
        """Read ``wss://HOST?sessionId=…&token=…&role=…``; raises `Malformed`, without the URL."""
        try:
            parts = urlsplit(url)
            query = parse_qs(parts.query)
        except ValueError:  # its own words may quote the URL
            raise Malformed("a token is no URL", expected=_EXPECTED) from None
        missing = [key for key in ("sessionId", "token", "role") if key not in query]
        if parts.scheme != "wss" or missing or query["role"][0] not in Role.__members__:
            raise Malformed(
                "a token is not as OpenVidu makes it",
                found=f"scheme {parts.scheme!r}, without {', '.join(missing) or 'a known role'}",
                expected=_EXPECTED,
            )
        return cls(url, query["sessionId"][0], Role(query["role"][0]), data)
