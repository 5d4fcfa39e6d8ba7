"""From a `.tars` file's text to its tokens.

Source: TarsCpp's ``tools/tarsgrammar/tars.l``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from lab.tars.idl.syntax import IdlError, Place

Kind = Literal["word", "integer", "float", "string", "symbol", "include", "end"]

_TOKEN = re.compile(
    r"""
      (?P<space>    [ \t\r\n\f\v]+ )
    | (?P<comment>  //[^\n]* | /\*.*?\*/ )
    | (?P<include>  \#include[ \t]*"(?P<file>[^"\n]*)" )
    | (?P<float>    [+-]?(?:[0-9]*\.[0-9]+|[0-9]+\.)(?:[eE][+-]?[0-9]+)?[fF]?
                  | [+-]?[0-9]+[eE][+-]?[0-9]+[fF]? )
    | (?P<integer>  [+-]?(?:0[xX][0-9A-Fa-f]+|[0-9]+) )
    | (?P<word>     [A-Za-z_][A-Za-z0-9_]* )
    | (?P<string>   "(?:\\[^\n]|[^"\\\n])*" )
    | (?P<symbol>   :: | [{}()\[\]<>,;:=*] )
    """,
    re.VERBOSE | re.DOTALL,
)

_LONG = range(-(2**63), 2**63)

_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{0,2})|x([0-9A-Fa-f]+)|(.))")
_ESCAPES = {
    "n": "\n", "r": "\r", "t": "\t", "v": "\v", "f": "\f", "a": "\a", "b": "\b",
    "?": "?", "\\": "\\", '"': '"', "'": "'",
}  # fmt: skip


@dataclass(frozen=True)
class Token:
    """``value`` is the number or string that ``text`` writes, an include's file, else the text.

    ``comment`` is what stands in comments right before it.
    """

    kind: Kind
    text: str
    value: int | float | str
    place: Place
    comment: str = ""

    def __str__(self) -> str:
        return "the end of the file" if self.kind == "end" else repr(self.text)


def tokens(text: str, file: str) -> Iterator[Token]:
    """The tokens of ``text``, an "end" last; raises `IdlError`."""
    position, line, line_start = 0, 1, 0
    comment: list[str] = []
    while position < len(text):
        place = Place(file, line, position - line_start + 1)
        found = _TOKEN.match(text, position)
        if found is None:
            raise _no_token(text, position, place)
        group, written = str(found.lastgroup), found.group()
        if group == "comment":
            comment.append(_words_of(written))
        elif group == "space":
            if written.count("\n") > 1:
                comment.clear()  # a blank line parts a comment from what follows
        else:
            value = _value(group, found, place)
            yield Token(cast("Kind", group), written, value, place, "\n".join(comment))
            comment.clear()
        position = found.end()
        if newlines := written.count("\n"):
            line += newlines
            line_start = found.start() + written.rindex("\n") + 1
    yield Token("end", "", "", Place(file, line, position - line_start + 1))


def _no_token(text: str, position: int, place: Place) -> IdlError:
    if text.startswith("/*", position):
        return IdlError(place, "a comment has no end", expected="*/")
    if text.startswith('"', position):
        return IdlError(place, "a string has no end", expected='" on the same line')
    if text.startswith("#include", position):
        return IdlError(place, "an include names no file", expected='#include "FILE.tars"')
    return IdlError(place, "no `.tars` file has this character", found=repr(text[position]))


def _value(group: str, found: re.Match[str], place: Place) -> int | float | str:
    written = found.group()
    if group == "integer":
        return _integer(written, place)
    if group == "float":
        return _float(written, place)
    if group == "string":
        return _string(written[1:-1], place)
    return found["file"] if group == "include" else written


def _integer(written: str, place: Place) -> int:
    digits = written.lstrip("+-")
    try:
        # As strtoll with base 0 reads it: a leading 0 is octal.
        base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") else 10
        number = int(written, base)
    except ValueError as error:
        raise IdlError(place, "no whole number", found=written[:40], expected=str(error)) from None
    if number not in _LONG:
        raise IdlError(place, "a number does not fit in 64 bits", found=written[:40])
    return number


def _float(written: str, place: Place) -> float:
    number = float(written.rstrip("fF"))
    if number in (float("inf"), float("-inf")):
        raise IdlError(place, "a number is too large for a double", found=written[:40])
    return number


def _string(written: str, place: Place) -> str:
    """What the literal means; octal and hex escapes are bytes, the whole is UTF-8."""

    def meant(escape: re.Match[str]) -> str:
        octal, hexadecimal, character = escape.groups()
        if character is not None:
            if character not in _ESCAPES:
                raise IdlError(place, "a string has an unknown escape", found=escape.group())
            return _ESCAPES[character]
        code = int(octal, 8) if octal is not None else int(hexadecimal, 16)
        if not 0 < code < 256:
            raise IdlError(
                place, "an escape is no byte", found=escape.group()[:20], expected="1 to 255"
            )
        return bytes([code]).decode("utf-8", "surrogateescape")

    text = _ESCAPE.sub(meant, written)
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        raise IdlError(place, "a string is not UTF-8", found=ascii(text[:40])) from None


def _words_of(comment: str) -> str:
    comment = comment.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if comment.startswith("//"):
        return comment[2:].strip(" /!<\t\r")
    lines = (line.strip().removeprefix("*").strip() for line in comment[2:-2].splitlines())
    return "\n".join(line for line in lines if line.strip("*"))
