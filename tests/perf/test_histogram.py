"""The latency histogram against exact figures, and against hdrhistogram as the oracle."""

import json
import math
import platform

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.histogram import HIGHEST_US, LOWEST_US, RELATIVE_ERROR, Histogram

PERCENTS = (0, 0.1, 1, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100)

latencies = st.floats(min_value=LOWEST_US, max_value=HIGHEST_US, exclude_max=True)
any_finite = st.floats(
    min_value=-1e12, max_value=1e12, allow_nan=False, allow_infinity=False
) | st.sampled_from([0.0, -0.0, 5e-324, LOWEST_US, HIGHEST_US, 1e300])


def of(values: list[float]) -> Histogram:
    histogram = Histogram()
    histogram.record_batch(values)
    return histogram


def exact(values: list[float], percent: float) -> float:
    """Nearest rank, by sorting and by integers (percent has two decimals at most)."""
    rank = -(-round(percent * 100) * len(values) // 10_000)
    return sorted(values)[max(rank, 1) - 1]


@given(st.lists(latencies, min_size=1, max_size=300), st.sampled_from(PERCENTS))
def test_percentiles_are_within_the_error_of_the_exact_ones(
    values: list[float], percent: float
) -> None:
    found = of(values).percentile(percent)
    assert found == pytest.approx(exact(values, percent), rel=RELATIVE_ERROR * 1.001)


@given(st.lists(any_finite, min_size=1, max_size=100))
def test_nothing_is_dropped(values: list[float]) -> None:
    histogram = of(values)
    inside = [value for value in values if LOWEST_US <= value < HIGHEST_US]
    assert histogram.count == len(values)
    assert histogram.below == sum(value < LOWEST_US for value in values)
    assert histogram.above == sum(value >= HIGHEST_US for value in values)
    assert histogram.below + histogram.above + len(inside) == len(values)
    assert (histogram.min, histogram.max) == (min(values), max(values))
    assert histogram.mean == pytest.approx(math.fsum(values) / len(values), rel=1e-9, abs=1e-3)
    for percent in PERCENTS:
        assert min(values) <= histogram.percentile(percent) <= max(values)


@given(st.lists(any_finite, max_size=50), st.lists(any_finite, max_size=50))
def test_merged_is_as_recorded_into_one(some: list[float], others: list[float]) -> None:
    merged = of(some)
    merged.merge(of(others))
    together = of(some + others)
    assert merged.to_json()["buckets"] == together.to_json()["buckets"]
    assert merged.count == together.count
    if merged.count:
        assert (merged.min, merged.max) == (together.min, together.max)


@given(st.lists(any_finite, min_size=1, max_size=50))
def test_one_by_one_is_as_a_batch(values: list[float]) -> None:
    single = Histogram()
    for value in values:
        single.record(value)
    assert single.to_json()["buckets"] == of(values).to_json()["buckets"]


@given(st.lists(any_finite, max_size=50))
def test_json_there_and_back(values: list[float]) -> None:
    histogram = of(values)
    assert Histogram.from_json(json.loads(json.dumps(histogram.to_json()))) == histogram


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another"},
        {"count": 7},
        {"buckets": [[-1, 3]]},
        {"buckets": [[10**9, 3]]},
        {"buckets": [[5, -3]]},
        {"buckets": "no"},
        {"min": None},
    ],
)
def test_damaged_json_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="histogram"):
        Histogram.from_json({**of([1.0, 2.0, 3.0]).to_json(), **change})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_batch_with_what_is_no_latency_is_refused_whole(value: float) -> None:
    histogram = of([5.0])
    with pytest.raises(ValueError, match="finite"):
        histogram.record_batch([1.0, value, 2.0])
    assert histogram == of([5.0])


def test_an_empty_one_has_no_figures() -> None:
    for figure in (lambda h: h.min, lambda h: h.mean, lambda h: h.percentile(50)):
        with pytest.raises(ValueError, match="nothing was recorded"):
            figure(Histogram())


def test_a_rank_is_not_lost_to_rounding() -> None:
    assert of([float(n) for n in range(1, 1001)]).percentile(99.9) == pytest.approx(999, rel=3e-4)


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="hdrhistogram has wheels for x86-64 only"
)
@pytest.mark.parametrize("seed", range(3))
def test_hdrhistogram_agrees(seed: int) -> None:
    from hdrh.histogram import HdrHistogram

    numbers = np.random.default_rng(seed)
    values = np.floor(numbers.lognormal(7, 1.5, 20_000)) + 1
    oracle = HdrHistogram(1, int(HIGHEST_US), 4)
    for value in values:
        oracle.record_value(int(value))
    histogram = of(values.tolist())
    assert histogram.count == oracle.get_total_count()
    assert histogram.mean == pytest.approx(oracle.get_mean_value(), rel=1e-4)
    for percent in (1, 10, 50, 90, 95, 99, 99.9, 100):
        # Four significant digits of its own, and what we allow ourselves.
        expected = oracle.get_value_at_percentile(percent)
        assert histogram.percentile(percent) == pytest.approx(expected, rel=1e-4 + RELATIVE_ERROR)
