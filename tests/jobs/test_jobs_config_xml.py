"""XML from outside: what is read, and what is refused before it does harm."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.guarded_xml import LEVELS, XmlRefused
from lab.jenkins.config_xml import MOST_BYTES, MOST_ELEMENTS, parse

BOMB = """<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>"""


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (BOMB, "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "document type"),
        ("<a>&x;</a>", "not well-formed XML: undefined entity"),
        ("<a" + "><a" * LEVELS + "/>" + "</a>" * LEVELS, "levels"),
        ("<a>" + "<b/>" * MOST_ELEMENTS + "</a>", "more than"),
        ("<a>" + " " * MOST_BYTES + "</a>", "at most"),
        ("", "not well-formed"),
        ("<a>", "not well-formed"),
        ("<a/><b/>", "not well-formed"),
        ("<a>\udc80</a>", "not well-formed"),
        ("<?xml version='1.0'?><a>&#27;</a>", "not well-formed"),
        ("<?xml version='1.1'?><a>&#0;</a>", "not well-formed"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_what_is_refused(document: str, says: str) -> None:
    with pytest.raises(XmlRefused, match=says):
        parse(document)


def test_xml_1_1_may_name_control_characters() -> None:
    root = parse(
        "<?xml version='1.1' encoding='UTF-8'?>\n<a>\N{PILE OF POO}&#x1b;[8m&#7;&#9;b&#10;</a>"
    )
    assert root.text == "\N{PILE OF POO}\x1b[8m\x07\tb\n"


def test_indentation_is_no_text() -> None:
    root = parse("<a>\n  <b> x </b>\n  <c/>\n</a>")
    assert root.text == ""
    assert [(child.tag, child.text) for child in root.children] == [("b", " x "), ("c", "")]


@given(st.text() | st.text(alphabet="<>/ab&#;x0!?'\"= \n").map(lambda text: f"<a>{text}</a>"))
def test_whatever_comes_is_read_or_refused(document: str) -> None:
    with contextlib.suppress(XmlRefused):
        assert parse(document).tag
