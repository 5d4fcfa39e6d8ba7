"""The two ways in which Jenkins writes XML from outside back.

A document that was posted is stored as it is, written anew by Java's identity transform
(`as_posted`). `saved` has what Jenkins' own serialiser, XStream, would write.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

_XML_1_0 = '<?xml version="1.0" encoding="UTF-8"?>'
_BEYOND_BMP = 0xFFFF


def as_posted(root: Element) -> str:
    """The document as GET shows it right after a POST: content and order as they came."""
    return _XML_1_0 + _plain(root)


def _plain(element: Element) -> str:
    attributes = "".join(f' {k}="{_attribute(v)}"' for k, v in element.attrib.items())
    inner = _text(element.text or "") + "".join(
        _plain(child) + _text(child.tail or "") for child in element
    )
    return (
        f"<{element.tag}{attributes}>{inner}</{element.tag}>"
        if inner
        else (f"<{element.tag}{attributes}/>")
    )


def _text(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(c if ord(c) <= _BEYOND_BMP else f"&#{ord(c)};" for c in escaped)


def _attribute(text: str) -> str:
    return _text(text).replace('"', "&quot;")


def indented(root: Element, *, prolog: str) -> str:
    """A document in XStream's form: two blanks a level, no text between elements.

    A leaf whose text is the empty string stands as ``<a></a>``, one without text as ``<a/>``.
    """
    return f"{prolog}\n" + "\n".join(_lines(root, ""))


def _lines(element: Element, indent: str) -> list[str]:
    attributes = "".join(f' {k}="{_quoted(v)}"' for k, v in element.attrib.items())
    if len(element):
        inner = [line for child in element for line in _lines(child, indent + "  ")]
        return [f"{indent}<{element.tag}{attributes}>", *inner, f"{indent}</{element.tag}>"]
    if element.text is None:
        return [f"{indent}<{element.tag}{attributes}/>"]
    return [f"{indent}<{element.tag}{attributes}>{_quoted(element.text)}</{element.tag}>"]


def _quoted(text: str) -> str:
    return _text(text).replace('"', "&quot;").replace("'", "&apos;")
