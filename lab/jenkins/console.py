"""Puts a build's log together from the pieces that Jenkins gives out. No I/O.

Source: the recorded answers of ``logText/progressiveText`` (2.528.2). X-Text-Size counts the
bytes of the raw log, where lines end in LF; the body has CRLF instead. So the next piece
begins at X-Text-Size, never at the body's length. Hidden notes (``ESC[8mha:…ESC[0m``) stand in
it, which the log as a page or as text does not show. A piece may end anywhere: in a line, a
note, a character.
"""

from __future__ import annotations

import re

#: ConsoleNote's preamble and postamble; between them base64 (Jenkins writes them in one line).
_NOTE = re.compile(rb"\x1b\[8mha:[^\x1b\n]*\x1b\[0m")
#: A line that does not end is given out all the same from this length on.
LONGEST_LINE = 1024 * 1024


class PieceCutOff(ValueError):
    """The body is shorter than Jenkins says; ask for the same piece again."""


class ConsoleLog:
    """The log up to `offset`, the next byte to ask for. Gives out whole lines, each once."""

    def __init__(self) -> None:
        self.offset = 0
        self._rest = b""

    def feed(self, size: int, body: bytes) -> str:
        """Take the answer to ``start=offset``: X-Text-Size and the body; returns what is new.

        A log that is shorter than what was read already (Jenkins lost its end in a crash) comes
        whole: nothing of it is new. Raises `PieceCutOff`.
        """
        if size < self.offset:
            self.offset, self._rest = size, b""
            return ""
        raw = size - self.offset
        if raw > len(body):
            raise PieceCutOff(f"{len(body)} bytes of a piece of {raw}")
        self.offset = size
        # As long as the log itself: its own lines end in CRLF, nothing was put in.
        self._rest += body if raw == len(body) else body.replace(b"\r\n", b"\n")
        whole, newline, self._rest = self._rest.rpartition(b"\n")
        if not newline and len(self._rest) > LONGEST_LINE:
            whole, self._rest = self._rest, b""
        return _text(whole + newline)

    def finish(self) -> str:
        """The last line, which has no end."""
        rest, self._rest = self._rest, b""
        return _text(rest)


def _text(lines: bytes) -> str:
    return _NOTE.sub(b"", lines).decode("utf-8", "replace")
