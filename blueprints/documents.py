"""Documents of other programs, parsed: bounded, and never obeyed."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from blueprints import guarded_xml
from blueprints.errors import Unacceptable


def parse_json(data: bytes) -> Any:
    """A JSON document. Raises `Unacceptable`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        says = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Unacceptable(f"not valid JSON: {says}") from None


def parse_xml(data: bytes) -> ElementTree.Element:
    """An XML document's root, without entities. Raises `Unacceptable`."""
    try:
        return guarded_xml.parse(data)
    except guarded_xml.XmlRefused as error:
        raise Unacceptable(str(error)) from None
