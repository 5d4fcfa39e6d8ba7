"""Tars' configuration language: domains ``<name> … </name>`` of lines ``key = value``.

A server's profile is its template joined with its parents, then with what it has of its own.
Source: profiles and merged profiles recorded from TarsWeb 3.0.15 and tarsAdminRegistry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: A key has a text (None: the key stands alone), a domain has keys and domains, in order.
Domain = dict[str, "str | Domain | None"]

_INDENT = "  "
_MACRO = re.compile(r"\$\{(\w+)\}")


class BrokenProfile(Exception):
    """A text whose domains do not close as they open."""


def parse(text: str) -> Domain:
    """The text as a domain; raises `BrokenProfile`. Comments (``#``) are left out."""
    root: Domain = {}
    path: list[tuple[str, Domain]] = [("", root)]
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        inside = path[-1][1]
        if line.startswith("</"):
            name, _ = path.pop()
            if line != f"</{name}>" or not path:
                raise BrokenProfile(f"line {number}: {line} closes <{name}>")
        elif line.startswith("<"):
            name = line[1:].removesuffix(">")
            domain = inside.get(name)
            if not isinstance(domain, dict):
                domain = inside[name] = {}
            path.append((name, domain))
        else:
            key, equals, value = line.partition("=")
            inside[key.strip()] = value.strip() if equals else None
    if len(path) > 1:
        raise BrokenProfile(f"<{path[-1][0]}> does not close")
    return root


def join(base: Domain, upon: Domain) -> Domain:
    """``base`` with what ``upon`` says otherwise or in addition."""
    joined = dict(base)
    for name, value in upon.items():
        there = joined.get(name)
        joined[name] = (
            join(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
        )
    return joined


def render(domain: Domain, depth: int = 0) -> str:
    """A domain as text, as tarsAdminRegistry shows it."""
    indent = _INDENT * depth
    parts = []
    for name, value in domain.items():
        if isinstance(value, dict):
            inside = render(value, depth + 1)
            parts.append(f"{indent}<{name}>\n{inside}{indent}</{name}>\n")
        else:
            parts.append(f"{indent}{name}\n" if value is None else f"{indent}{name}={value}\n")
    return "".join(parts)


def fill(text: str, macros: Mapping[str, object]) -> str:
    """``text`` with each ``${name}`` that ``macros`` has replaced by its value."""
    return _MACRO.sub(lambda found: str(macros.get(found[1], found[0])), text)
