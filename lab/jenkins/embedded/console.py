"""A build's log: a file that grows, and the three ways in which Jenkins shows it.

The file holds console notes (``ESC[8mha:…ESC[0m``), invisible markers that web pages turn
into links. ``logText/progressiveText`` sends them and ends lines with CRLF, while its offsets
count the bytes of the file; ``consoleText`` leaves both out.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

_NOTE = re.compile(rb"\x1b\[8mha:[^\x1b]*\x1b\[0m")
#: What stands where Jenkins puts a serialised, signed annotation.
NOTE = b"\x1b[8mha:////" + base64.b64encode(b"a note of the embedded Jenkins") + b"\x1b[0m"


class Console:
    """The log of one build. ``secrets`` are masked in what is written from then on."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab", buffering=0)
        self._secrets: list[bytes] = []
        self._held = b""

    def mask(self, secret: str) -> None:
        if secret:
            self._secrets = sorted([*self._secrets, secret.encode()], key=len, reverse=True)

    def write(self, data: bytes) -> None:
        """Append output; nothing once it is closed.

        While there are secrets to mask, an unfinished line is held back.
        """
        if self._file.closed:
            return
        if not self._secrets:
            self._file.write(data)
            return
        whole, newline, self._held = (self._held + data).rpartition(b"\n")
        self._file.write(self._masked(whole + newline))

    def line(self, text: str) -> None:
        self.flush()
        self._file.write(self._masked(text.encode()) + b"\n")

    def flush(self) -> None:
        self._file.write(self._masked(self._held))
        self._held = b""

    def close(self) -> None:
        self.flush()
        self._file.close()

    def _masked(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, b"****")
        return data


def progressive(file: Path, start: int) -> tuple[bytes, int]:
    """What progressiveText sends from ``start`` on, and the file's size.

    Beyond the end: the whole log. Negative: nothing.
    """
    raw = file.read_bytes() if file.exists() else b""
    if start > len(raw):
        start = 0
    part = b"" if start < 0 else raw[start:]
    return part.replace(b"\n", b"\r\n"), len(raw)


def plain(file: Path) -> bytes:
    """What consoleText sends."""
    return _NOTE.sub(b"", file.read_bytes() if file.exists() else b"")
