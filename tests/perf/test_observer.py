"""What counts, from when, and under which reason: observer, pace and generator monitor."""

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError, WaitTimeout
from perf.generator import INTERVAL_S, GeneratorMonitor
from perf.load import LoadPlan
from perf.observer import MAX_REASONS, OTHER, UNANSWERED, Observer
from perf.pace import Pace, counts_from


def fails_with(error: BaseException):
    def act() -> None:
        raise error

    return act


def now() -> float:
    return time.perf_counter()


def test_only_what_begins_in_the_window_counts() -> None:
    observer = Observer()
    observer.measure(lambda: None, now())
    observer.open()
    observer.measure(lambda: None, now())
    observer.measure(lambda: None, now() - 0.5)
    observer.close()
    observer.measure(lambda: None, now())
    assert observer.latencies.count == observer.succeeded_in_window == 2
    assert observer.latencies.max == pytest.approx(500_000, rel=0.1)


def test_an_answer_after_the_window_counts_but_not_for_the_rate() -> None:
    observer = Observer()
    observer.open()
    observer.measure(observer.close, now())
    assert (observer.latencies.count, observer.succeeded_in_window) == (1, 0)


def test_failures_are_counted_by_reason() -> None:
    observer = Observer()
    observer.open()
    for error in (LabError("no", found="a"), ConnectionRefusedError("no"), LabError("no")):
        assert not observer.measure(fails_with(error), now())
    assert not observer.attempt(fails_with(WaitTimeout("late")))
    assert observer.attempt(lambda: None)
    assert observer.failures == {
        "LabError: no; found: a": 1,
        "ConnectionRefusedError: no": 1,
        "LabError: no": 1,
        "WaitTimeout: late": 1,
    }
    assert observer.latencies.count == 0


def test_reasons_do_not_pile_up() -> None:
    observer = Observer()
    observer.open()
    for number in range(MAX_REASONS + 5):
        observer.measure(fails_with(LabError(f"request {number}")), now())
    assert len(observer.failures) == MAX_REASONS + 1
    assert observer.failures[OTHER] == 5


def test_the_end_of_the_load_and_a_defect_pass_through() -> None:
    observer = Observer()
    observer.open()
    for error in (KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(error)):
            observer.measure(fails_with(error), now())
    assert observer.failures == {UNANSWERED: 2}
    assert observer.in_flight == 0


def test_more_than_a_batch_is_kept() -> None:
    observer = Observer()
    observer.open()
    for _ in range(10_001):
        observer.measure(lambda: None, now())
    assert observer.latencies.count == 10_001


@given(st.integers(1, 50), st.floats(0.01, 10), st.integers(1, 20))
def test_spread_users_take_turns_at_the_offered_rate(
    users: int, interval: float, turns: int
) -> None:
    plan = LoadPlan(users=users, window_s=1, interval_s=interval)
    paces = [Pace.of(plan, user, 100.0) for user in range(users)]
    due = sorted(pace.take() for _ in range(turns) for pace in paces)
    gaps = [later - earlier for earlier, later in pairwise(due)]
    assert due[0] == 100
    assert gaps == pytest.approx([1 / plan.offered_rate] * len(gaps), abs=1e-6)


def test_a_burst_is_due_at_one_moment_and_a_closed_loop_never() -> None:
    burst = LoadPlan(users=3, window_s=1, interval_s=2, arrival="burst")
    assert {Pace.of(burst, user, 5.0).take() for user in range(3)} == {5.0}
    assert Pace.of(LoadPlan(users=3, window_s=1), 1, 5.0).take() is None


def test_the_system_answers_for_the_wait_that_it_caused_and_the_generator_for_its_own() -> None:
    due = 10.0
    assert counts_from(due, ready=10.4, began=10.4) == due  # held up by the answer before
    assert counts_from(due, ready=9.0, began=10.2) == 10.2  # woken late
    assert counts_from(None, ready=9.0, began=9.0) == 9.0


def test_a_generator_that_wakes_late_is_told_by_how_much() -> None:
    late = 0.03
    over = threading.Event()

    def wakes_late(seconds: float) -> bool:
        return over.wait(seconds + late)

    monitor = GeneratorMonitor(wakes_late)
    thread = threading.Thread(target=monitor.watch)
    thread.start()
    monitor.start()
    over.wait(10 * (late + INTERVAL_S))
    health = monitor.stop()
    over.set()
    thread.join(5)
    assert health.oversleep_p99_us >= late * 1e6
    assert health.cpu_percent < 100


def test_a_generator_that_never_woke_was_late_by_the_whole_window() -> None:
    monitor = GeneratorMonitor(lambda _: False)
    monitor.start()
    until = now() + 0.05
    while now() < until:
        pass
    health = monitor.stop()
    assert health.oversleep_p99_us >= 50_000
    assert health.cpu_percent > 0
