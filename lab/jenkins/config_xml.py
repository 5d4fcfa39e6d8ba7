"""Reads a job's config.xml safely, whoever wrote it: no entities, limits on size and depth.

Jenkins writes XML 1.1 once it has saved a job. Python's expat reads that, but for control
characters, which 1.1 allows as references (``&#27;``) and 1.0 does not: they travel through
it in the clothes of private characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

#: Far above any job's; a bigger document is refused before it is parsed.
MOST_BYTES = 4 * 1024 * 1024
MOST_ELEMENTS = 100_000
DEEPEST = 64

_CONTROL = re.compile(r"&#(?:x0*(?P<hex>[0-9a-fA-F]{1,2})|0*(?P<dec>[0-9]{1,2}));")
_ALLOWED_IN_1_0 = (0x9, 0xA, 0xD)
#: Where control characters stay while expat reads: the end of the last private plane.
_PRIVATE = 0x10FF00
_DISGUISED = re.compile(f"[{chr(_PRIVATE + 1)}-{chr(_PRIVATE + 0x1F)}]")


class XmlRefused(ValueError):
    """The document is no XML, or none that is read here; the text says why and where."""


@dataclass(frozen=True)
class Element:
    """An element; ``text`` is what stands before its first child, as it stands there."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: tuple[Element, ...] = ()

    def child(self, tag: str) -> Element | None:
        """The first child of that tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def find(self, path: str) -> Element | None:
        """The element that is reached by going down ``a/b/c``."""
        found: Element | None = self
        for tag in path.split("/"):
            found = found.child(tag) if found else None
        return found


def parse(document: str) -> Element:
    """The root element of ``document``. Raises `XmlRefused`.

    The declared encoding is not looked at: ``document`` is decoded already.
    """
    raw = _disguise(document).encode("utf-8", "surrogatepass")
    if len(raw) > MOST_BYTES:
        raise XmlRefused(f"{len(raw)} bytes; at most {MOST_BYTES} are read")
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise XmlRefused(f"not well-formed: {error}") from None
    return builder.root()


def _refuse_doctype(*_: object) -> None:
    raise XmlRefused("it has a document type, which Jenkins never writes")


def _disguise(document: str) -> str:
    """Swap references to control characters, which only XML 1.1 allows."""
    if not re.match(r"""\s*<\?xml\s+version=["']1\.1["']""", document):
        return document

    def swap(match: re.Match[str]) -> str:
        code = int(match["hex"], 16) if match["hex"] else int(match["dec"])
        hidden = 0 < code < 0x20 and code not in _ALLOWED_IN_1_0
        return chr(_PRIVATE + code) if hidden else match[0]

    return _CONTROL.sub(swap, document)


def _reveal(text: str) -> str:
    return _DISGUISED.sub(lambda match: chr(ord(match[0]) - _PRIVATE), text)


@dataclass
class _Open:
    tag: str
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)


class _Builder:
    """Makes elements of expat's events."""

    def __init__(self) -> None:
        self._open: list[_Open] = [_Open("", {})]
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > DEEPEST:
            raise XmlRefused(f"elements lie deeper than {DEEPEST}")
        if self._count > MOST_ELEMENTS:
            raise XmlRefused(f"more than {MOST_ELEMENTS} elements")
        self._open.append(_Open(tag, attributes))

    def data(self, text: str) -> None:
        if not self._open[-1].children:
            self._open[-1].text.append(text)

    def end(self, _tag: str) -> None:
        done = self._open.pop()
        text = _reveal("".join(done.text))
        if done.children and not text.strip():
            text = ""  # the indentation before the first child
        element = Element(done.tag, done.attributes, text, tuple(done.children))
        self._open[-1].children.append(element)

    def root(self) -> Element:
        return self._open[0].children[0]
