"""XML from outside, whoever wrote it: bounded, and without entities. Standard library only.

A document type is refused: that is where entities come from, and nothing that is read here has one.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

#: How deep a document may be nested, and how many elements it may have, unless said.
LEVELS = 64
ELEMENTS = 1_000_000


class XmlRefused(ValueError):
    """The document is no XML, or none that is read here; the text says why and where."""


def parse(
    data: bytes, *, levels: int = LEVELS, elements: int = ELEMENTS, encoding: str | None = None
) -> Element:
    """The root of a document. Raises `XmlRefused`.

    ``encoding``: of ``data``, whatever the document declares.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(encoding)
    depth = count = 0

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > levels or count > elements:
            raise XmlRefused(f"XML with more than {levels} levels or {elements} elements")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise XmlRefused("XML with a document type declaration")

    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except XmlRefused:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise XmlRefused(f"not well-formed XML: {error}") from None
    root: Element = builder.close()
    return root
