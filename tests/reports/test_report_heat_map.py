"""The heat map: every cell where its row and column meet, and what a mouse shows there."""

from __future__ import annotations

from xml.etree import ElementTree

from reports.heat_map import Cell, Row, heat_map

COLUMNS = [("os", "OS-01"), ("os", "OS-02"), ("paas", "PAAS-01")]


def boxes(drawn: str) -> dict[str, tuple[float, float]]:
    """What a mouse shows → where the box is."""
    found = {}
    for group in ElementTree.fromstring(drawn).iter("g"):
        title, box = group
        found[str(title.text)] = (float(box.attrib["x"]), float(box.attrib["y"]))
    return found


def test_a_cell_stands_in_its_row_and_its_column() -> None:
    rows = [
        Row("one", {"OS-01": Cell("#111", "a"), "PAAS-01": Cell("#222", "b")}, frozenset()),
        Row("two", {"OS-01": Cell("#333", "c")}, frozenset()),
    ]
    found = boxes(heat_map("a map", COLUMNS, rows))
    a, b, c = (found[f"{where}"] for where in ("one, OS-01: a", "one, PAAS-01: b", "two, OS-01: c"))
    assert (a[1] == b[1], a[0] == c[0]) == (True, True)
    assert (b[0] > a[0], c[1] > a[1]) == (True, True)


def test_shades_are_one_box_for_each_stretch() -> None:
    row = Row("one", {}, frozenset({"OS-01", "OS-02"}))
    gap = Row("two", {}, frozenset({"OS-01", "PAAS-01"}))
    empty = heat_map("a map", COLUMNS, [Row("one", {}, frozenset())])
    assert heat_map("a map", COLUMNS, [row]).count("<rect") == empty.count("<rect") + 1
    assert heat_map("a map", COLUMNS, [gap]).count("<rect") == empty.count("<rect") + 2


def test_names_are_text_and_no_markup() -> None:
    rows = [Row("<b>&", {"OS-01": Cell("#111", "</svg><script>")}, frozenset())]
    drawn = heat_map('"a" <map>', COLUMNS, rows)
    assert "<script>" not in drawn
    assert list(boxes(drawn)) == ["<b>&, OS-01: </svg><script>"]
