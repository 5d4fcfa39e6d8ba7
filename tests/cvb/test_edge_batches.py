"""Batches of what is not urgent: made each period, kept through an outage, in order, bounded."""

from __future__ import annotations

from collections import Counter

import pytest

from lab.cvb.contracts import Batch, Code, Kind
from lab.cvb.embedded import batch_lines
from lab.cvb.embedded.batches import BatchQueue
from lab.cvb.embedded.edge import WAITING_FILE
from lab.cvb.trial import App, detection
from lab.wait import wait_for
from tests.cvb.running_site import RunningSite

SEEN = detection(-50.0, 0.0), detection(-60.0, 0.0, track="2", kind=Kind.CYCLIST)


@pytest.fixture
def app(running: RunningSite) -> App:
    app = App(running, "edge-a", "app")
    app.set_policy(urgent=False)
    return app


def stored(running: RunningSite, after: int = 0) -> list[Batch]:
    answer = running.data_centre.stored("policy", "edge-a", after)
    assert answer.ret == Code.DONE
    return answer.batches


def await_frames(running: RunningSite, frames: int) -> list[Batch]:
    wait_for(
        f"{frames} frames", lambda: sum(b.frames for b in stored(running)) >= frames, timeout=5
    )
    return stored(running)


def queue_up(app: App, batches: int) -> None:
    """Have batches made, one by one."""

    def told() -> int:
        statistics = app.proxy.statistics()
        return statistics.queued + statistics.dropped

    for number in range(1, batches + 1):
        app.publish(*SEEN)
        wait_for(f"batch {number}", lambda n=number: told() >= n, timeout=3, interval=0.01)


def test_frames_are_counted_by_kind(app: App, running: RunningSite) -> None:
    app.publish_all(10, *SEEN)
    batches = await_frames(running, 10)
    seen: Counter[Kind] = Counter()
    for batch in batches:
        seen.update(batch.seen)
    assert seen == {Kind.PEDESTRIAN: 10, Kind.CYCLIST: 10}
    assert sum(batch.frames for batch in batches) == 10
    assert {(batch.edge, batch.application) for batch in batches} == {("edge-a", "app")}
    wait_for("the last acknowledgement", lambda: not app.proxy.statistics().queued, timeout=3)
    assert app.proxy.statistics().uplink_bytes > 100


def test_an_outage_loses_nothing_and_keeps_the_order(app: App, running: RunningSite) -> None:
    app.publish_all(1, *SEEN)
    await_frames(running, 1)
    running.stop("core")
    queue_up(app, 4)
    running.start("core")
    batches = await_frames(running, 5)
    assert [batch.sequence for batch in batches] == [1, 2, 3, 4, 5]
    assert app.proxy.statistics().dropped == 0


def test_beyond_the_bound_the_oldest_are_dropped_and_counted(
    app: App, running: RunningSite
) -> None:
    running.stop("core")
    queue_up(app, 8)
    statistics = app.proxy.statistics()
    assert (statistics.queued, statistics.dropped, statistics.bound) == (5, 3, 5)
    running.start("core")
    assert [batch.sequence for batch in await_frames(running, 5)] == [4, 5, 6, 7, 8]


def test_a_new_process_goes_on_where_the_last_one_ended(app: App, running: RunningSite) -> None:
    app.publish_all(1, *SEEN)
    await_frames(running, 1)
    queue_sequence = stored(running)[-1].sequence
    running.stop("edge-a")
    running.start("edge-a")
    again = App(running, "edge-a", "app")
    again.publish_all(1, *SEEN)
    batches = await_frames(running, 2)
    assert [batch.sequence for batch in batches] == [queue_sequence, queue_sequence + 1]


@pytest.mark.parametrize("batches", [1, 3])
def test_what_waits_outlives_the_edge(batches: int, app: App, running: RunningSite) -> None:
    """While it waits it lies in a file, whatever becomes of the process."""
    running.stop("core")
    queue_up(app, batches)
    file, made = running.homes["edge-a"] / WAITING_FILE, list(range(1, batches + 1))

    def kept() -> list[int]:
        return [batch.sequence for batch in batch_lines.read(file)]

    wait_for("all in its file", lambda: kept() == made, timeout=3)
    running.stop("edge-a")
    running.start("edge-a")
    running.start("core")
    stored_now = await_frames(running, batches)
    assert [(one.sequence, one.frames) for one in stored_now] == [(number, 1) for number in made]
    wait_for("nothing in the file", lambda: not file.exists(), timeout=3)


def test_what_waits_can_be_forgotten_on_request(app: App, running: RunningSite) -> None:
    running.fault("cvb.waiting-forgotten")
    running.stop("core")
    queue_up(app, 3)
    running.stop("edge-a")
    running.start("edge-a")
    running.start("core")
    App(running, "edge-a", "app").publish_all(1, *SEEN)
    assert sum(batch.frames for batch in await_frames(running, 1)) == 1


def test_what_was_counted_before_the_end_is_sent(app: App, running: RunningSite) -> None:
    app.publish_all(3, *SEEN)
    running.stop("edge-a")
    assert sum(batch.frames for batch in stored(running)) == 3


def test_batches_can_be_lost_on_request(
    app: App, running: RunningSite, caplog: pytest.LogCaptureFixture
) -> None:
    running.fault("cvb.batches-lost-on-outage")
    running.stop("core")
    app.publish_all(1, *SEEN)
    wait_for("an attempt", lambda: "is not acknowledged" in caplog.text, timeout=3)
    running.start("core")
    app.publish_all(2, *SEEN)
    assert sum(batch.frames for batch in await_frames(running, 2)) == 2


def test_batches_can_be_mixed_up_on_request(app: App, running: RunningSite) -> None:
    running.fault("cvb.batches-out-of-order")
    running.stop("core")
    queue_up(app, 3)
    running.start("core")
    moments = [batch.from_us for batch in await_frames(running, 3)]
    assert moments != sorted(moments)


def test_the_newest_can_be_dropped_on_request(app: App, running: RunningSite) -> None:
    running.fault("cvb.drop-newest")
    running.stop("core")
    queue_up(app, 8)
    running.start("core")
    assert [batch.sequence for batch in await_frames(running, 5)] == [1, 2, 3, 4, 5]


def test_a_queue_forgets_what_is_acknowledged_alone() -> None:
    queue = BatchQueue(3)
    made = [Batch("e", number, "a", 0, 0, 1, {}) for number in range(1, 6)]
    for batch in made:
        queue.add(batch)
    assert (len(queue), queue.dropped, queue.first()) == (3, 2, made[2])
    queue.remove(made[0])
    queue.remove(made[2])
    assert queue.first() == made[3]
