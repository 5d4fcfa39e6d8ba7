"""Reads a job's config.xml safely, whoever wrote it: no entities, limits on size and depth.

Jenkins writes XML 1.1 once it has saved a job. Python's expat reads that, but for control
characters, which 1.1 allows as references (``&#27;``) and 1.0 does not: they travel through
it in the clothes of private characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

from blueprints import guarded_xml
from blueprints.guarded_xml import XmlRefused

#: Far above any job's; a bigger document is refused before it is parsed.
MOST_BYTES = 4 * 1024 * 1024
MOST_ELEMENTS = 100_000

_CONTROL = re.compile(r"&#(?:x0*(?P<hex>[0-9a-fA-F]{1,2})|0*(?P<dec>[0-9]{1,2}));")
_ALLOWED_IN_1_0 = (0x9, 0xA, 0xD)
#: Where control characters stay while expat reads: the end of the last private plane.
_PRIVATE = 0x10FF00
_DISGUISED = re.compile(f"[{chr(_PRIVATE + 1)}-{chr(_PRIVATE + 0x1F)}]")


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
    return _plain(guarded_xml.parse(raw, elements=MOST_ELEMENTS, encoding="utf-8"))


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


def _plain(element: ElementTree.Element) -> Element:
    children = tuple(_plain(child) for child in element)
    text = _reveal(element.text or "")
    if children and not text.strip():
        text = ""  # the indentation before the first child
    return Element(element.tag, element.attrib, text, children)
