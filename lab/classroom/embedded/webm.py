"""Opus and VP8 frames into a WebM file, without a codec: only what players need.

PyAV would do this with FFmpeg's 100 MB, which do not travel to the host; the light writers of
EBML on PyPI (ebmlite) bring a schema engine for a format of which thirty elements are needed.
Sources: RFC 8794 (EBML), RFC 9559 (Matroska, of which WebM is a part; element ids), RFC 7845
(OpusHead) and the WebM project's codec names. There are no cues: players seek by scanning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import pack
from typing import IO

_EBML, _SEGMENT, _INFO, _TRACKS, _TRACK = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE
_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK = 0x1F43B675, 0xE7, 0xA3
#: A size of eight bytes: the marker, and 56 bits of number.
_WIDE = 1 << 56
#: Milliseconds in a cluster: a block's time counts 16 bits from its cluster's.
CLUSTER_MS = 5000
#: How long one Opus frame lasts, when no next one tells; WebRTC sends 20 ms.
_OPUS_FRAME_MS = 20
#: What a decoder must hear before it is right, in nanoseconds (RFC 7845, section 4.6: 80 ms).
_SEEK_PRE_ROLL_NS = 80_000_000


@dataclass(frozen=True)
class Track:
    """One track; ``size`` is a picture's width and height, None for sound."""

    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Block:
    """One frame: ``track`` counts from 0, ``at_ms`` from the file's beginning."""

    track: int
    at_ms: int
    key: bool
    data: bytes


def write_webm(file: IO[bytes], tracks: Sequence[Track], blocks: Iterable[Block]) -> int:
    """Write a file of ``tracks`` with ``blocks`` in the order of time; return its length in ms.

    ``file`` must be seekable: sizes and the duration are filled in at the end.
    """
    file.write(_element(_EBML, _header()))
    file.write(_id(_SEGMENT))
    size_at = file.tell()
    file.write(_size(0, wide=True))
    begin = file.tell()
    file.write(_info(0.0))
    file.write(_element(_TRACKS, *(_track(i, track) for i, track in enumerate(tracks, 1))))
    end_ms = _write_clusters(file, blocks)
    length = file.tell() - begin
    file.seek(size_at)
    file.write(_size(length, wide=True))
    file.write(_info(float(end_ms)))
    file.seek(0, 2)
    return end_ms


def _write_clusters(file: IO[bytes], blocks: Iterable[Block]) -> int:
    """Write the blocks, and return when the last one ends."""
    cluster: list[bytes] = []
    since = end_ms = 0
    for block in blocks:
        if not cluster or block.at_ms - since >= CLUSTER_MS:
            _write_cluster(file, since, cluster)
            cluster, since = [], block.at_ms
        head = pack("!BhB", 0x80 | block.track + 1, block.at_ms - since, 0x80 * block.key)
        cluster.append(_element(_SIMPLE_BLOCK, head, block.data))
        end_ms = max(end_ms, block.at_ms + _OPUS_FRAME_MS)
    _write_cluster(file, since, cluster)
    return end_ms


def _write_cluster(file: IO[bytes], since: int, blocks: list[bytes]) -> None:
    if blocks:
        file.write(_element(_CLUSTER, _number(_TIMESTAMP, since), *blocks))


def _header() -> bytes:
    return b"".join((
        _number(0x4286, 1),  # EBMLVersion
        _number(0x42F7, 1),  # EBMLReadVersion
        _number(0x42F2, 4),  # EBMLMaxIDLength
        _number(0x42F3, 8),  # EBMLMaxSizeLength
        _element(0x4282, b"webm"),  # DocType
        _number(0x4287, 4),  # DocTypeVersion
        _number(0x4285, 2),  # DocTypeReadVersion
    ))  # fmt: skip


def _info(duration_ms: float) -> bytes:
    return _element(
        _INFO,
        _number(0x2AD7B1, 1_000_000),  # TimestampScale: a millisecond
        _real(0x4489, duration_ms),  # Duration
        _element(0x4D80, b"embedded classroom"),  # MuxingApp
        _element(0x5741, b"embedded classroom"),  # WritingApp
    )


def _track(number: int, track: Track) -> bytes:
    common = (
        _number(0xD7, number),  # TrackNumber
        _number(0x73C5, number),  # TrackUID
        _number(0x9C, 0),  # FlagLacing
    )
    if track.size is not None:
        width, height = track.size
        return _element(
            _TRACK,
            *common,
            _number(0x83, 1),  # TrackType: video
            _element(0x86, b"V_VP8"),  # CodecID
            _element(0xE0, _number(0xB0, width), _number(0xBA, height)),  # Video
        )
    return _element(
        _TRACK,
        *common,
        _number(0x83, 2),  # TrackType: audio
        _element(0x86, b"A_OPUS"),  # CodecID
        _number(0x56BB, _SEEK_PRE_ROLL_NS),  # SeekPreRoll
        # CodecPrivate: version, channels, pre-skip, input rate, gain, mapping family
        _element(0x63A2, b"OpusHead" + pack("<BBHIhB", 1, 2, 0, 48_000, 0, 0)),
        _element(0xE1, _real(0xB5, 48_000.0), _number(0x9F, 2)),  # Audio: rate, channels
    )


def _element(element: int, *content: bytes) -> bytes:
    data = b"".join(content)
    return _id(element) + _size(len(data)) + data


def _number(element: int, value: int) -> bytes:
    return _element(element, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _real(element: int, value: float) -> bytes:
    return _element(element, pack("!d", value))


def _id(element: int) -> bytes:
    return element.to_bytes((element.bit_length() + 7) // 8, "big")


def _size(length: int, *, wide: bool = False) -> bytes:
    """An EBML size: as few bytes as hold it, or all eight, to be filled in later."""
    if wide:
        return (_WIDE | length).to_bytes(8, "big")
    octets = 1
    while length >= (1 << 7 * octets) - 1:
        octets += 1
    return (1 << 7 * octets | length).to_bytes(octets, "big")
