"""Text from outside (reasons, titles) made fit for terminals, XML and one-line tables."""

from __future__ import annotations

import re

# Everything that XML 1.0 forbids (its production Char), every control character (a terminal
# would obey it) and the marks that turn the direction of the text around them.
_UNFIT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
# A terminal's colours and cursor movements, whole: without them the text reads as it was meant.
_ANSI = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)")


def lab_words(lab: str, profile: str) -> str:
    """A lab's name; of one that the suite made, what it is as well: every report must tell."""
    if profile != "embedded":
        return lab
    return f"{lab} ({'deep' if lab == 'deep' else 'embedded'} lab)"


def printable(text: str) -> str:
    """``text`` without escape sequences; other unfit characters become U+FFFD.

    Line breaks and tabs stay.
    """
    plain = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNFIT.sub("\ufffd", plain)


def one_line(text: str) -> str:
    """``printable`` text on one line, its white space folded."""
    return " ".join(printable(text).split())
