"""What a command writes: its tail in memory, all of it in a file when it is too much."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab.host.base import KEEP_BYTES
from lab.secrets import redactor

#: How much is gathered before a piece goes to the file.
_PIECE = 64 * 1024


class Output:
    """One stream of one command; at most two times `KEEP_BYTES` are ever held.

    Without an ``overflow`` directory, what is older than the last `KEEP_BYTES` is lost.
    The file is redacted: it may lie in a run directory.
    """

    def __init__(self, overflow: Path | None, host: str, stream: str) -> None:
        self._overflow = overflow
        self._names = f"{host}-", f".{stream}"
        self._tail = bytearray()
        self._file: _RedactedFile | None = None
        self._whole = True

    def write(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._tail += data
        if self._file is not None:
            self._file.write(data)
        elif self._overflow is not None and self._whole and len(self._tail) > KEEP_BYTES:
            self._file = _RedactedFile(self._overflow, *self._names)
            self._file.write(bytes(self._tail))
        if len(self._tail) > 2 * KEEP_BYTES:
            self._whole = False
            del self._tail[:-KEEP_BYTES]

    def close(self) -> tuple[bytes, Path | None]:
        """The last `KEEP_BYTES`, and the file of the whole stream when it is longer."""
        path = self._file.close() if self._file is not None else None
        return bytes(self._tail[-KEEP_BYTES:]), path


class _RedactedFile:
    """A file without secrets, though they arrive cut into pieces at any place."""

    def __init__(self, directory: Path, prefix: str, suffix: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=directory, prefix=prefix, suffix=suffix)
        self._path = Path(name)
        self._file = open(descriptor, "wb")  # noqa: SIM115, PTH123 (closed by close())
        self._pending = b""

    def write(self, data: bytes) -> None:
        self._pending += data
        held_back = redactor.longest
        if len(self._pending) > held_back + _PIECE:
            # A secret whose end has not come yet begins in what is held back.
            clean = redactor.data(self._pending)
            cut = len(clean) - held_back
            self._file.write(clean[:cut])
            self._pending = clean[cut:]

    def close(self) -> Path:
        self._file.write(redactor.data(self._pending))
        self._file.close()
        return self._path
