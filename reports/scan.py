"""The second look for secrets: every file of a run directory, and what is packed in it.

Text was redacted where it entered the run directory; this looks again, through
compression (gzip, zip), base64 and the escapes of JSON and HTML.
"""

from __future__ import annotations

import binascii
import html
import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from blueprints.archives import DAMAGED, METHODS

FoundIn = Callable[[bytes], bool]

#: Bytes that are looked at in one piece.
PIECE = 8 * 1024 * 1024
#: Bytes that neighbouring pieces share; no spelling of a secret is longer.
OVERLAP = 64 * 1024
#: Bytes that are unpacked from one file at most: a small archive may hold terabytes.
UNPACKED_LIMIT = 256 * 1024 * 1024
#: How often something packed may lie in something packed.
DEPTH = 4

_CHUNK = 256 * 1024
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_JSON_ESCAPE = re.compile(rb'\\(?:u([0-9a-fA-F]{4})|([\\/"]))')
_HTML_ESCAPE = re.compile(rb"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-z]{2,6});")


class _Unsearchable(Exception):
    """A file holds what cannot be looked at; the text says why."""


def scan(directory: Path, found_in: FoundIn) -> list[str]:
    """Look through every file below ``directory``; return a sentence for each offender.

    ``found_in`` says whether bytes hold a secret in a spelling that it knows. A file that
    cannot be searched through counts as an offender. No sentence holds a secret, not even
    where a file's name is one. Links are not followed.
    """
    sentences = []
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if found_in(_bytes(name)):
            name = "a file whose name is left out here, for it holds a secret,"
            sentences.append(f"{name} lies in the run directory")
        if path.is_symlink():
            if found_in(_bytes(str(path.readlink()))):
                sentences.append(f"{name} is a link whose target holds a secret")
        elif path.is_file():
            try:
                with path.open("rb") as stream:
                    if _Search(found_in).holds(stream):
                        sentences.append(f"{name} holds a secret")
            except OSError as error:
                sentences.append(f"{name} could not be searched for secrets: {error.strerror}")
            except _Unsearchable as error:
                sentences.append(f"{name} could not be searched for secrets: {error}")
    return sentences


class _Search:
    """The search through one file, which may unpack so much and no more."""

    def __init__(self, found_in: FoundIn) -> None:
        self._found_in = found_in
        self._left = UNPACKED_LIMIT

    def holds(self, stream: IO[bytes], depth: int = 0) -> bool:
        """Whether a seekable ``stream`` holds a secret, packed or not."""
        if depth > DEPTH:
            raise _Unsearchable(f"packed more than {DEPTH} times")
        start = stream.read(4)
        stream.seek(0)
        packed: Iterable[Iterator[bytes]] = ()
        if start.startswith(_GZIP):
            packed = [_gunzipped(stream)]
        elif start == _ZIP:
            packed = _zip_members(stream)
        for chunks in packed:
            with tempfile.SpooledTemporaryFile(max_size=PIECE) as unpacked:
                for chunk in chunks:
                    self._spend(len(chunk))
                    unpacked.write(chunk)
                unpacked.seek(0)
                if self.holds(unpacked, depth + 1):
                    return True
        stream.seek(0)
        return any(self._piece_holds(piece, depth) for piece in _pieces(stream))

    def _piece_holds(self, piece: bytes, depth: int) -> bool:
        if self._found_in(piece) or any(map(self._found_in, _unescaped(piece))):
            return True
        texts = []
        for decoded in _base64_decoded(piece):
            if decoded.startswith((_GZIP, _ZIP)):
                if self.holds(io.BytesIO(decoded), depth + 1):
                    return True
            else:
                texts.append(decoded)
        return bool(texts) and depth < DEPTH and self._piece_holds(b"\n".join(texts), depth + 1)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _Unsearchable(f"it unpacks to more than {UNPACKED_LIMIT >> 20} MiB")


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    before = b""
    while chunk := stream.read(PIECE):
        yield before + chunk
        before = chunk[-OVERLAP:]


def _unescaped(piece: bytes) -> Iterator[bytes]:
    """The piece without JSON's and HTML's escapes, if it has any."""
    plain = _JSON_ESCAPE.sub(_json_unescaped, piece) if b"\\" in piece else piece
    plain = _HTML_ESCAPE.sub(_html_unescaped, plain) if b"&" in plain else plain
    if plain != piece:
        yield plain


def _json_unescaped(match: re.Match[bytes]) -> bytes:
    return match[2] or chr(int(match[1], 16)).encode("utf-8", "surrogatepass")


def _html_unescaped(match: re.Match[bytes]) -> bytes:
    return html.unescape(match[0].decode()).encode()


def _base64_decoded(piece: bytes) -> Iterator[bytes]:
    """Every long run of base64 characters decoded, from each of four beginnings.

    What stands before an encoded text (a path, a word) may belong to the alphabet too.
    """
    for match in _BASE64.finditer(piece):
        run = match[0].translate(_URL_SAFE)
        for begin in range(4):
            usable = run[begin:]
            usable = usable[: len(usable) - (len(usable) % 4 == 1)]
            yield binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))


def _gunzipped(stream: IO[bytes]) -> Iterator[bytes]:
    """What a gzip file holds, as far as it can be read; it may have been cut off."""
    unpacker = zlib.decompressobj(wbits=31)
    data = stream.read(_CHUNK)
    while data:
        try:
            yield unpacker.decompress(data, _CHUNK)
        except zlib.error:
            return
        data = unpacker.unconsumed_tail
        if unpacker.eof:  # another member may follow
            data = unpacker.unused_data
            unpacker = zlib.decompressobj(wbits=31)
        data = data or stream.read(_CHUNK)


def _zip_members(stream: IO[bytes]) -> Iterator[Iterator[bytes]]:
    try:
        archive = zipfile.ZipFile(stream)
    except DAMAGED:
        raise _Unsearchable("it is a damaged zip file") from None
    for member in archive.infolist():
        if member.flag_bits & 1:
            raise _Unsearchable("it is an encrypted zip file")
        if member.compress_type not in METHODS:
            raise _Unsearchable("it is a zip file packed in an unusual way")
        yield _unzipped(archive, member)


def _unzipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except DAMAGED:
        raise _Unsearchable("it is a damaged zip file") from None
