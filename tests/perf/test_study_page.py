"""The page and the plots of a load study."""

from __future__ import annotations

from html.parser import HTMLParser

from perf import plots
from perf.knee import search
from perf.load import Second
from perf.study import Objective, Study, missed
from pipeline.study_page import as_html
from tests.perf.windows import window

SLO = (Objective.parse("p99 <= 5000 us"), Objective.parse("rate >= 10 calls/s"))
SERIES = (Second(100, 0, 900.0, 1_100.0), Second(0, 3, None, None), Second(90, 1, 800.0, 2_000.0))


class Page(HTMLParser):
    """What a page has: its tags, its text, and what it would load."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.loaded: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [v for k, v in attrs if k in ("src", "xlink:href") and v[:1] != "#"]

    def handle_data(self, data):
        self.text += data


def study(**changes) -> Study:
    windows = []

    def measure(rate):
        windows.append(window(rate, latency_us=1_000 if rate < 900 else 9_000, series=SERIES))
        return windows[-1]

    knee = search(measure, lambda w: missed(SLO, w), lowest=100, highest=10_000)
    return Study("<echo>", "2026-01-01T00:00:00", SLO, tuple(windows), knee, {"TCP no-delay": "on"})


def test_the_page_stands_alone_and_tells_what_was_learned():
    page = Page(as_html(study(), [("p99", "1", "2", "0 to 3", "noise")]))
    assert "script" not in page.tags
    assert page.loaded == []
    assert page.tags.count("svg") == 3
    assert "echo" not in page.tags
    for told in ("<echo>", "calls/s keep the SLO", "p99.99 (us)", "TCP no-delay", "noise", "kept"):
        assert told in page.text, told


def test_a_study_without_a_valid_window_says_so():
    spoilt = Study("echo", "2026", SLO, (window(10, valid=False),))
    page = Page(as_html(spoilt))
    assert "0 of 1 windows" in page.text
    assert "no window was valid" in page.text
    assert "svg" not in page.tags


def test_pictures_are_png_and_always_the_same():
    drawn = study()
    for make in (
        lambda kind: plots.distribution(drawn.valid, kind),
        lambda kind: plots.curve(drawn.knee, kind),
        lambda kind: plots.series(drawn.windows[0], kind),
    ):
        assert make("png").startswith(b"\x89PNG")
        assert make("png") == make("png")
    assert plots.distribution([], "png").startswith(b"\x89PNG")
