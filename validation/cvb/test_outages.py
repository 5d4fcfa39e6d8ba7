"""Edge and data centre while the other, or an edge itself, is away for a time."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from blueprints.cvb import figures
from blueprints.evidence import Evidence
from lab.cvb.contracts import APPLICATION, EDGE_SERVER, Batch, Code, Statistics, Target
from lab.cvb.roles import EDGE
from lab.cvb.site import Site
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, detection
from lab.errors import LabError
from lab.session import Lab
from lab.tars.errors import TarsError
from lab.tars.probe import tars_web
from lab.wait import wait_for

NewApp = Callable[..., App]
NewVehicle = Callable[..., Listener]

SHOWS_S = 3.0
#: So many batches wait in an edge before it dies.
BEFORE_IT_DIES = 3
#: For a target's answer, by the policy of whoever asks one that is silent.
DEADLINE_MS = 300
#: Within so long an edge finds a data centre that is back, and a platform starts what has died.
BACK_S = 20.0
#: A source that is not urgent publishes this often, microseconds.
EVERY_US = 50_000


@dataclass
class Outage:
    """What became of what one source published, before and while the data centre was away."""

    published: list[int] = field(default_factory=list)  # moments of its frames
    longest: Statistics | None = None  # just before the data centre is back
    stored: list[Batch] = field(default_factory=list)  # as the data centre tells them

    @property
    def frames(self) -> int:
        return sum(batch.frames for batch in self.stored)


def go_through(site: Site, away_us: int, name: str) -> Outage:
    """Have the platform stop the data centre for a while, and a source that goes on."""
    app = App(site, "edge-a", f"iec4-{name}-{now_us()}")
    edge, outage, last = site.edges["edge-a"], Outage(), _last(site)
    app.set_policy(target=Target.DATA_CENTRE, urgent=False, deadline_ms=500)

    def publish() -> None:
        app.publish_all(1, detection(-150, 90))
        outage.published.append(now_us())

    publish()
    wait_for("a batch is stored", lambda: _stored(site, app, last), timeout=BACK_S)
    with site.without_data_centre():
        until = now_us() + away_us
        while now_us() < until:
            publish()
            wait_for("its next moment", _after(outage.published[-1] + EVERY_US), timeout=1.0)
        outage.longest = edge.statistics()
    wait_for("nothing waits", lambda: edge.statistics().queued == 0, timeout=BACK_S)
    outage.stored = _stored(site, app, last)
    return outage


def _after(us: int) -> Callable[[], bool]:
    return lambda: now_us() >= us


def _told(site: Site, after: int) -> list[Batch]:
    told = site.data_centre.stored(site.token(EDGE), "edge-a", after)
    if told.ret != Code.DONE:
        raise LabError("the data centre tells no batches", found=f"code {told.ret}", expected="0")
    return told.batches


def _stored(site: Site, app: App, after: int) -> list[Batch]:
    return [one for one in _told(site, after) if one.application == app.name]


def _last(site: Site) -> int:
    """The last batch's sequence."""
    last = 0
    while batches := _told(site, last):
        last = batches[-1].sequence
    return last


@pytest.fixture(scope="module")
def short(site: Site) -> Outage:
    """An outage in which no more batches are made than are kept."""
    batch = figures().batch
    return go_through(site, batch.period_ms * batch.bound * 1000 // 4, "short")


@pytest.fixture(scope="module")
def long(site: Site) -> Outage:
    """An outage in which more batches are made than are kept."""
    batch = figures().batch
    return go_through(site, batch.period_ms * (batch.bound + 15) * 1000, "long")


@pytest.mark.criterion("CVB-15")
def test_nothing_is_lost_while_the_data_centre_is_away(short: Outage, evidence: Evidence) -> None:
    with evidence.judge("every frame is in a batch that the data centre has, and in one alone"):
        assert short.longest is not None
        assert short.longest.queued, "no batch waited while it was away"
        assert short.frames == len(short.published), (
            f"{short.frames} frames are in its batches, {len(short.published)} were published"
        )
        twice = [n for n, times in Counter(b.sequence for b in short.stored).items() if times > 1]
        assert not twice, f"batches {twice} are stored twice"


@pytest.mark.criterion("CVB-16")
def test_batches_come_in_their_order(short: Outage, evidence: Evidence) -> None:
    with evidence.judge("batches that waited come in the order in which they were made"):
        sequences = [batch.sequence for batch in short.stored]
        assert sequences == sorted(sequences), f"they are stored as {sequences}"
        moments = [(batch.from_us, batch.until_us) for batch in short.stored]
        for before, after in itertools.pairwise(moments):
            assert before[1] <= after[0], f"after what ended at {before[1]} comes {after}"


@pytest.mark.criterion("CVB-17")
def test_what_waits_is_bounded_and_the_oldest_goes(long: Outage, evidence: Evidence) -> None:
    with evidence.judge("beyond the bound the oldest batch is dropped, and counted"):
        assert long.longest is not None
        told = f"queued {long.longest.queued}, dropped {long.longest.dropped}"
        assert long.longest.bound == figures().batch.bound, f"the bound is {long.longest.bound}"
        assert long.longest.queued <= long.longest.bound, told
        assert long.longest.dropped, told
        newest = max(batch.until_us for batch in long.stored)
        assert newest >= long.published[-1] - 1_000_000, "the newest frames are not stored"
        lost = len(long.published) - long.frames
        assert lost > 0, "none is missing"
        # What is there: the first frames, from before the outage, and the newest without a gap.
        kept = [batch for batch in long.stored if batch.from_us > long.published[lost]]
        assert sum(batch.frames for batch in kept) >= long.frames - 10, (
            f"{lost} frames are missing, and not the oldest of the outage"
        )


@pytest.mark.criterion("CVB-18")
def test_who_is_answered_by_another_target_when_the_first_misses_its_deadline(
    app: NewApp, vehicle: NewVehicle, site: Site, evidence: Evidence
) -> None:
    own, car = app(), vehicle()
    own.set_policy(
        target=Target.DATA_CENTRE, deadline_ms=300, fallback=[Target.NEIGHBOUR, Target.LOCAL]
    )
    with site.without_data_centre():
        car.drive(-150, 40, 10)
        with evidence.judge("when the target misses its deadline, the next of the fallbacks acts"):
            assert own.publish(detection(-120, 40)) == Code.DONE, "the frame is not taken"
            heard = car.warnings(own.name, within=SHOWS_S)
            assert heard, f"the vehicle hears no warning within {SHOWS_S:g} s"
            assert heard[0].worked_out == Target.NEIGHBOUR, (
                f"it was worked out at {heard[0].worked_out.name}"
            )
            counted = own.counters()
            assert (counted.late, counted.neighbour, counted.lost) == (1, 1, 0), (
                f"the edge counts {counted}"
            )


@pytest.mark.criterion("CVB-40")
def test_a_target_that_is_silent_is_not_awaited_beyond_the_deadline(
    app: NewApp, vehicle: NewVehicle, site: Site, evidence: Evidence
) -> None:
    own, car = app(), vehicle()
    own.set_policy(target=Target.DATA_CENTRE, deadline_ms=DEADLINE_MS, fallback=[Target.LOCAL])
    with site.deaf_data_centre():
        car.drive(-150, 30, 10)
        with evidence.judge("a target that says nothing is awaited until the deadline, no longer"):
            began = time.monotonic()
            assert own.publish(detection(-120, 30)) == Code.DONE, "the frame is not taken"
            heard = car.warnings(own.name, within=SHOWS_S)
            took_ms = 1000 * (time.monotonic() - began)
            assert heard, f"no fallback after {SHOWS_S:g} s, with a deadline of {DEADLINE_MS} ms"
            assert heard[0].worked_out == Target.LOCAL
            evidence.check(evidence.measure("fallback_taken", took_ms, "ms", samples=1))


@pytest.mark.criterion("CVB-41")
def test_an_edge_that_dies_keeps_what_waits_in_it(lab: Lab, site: Site, evidence: Evidence) -> None:
    app, edge, last = (
        App(site, "edge-a", f"iec4-dies-{now_us()}"),
        site.edges["edge-a"],
        _last(site),
    )
    app.set_policy(target=Target.DATA_CENTRE, urgent=False, deadline_ms=500)
    with site.without_data_centre():
        for number in range(1, BEFORE_IT_DIES + 1):
            app.publish_all(1, detection(-150, 90))
            wait_for("its batch", lambda n=number: edge.statistics().queued >= n, timeout=BACK_S)
        _kill(lab, site, "edge-a")
        wait_for("it takes frames again", lambda: _takes(app), timeout=BACK_S)
    with evidence.judge("batches that waited in an edge that died are stored all the same"):
        wait_for(
            f"{BEFORE_IT_DIES} frames from before its death",
            lambda: sum(one.frames for one in _stored(site, app, last)) >= BEFORE_IT_DIES,
            timeout=BACK_S,
        )
        sequences = [one.sequence for one in _stored(site, app, last)]
        assert len(set(sequences)) == len(sequences), f"stored are batches {sequences}"


@pytest.mark.criterion("CVB-19")
def test_an_edge_that_dies_mid_stream_comes_back(
    app: NewApp, vehicle: NewVehicle, lab: Lab, site: Site, evidence: Evidence
) -> None:
    dying, living = app("edge-b"), app("edge-a")
    for one in (dying, living):
        one.set_policy()
    with evidence.judge("an edge that dies serves again, with its policies; others go on"):
        with living.streaming(detection(-150, 90)) as codes:
            _kill(lab, site, "edge-b")
            wait_for("it takes frames again", lambda: _takes(dying), timeout=BACK_S)
        assert set(codes) == {Code.DONE}, f"meanwhile edge-a answered {Counter(codes)}"
        car = vehicle("edge-b")
        car.drive(50, -60, 10)
        dying.publish(detection(80, -60))
        assert car.warnings(dying.name, within=SHOWS_S), "it warns no more"


def _kill(lab: Lab, site: Site, edge: str) -> None:
    """Have an edge's process end at once; the platform starts it again."""
    address = site.addresses[edge].host
    with tars_web(lab) as web:
        [server] = [s for s in web.servers(APPLICATION, EDGE_SERVER) if s.node_name == address]
    lab.host(site.hosts[edge]).check(["kill", "-KILL", str(server.process_id)])


def _takes(app: App) -> bool:
    try:
        return app.publish(detection(80, -60)) == Code.DONE
    except TarsError:
        return False
