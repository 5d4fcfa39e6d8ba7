"""HTML pages that stand alone: one file, no script, nothing loaded, everything escaped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from reports.text import one_line

#: State → the colour in which plots and pages show it; no two are alike to anybody.
COLOURS = {
    "PASS": "#2f9e6e",
    "FAIL": "#c92a2a",
    "ERROR": "#862e9c",
    "SKIP": "#e0b000",
    "NONE": "#868e96",
}

_STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; color: #222; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; margin-top: 2em; } h3 { font-size: 1em; }
table { border-collapse: collapse; } caption { text-align: left; }
th, td { border: 1px solid #ccc; padding: .25em .6em; text-align: left; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
p.bad { color: #a00; font-weight: bold; } p.good { color: #060; font-weight: bold; }
figure { margin: 1em 0; } figcaption { color: #444; } svg { max-width: 100%; height: auto; }
td.worse { background: #fdd; } td.better { background: #dfd; } td.moved { background: #ffd; }
""" + "".join(f"td.{state} {{ color: {colour}; }}\n" for state, colour in COLOURS.items())


class Html(str):
    """Text that is HTML already; any other is escaped where it enters a page."""

    __slots__ = ()


def html(text: str) -> Html:
    """``text`` from anywhere as HTML, on one line."""
    return text if isinstance(text, Html) else Html(escape(one_line(text)))


def page(title: str, parts: Iterable[str]) -> bytes:
    """A whole document; ``parts`` are what stands below its heading."""
    body = "\n".join(map(html, parts))
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f"<title>{html(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html(title)}</h1>\n{body}\n</body>\n</html>\n"
    ).encode()


def tag(name: str, text: str, **attributes: str) -> Html:
    """An element; ``class_`` is its class."""
    told = "".join(f' {key.rstrip("_")}="{html(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{told}>{html(text)}</{name}>")


def cell(text: str, class_: str = "") -> Html:
    return tag("td", text, class_=class_) if class_ else tag("td", text)


def number(text: str) -> Html:
    """A table's cell with a figure."""
    return cell(text, "number")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table; what is no `cell` yet becomes one."""
    lines = ["<table>", "<tr>" + "".join(tag("th", name) for name in head) + "</tr>"]
    lines += ["<tr>" + "".join(map(_as_cell, row)) + "</tr>" for row in rows]
    return Html("\n".join([*lines, "</table>"]))


def _as_cell(text: str) -> str:
    return text if isinstance(text, Html) and text.startswith("<td") else cell(text)


def listing(sentences: Iterable[str]) -> Html:
    return Html("<ul>" + "".join(tag("li", sentence) for sentence in sentences) + "</ul>")


def link(text: str, target: Path, page_directory: Path) -> Html:
    """A link to a file, relative to where the page lies."""
    return tag("a", text, href=quote(os.path.relpath(target, page_directory)))
