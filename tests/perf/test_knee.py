"""The search for the highest rate that keeps the SLO, on servers whose knee is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.knee import search
from perf.study import Objective, Study, missed
from tests.perf.windows import window

SLO = (Objective.parse("p99 <= 5000 us"), Objective.parse("failures <= 0.1 %"))


def server(capacity: float, *, generator: float = float("inf")):
    """Answers in 1 ms up to its capacity, then late; no generator presses above ``generator``."""

    def measure(rate):
        latency = 1_000 if rate <= capacity else 50_000
        return window(rate, latency_us=latency, valid=rate <= generator)

    return measure


@given(st.floats(150, 90_000))
def test_it_finds_the_knee_within_its_precision(capacity):
    knee = search(server(capacity), lambda w: missed(SLO, w), lowest=100, highest=100_000)
    assert knee.stopped_by == "slo"
    assert capacity / 1.06 <= knee.best.rate <= capacity
    assert len(knee.steps) <= 20
    assert [s.rate for s in knee.curve] == sorted(s.rate for s in knee.steps)


def test_it_says_when_the_generator_is_the_limit():
    knee = search(
        server(50_000, generator=3_000), lambda w: missed(SLO, w), lowest=100, highest=100_000
    )
    assert knee.stopped_by == "generator"
    assert knee.best.rate == 1_600


def test_it_ends_at_the_highest_rate_that_is_asked_for():
    knee = search(server(50_000), lambda w: missed(SLO, w), lowest=1_000, highest=7_000)
    assert (knee.stopped_by, knee.best.rate) == ("highest", 7_000)


def test_a_system_that_never_keeps_it_has_no_knee():
    knee = search(server(10), lambda w: missed(SLO, w), lowest=100, highest=1_000)
    assert knee.best is None
    assert "p99" in knee.steps[0].missed


def test_falling_behind_is_a_miss_however_quick_the_answers():
    def measure(rate):
        return window(rate, answered=min(rate, 1_000), latency_us=100)

    knee = search(measure, lambda w: missed(SLO, w), lowest=100, highest=10_000)
    assert 950 <= knee.best.rate <= 1_030
    assert "answered 1000 calls/s of" in max(knee.steps, key=lambda s: s.rate).missed


def test_a_spoilt_window_is_measured_again():
    asked = []

    def measure(rate):
        asked.append(rate)
        return window(rate, latency_us=100, valid=len(asked) != 1)

    knee = search(measure, lambda w: missed(SLO, w), lowest=100, highest=100)
    assert asked == [100, 100]
    assert len(knee.steps) == 1


@pytest.mark.parametrize(("lowest", "highest"), [(0, 10), (10, 1), (-1, 1)])
def test_rates_that_make_no_search_are_refused(lowest, highest):
    with pytest.raises(ValueError, match="lowest to a highest"):
        search(server(1), lambda _: None, lowest=lowest, highest=highest)


@pytest.mark.parametrize("text", ["p98 <= 5 us", "p99 <= 5 ms", "p99 5", "rate", ""])
def test_an_objective_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        Objective.parse(text)


def test_a_study_survives_its_document():
    windows = []

    def measure(rate):
        windows.append(window(rate, latency_us=rate * 10, failures={"Refused: x": 1}))
        return windows[-1]

    knee = search(measure, lambda w: missed(SLO, w), lowest=100, highest=10_000)
    study = Study("echo", "2026-01-01T00:00:00", SLO, tuple(windows), knee, {"no-delay": "on"})
    again = Study.from_json(study.to_json())
    assert again.to_json() == study.to_json()
    assert again.knee.best.rate == knee.best.rate
    with pytest.raises(ValueError, match="schema"):
        Study.from_json({"schema": 0})
    with pytest.raises(ValueError, match="damaged"):
        Study.from_json({**study.to_json(), "windows": []})
