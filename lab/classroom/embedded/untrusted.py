"""What strangers send, cut to what aioice and aiortc survive: offers, candidates, datagrams.

Each rule here was found by a fuzzer (``tests/classroom_backend/test_media_garbage.py``).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from aioice.ice import StunProtocol
from aiortc import RTCIceCandidate
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

#: Which field of a candidate is its address (RFC 8839, section 5.1).
_ADDRESS = 4

#: Of an offer; Chromium's for audio and video has 162 and 31. aiortc looks at each codec for each
#: line, so that thousands of both took it seconds.
_LINES, _CODECS = 600, 128

_receive = StunProtocol.datagram_received


def _receive_good(self: StunProtocol, data: bytes | str, addr: tuple[Any, ...]) -> None:
    """An empty datagram would end the media connection, whoever sent it."""
    if data:
        try:
            _receive(self, data, addr)
        except struct.error:
            return  # STUN with an attribute that is too short


def drop_bad_datagrams() -> None:
    """From now on this process's ICE connections drop what would break them."""
    StunProtocol.datagram_received = _receive_good  # type: ignore[method-assign]


def media_of(offer: str, kinds: Sequence[str]) -> list[MediaDescription]:
    """The media of these kinds in an offer; raises `ValueError` for one to leave alone."""
    lines = offer.splitlines()
    if len(lines) > _LINES or sum(line.startswith("a=rtpmap:") for line in lines) > _CODECS:
        raise ValueError(f"more than {_LINES} lines, or {_CODECS} codecs")
    try:
        description = SessionDescription.parse(offer)
    except StopIteration:
        raise ValueError("a line about a codec that is not there") from None
    known = {media.rtp.muxId for media in description.media}
    if any(not known.issuperset(map(str, group.items)) for group in description.group):
        raise ValueError("a group of media that are not there")
    found = [media for media in description.media if media.kind in kinds]
    if not found:
        raise ValueError(f"the offer has none of {', '.join(kinds)}")
    if any(media.dtls is None or not media.dtls.fingerprints for media in found):
        raise ValueError("media without a DTLS fingerprint")
    return found


def without_names(offer: str) -> str:
    """An offer without candidates that have a name for an address.

    Browsers may hide theirs behind one in ``.local``; looking it up would open mDNS's port to
    everybody. They reach this server all the same, and ICE learns their address from that.
    """
    lines = offer.splitlines(keepends=True)
    return "".join(line for line in lines if not _names_a_candidate(line))


def _names_a_candidate(line: str) -> bool:
    fields = line.split()
    if not line.startswith("a=candidate:") or len(fields) <= _ADDRESS:
        return False
    return not _is_numeric(fields[_ADDRESS])


def numeric_candidate(text: str) -> RTCIceCandidate | None:
    """A candidate as onIceCandidate brings it; None for one with a name, or nonsense."""
    try:
        found = candidate_from_sdp(text.removeprefix("candidate:"))
    except (ValueError, LookupError, AssertionError):
        return None
    return found if _is_numeric(found.ip) else None


def _is_numeric(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True
