"""Load results: figures, validity, JSON; and how they are judged against the profile's limits."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from blueprints import model
from blueprints.evidence import CriterionFailed, Evidence, Recorder, Verdict, WindowSpoilt
from lab.errors import LabError
from perf import run
from perf.histogram import Histogram
from perf.load import (
    Conditions,
    GeneratorHealth,
    LoadPlan,
    LoadResult,
    plan_from_json,
    plan_to_json,
)
from perf.media_figures import MediaFigures
from perf.scenarios import SCENARIOS
from perf.use_cases import ALL

CRITERION = model.load().criterion("PAAS-20")
SCENARIO = SCENARIOS["PAAS-20"]
GOOD = GeneratorHealth(cpu_percent=20, oversleep_p99_us=300, oversleep_max_us=900)
BUSY = GeneratorHealth(cpu_percent=70.1, oversleep_p99_us=300, oversleep_max_us=900)
LATE = GeneratorHealth(cpu_percent=20, oversleep_p99_us=10_001, oversleep_max_us=20_000)


def result(
    latencies_us: list[float],
    failures: dict[str, int] | None = None,
    generator: GeneratorHealth = GOOD,
) -> LoadResult:
    histogram = Histogram()
    histogram.record_batch(latencies_us)
    return LoadResult(
        plan=LoadPlan(users=2, window_s=2, interval_s=0.1),
        conditions=Conditions(cores=2, machine="x86_64", body_bytes=18, connections=2),
        window_s=2.0,
        latencies=histogram,
        succeeded_in_window=len(latencies_us) - 1,
        failures=failures or {},
        generator=generator,
    )


class Replayed:
    """An engine that gives prepared results, one a run."""

    def __init__(self, *results: LoadResult | LabError) -> None:
        self.left = list(results)

    def run(self, plan: LoadPlan) -> LoadResult:
        assert plan == SCENARIO.plans["embedded"]
        given = self.left.pop(0)
        if isinstance(given, LabError):
            raise given
        return given


def judged(engine: Replayed) -> Evidence:
    evidence = Evidence(CRITERION, "embedded")
    run.judge(evidence, SCENARIO, engine)
    return evidence


def test_the_rate_counts_what_was_complete_within_the_window() -> None:
    found = result([100.0] * 41)
    assert found.rate == 20
    assert found.plan.offered_rate == 20
    assert found.succeeded == 41


def test_failures_are_a_share_of_what_began() -> None:
    found = result([100.0] * 6, {"a": 1, "b": 1})
    assert (found.began, found.failure_percent) == (8, 25)
    with pytest.raises(ValueError, match="nothing began"):
        _ = result([]).failure_percent


@pytest.mark.parametrize(("health", "says"), [(BUSY, "its core"), (LATE, "10001 us late")])
def test_a_generator_out_of_bounds_spoils_the_window(health: GeneratorHealth, says: str) -> None:
    found = result([1.0], generator=health)
    assert not found.window_valid
    assert says in found.spoilt_by[0]
    assert result([1.0]).window_valid


def test_json_there_and_back() -> None:
    found = result([5.0, 70.0], {"why": 2})
    assert LoadResult.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert plan_from_json(plan_to_json(found.plan)) == found.plan


@pytest.mark.parametrize("key", ["plan", "latencies", "failures", "generator"])
def test_damaged_json_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"load result|histogram"):
        LoadResult.from_json(result([5.0]).to_json() | {key: {"users": "many"}})


def test_within_its_limits_it_passes_with_figures_and_raw_evidence() -> None:
    evidence = judged(Replayed(result([900.0] * 99 + [40_000.0])))
    figures = {m.name: m for m in evidence.measurements}
    assert figures["rpc_p99"].value == pytest.approx(900, rel=3e-4)
    assert figures["rpc_p95"].met
    assert figures["rpc_max"].value == 40_000
    assert figures["rpc_failures"].value == 0
    assert (figures["rpc_rate"].value, figures["rpc_rate"].unit) == (49.5, "calls/s")
    assert {m.samples for m in evidence.measurements} == {100}
    raw, picture = evidence.attachments
    assert (raw.name, picture.name) == ("load-1.json", "distribution.png")
    assert picture.body.startswith(b"\x89PNG")
    assert LoadResult.from_json(json.loads(raw.body)).succeeded == 100
    assert Recorder("embedded").end(evidence, status="passed").verdict is Verdict.PASS


def test_a_missed_limit_fails_with_the_figure() -> None:
    with pytest.raises(CriterionFailed, match=r"under load: rpc_p95 is .* us, must be <= 50000 us"):
        judged(Replayed(result([60_000.0] * 100)))


def test_too_many_failures_fail_with_their_reasons() -> None:
    with pytest.raises(CriterionFailed, match=r"rpc_failures is .*no answer \(3 times\)"):
        judged(Replayed(result([900.0] * 100, {"no answer": 3})))


def test_no_success_at_all_fails() -> None:
    with pytest.raises(CriterionFailed, match="rpc_failures is 100 %"):
        judged(Replayed(result([], {"unanswered": 7})))


def test_a_spoilt_window_is_measured_again() -> None:
    evidence = judged(Replayed(result([1.0], generator=BUSY), result([2.0])))
    names = [a.name for a in evidence.attachments]
    assert names == ["load-1.json", "load-2.json", "distribution.png"]
    assert {m.window_valid for m in evidence.measurements} == {True}


def test_three_spoilt_windows_are_an_error_even_when_limits_were_missed() -> None:
    engine = Replayed(*[result([60_000.0], generator=LATE)] * 3)
    evidence = Evidence(CRITERION, "embedded")
    with pytest.raises(WindowSpoilt, match="in 3 windows, at last: the load generator woke") as e:
        run.judge(evidence, SCENARIO, engine)
    assert engine.left == []
    assert {m.window_valid for m in evidence.measurements} == {False}
    outcome = Recorder("embedded").end(evidence, status="failed", message=str(e.value))
    assert outcome.verdict is Verdict.ERROR


def test_no_load_is_an_error() -> None:
    evidence = Evidence(CRITERION, "embedded")
    with pytest.raises(LabError):
        run.judge(evidence, SCENARIO, Replayed(LabError("the load generator broke")))
    assert not evidence.judged
    with pytest.raises(WindowSpoilt, match="no user began"):
        run.judge(evidence, SCENARIO, Replayed(result([])))


@pytest.mark.parametrize("identifier", SCENARIOS)
def test_every_limit_of_the_blueprint_meets_a_figure(identifier: str) -> None:
    criterion = model.load().criterion(identifier)
    assert criterion.runner == "locust"
    had = MediaFigures(students=1, expected=2, lost=1, pictures=1, pictures_sent=2)
    for histogram in (had.first_frame, had.jitter, had.delay, had.leave):
        histogram.record(1.0)
    lessons = dict.fromkeys(ALL.split(","), had)
    measured = replace(result([1.0]), media=had, use_cases=lessons)
    figures = {f.name: f.unit for f in SCENARIOS[identifier].figures(measured)}
    for profile in SCENARIOS[identifier].plans:
        found = {metric: criterion.limit(metric, profile) for metric in criterion.thresholds}
        limits = {metric: limit for metric, limit in found.items() if limit is not None}
        assert limits
        for metric, limit in limits.items():
            assert figures[metric] == limit.unit


def test_every_load_criterion_has_a_scenario() -> None:
    blueprint = model.load()
    assert {c.id for c in blueprint.criteria if c.runner == "locust"} == set(SCENARIOS)


def test_a_generator_s_lateness_is_small_beside_the_limits() -> None:
    for identifier, scenario in SCENARIOS.items():
        criterion = model.load().criterion(identifier)
        for profile, plan in scenario.plans.items():
            # Jitter is a mean: what comes late once in a hundred times does not show in it.
            metrics = [metric for metric in criterion.thresholds if "jitter" not in metric]
            limits = [criterion.limit(metric, profile) for metric in metrics]
            for limit in limits:
                if limit is not None and limit.unit == "us":
                    assert plan.max_oversleep_us <= limit.value / 5
            assert plan.profile or replace(plan, users=1).offered_rate is not None
