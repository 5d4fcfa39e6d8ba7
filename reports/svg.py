"""The elements of which plots and maps are drawn, as SVG in a page; everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable

from reports.page import Html, html


def drawing(width: int, height: int, label: str, parts: Iterable[str]) -> Html:
    """The whole, as an element of a page; ``label`` is what it is to who does not see it."""
    return Html(
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{html(label)}" font-family="sans-serif">\n' + "\n".join(parts) + "\n</svg>"
    )


def box(left: float, top: float, wide: float, tall: float, colour: str) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(wide, 0.3):.1f}" height="{tall:.1f}" '
        f'fill="{colour}"/>'
    )


def text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="11">{html(words)}</text>'


def titled(title: str, parts: Iterable[str]) -> str:
    """Parts that show ``title`` under a mouse."""
    return f"<g><title>{html(title)}</title>{''.join(parts)}</g>"
