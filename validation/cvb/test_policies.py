"""Data is offloaded by a policy that is configurable for each application."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from blueprints.evidence import Evidence
from lab.cvb.contracts import Code, Kind, Target
from lab.cvb.roles import POLICY, PUBLISHER, VEHICLE
from lab.cvb.site import Site
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, around, detection
from lab.wait import wait_for

NewApp = Callable[..., App]
NewVehicle = Callable[..., Listener]

#: What an edge does with a frame shows so soon, seconds.
SHOWS_S = 3.0
#: Frames whose fate is counted.
FRAMES = 40
#: Changes of a policy, made while frames come.
CHANGES = 20
#: target → the counter of its frames
COUNTED = {Target.LOCAL: "local", Target.NEIGHBOUR: "neighbour", Target.DATA_CENTRE: "data_centre"}


@pytest.mark.criterion("CVB-02")
def test_a_policy_is_read_back_as_it_was_set(app: NewApp, evidence: Evidence) -> None:
    own = app()
    own.set_policy()
    with evidence.judge("a policy is read back as it was set last"):
        changed = own.set_policy(
            target=Target.DATA_CENTRE,
            fallback=[Target.NEIGHBOUR, Target.LOCAL],
            deadline_ms=250,
            sampling=0.5,
            retention_ms=1500,
            redacted=["plate"],
            urgent=False,
        )
        told = own.proxy.get_policy(own.name)
        assert told.ret == Code.DONE, f"getPolicy returns {told.ret}"
        assert told.policy == changed, f"it is {told.policy}, was set to {changed}"


@pytest.mark.criterion("CVB-03")
def test_an_old_revision_of_a_policy_is_refused(
    app: NewApp, site: Site, evidence: Evidence
) -> None:
    own = app()
    own.set_policy()
    kept = own.set_policy(sampling=0.5)
    with evidence.judge("a revision that is not the next one is refused, and changes nothing"):
        for revision in (1, 2, 4):
            asked = own.policy(revision=revision, sampling=0.25)
            code = own.proxy.set_policy(site.token(POLICY), asked)
            assert code == Code.STALE, f"revision {revision} after 2 is answered {code}"
        assert own.proxy.get_policy(own.name).policy == kept, "the policy is another one now"


@pytest.mark.criterion("CVB-04")
def test_applications_have_policies_of_their_own(app: NewApp, evidence: Evidence) -> None:
    urgent, statistics = app(), app()
    urgent.set_policy(target=Target.LOCAL)
    statistics.set_policy(target=Target.DATA_CENTRE, urgent=False, sampling=0.5)
    seen = detection(-150, 50)
    with evidence.judge("each of two applications is served by its own policy"):
        for _ in range(FRAMES):
            urgent.publish(seen)
            statistics.publish(seen)
        here = urgent.settled(FRAMES, within=SHOWS_S)
        away = statistics.settled(FRAMES, within=SHOWS_S)
        assert here.local == FRAMES, f"of the urgent one's {FRAMES} frames: {here}"
        half = FRAMES // 2
        assert (away.sampled_out, away.data_centre) == (half, half), (
            f"of the other's {FRAMES} frames, of which half are taken and sent on: {away}"
        )


@pytest.mark.criterion("CVB-05")
def test_a_policy_changes_under_load_without_loss(app: NewApp, evidence: Evidence) -> None:
    own = app()
    own.set_policy()
    with evidence.judge("while a policy changes, every frame is taken, and goes to one target"):
        with own.streaming(detection(-150, 60)) as codes:
            for number in range(CHANGES):
                target = (Target.NEIGHBOUR, Target.LOCAL)[number % 2]
                own.set_policy(target=target)
                before = len(codes)
                wait_for(
                    "frames under this policy",
                    lambda n=before: len(codes) > n + 5,  # type: ignore[misc]
                    timeout=SHOWS_S,
                )
        refused = [code for code in codes if code != Code.DONE]
        assert not refused, f"{len(refused)} of {len(codes)} frames were refused: {refused[:3]}"
        counted = own.settled(len(codes), within=SHOWS_S)
        where = counted.local + counted.neighbour
        assert where == counted.received == len(codes), f"of {len(codes)} frames: {counted}"
        assert counted.local, f"none was worked out here: {counted}"
        assert counted.neighbour, f"none was worked out by the neighbour: {counted}"


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(Target.LOCAL, marks=pytest.mark.criterion("CVB-06")),
        pytest.param(Target.NEIGHBOUR, marks=pytest.mark.criterion("CVB-07")),
        pytest.param(Target.DATA_CENTRE, marks=pytest.mark.criterion("CVB-08")),
    ],
)
def test_a_target_works_out_what_is_due(
    target: Target, app: NewApp, vehicle: NewVehicle, evidence: Evidence
) -> None:
    own, car = app(), vehicle()
    own.set_policy(target=target)
    place = -150 + 20 * target
    car.drive(place, 70, 10)
    with evidence.judge("a warning is worked out where the policy says"):
        assert own.publish(detection(place + 30, 70)) == Code.DONE, "the frame is not taken"
        heard = car.warnings(own.name, within=SHOWS_S)
        assert heard, f"the vehicle hears no warning within {SHOWS_S:g} s"
        [warning] = heard
        assert warning.worked_out == target, f"it was worked out at {warning.worked_out.name}"
        counted = own.settled(1, within=SHOWS_S)
        assert getattr(counted, COUNTED[target]) == 1, f"the edge has counted {counted}"


@pytest.mark.criterion("CVB-09")
def test_sampling_takes_a_share_of_the_frames(app: NewApp, evidence: Evidence) -> None:
    own = app()
    own.set_policy(sampling=0.25)
    with evidence.judge("a quarter of the frames is taken, evenly spread"):
        taken: list[int] = []
        for number in range(1, FRAMES + 1):
            own.publish(detection(-150, -60))
            counted = own.settled(number, within=SHOWS_S)
            if counted.local > len(taken):
                taken.append(number)
        assert len(taken) == FRAMES // 4, f"{len(taken)} of {FRAMES} frames were worked out"
        gaps = {after - before for before, after in itertools.pairwise(taken)}
        assert gaps == {4}, f"the frames {taken} were taken"


@pytest.mark.criterion("CVB-10")
def test_detections_are_kept_as_long_as_the_policy_says(
    app: NewApp, site: Site, evidence: Evidence
) -> None:
    own = app()
    own.set_policy(retention_ms=1000)
    own.publish_all(1, detection(-150, -70))
    area = around(-150, -70)
    token, since = site.token(VEHICLE), now_us() - 10_000_000

    def told() -> int:
        return len(own.proxy.query(token, area, since, neighbours=False).detections)

    with evidence.judge("a detection can be queried as long as the policy keeps it, and no longer"):
        assert told() == 1, "what was just seen is not told"
        wait_for("its end", lambda: told() == 0, timeout=SHOWS_S)


@pytest.mark.criterion("CVB-11")
def test_what_is_personal_does_not_leave_the_edge(
    app: NewApp, site: Site, evidence: Evidence
) -> None:
    own = app()
    own.set_policy()
    area = around(-150, -80)
    since = now_us() - 10_000_000
    token = site.token(VEHICLE)
    car = detection(-150, -80, kind=Kind.VEHICLE, plate="IEC 400")

    def plates() -> list[str | None]:
        told = site.edges["edge-b"].query(token, area, since, neighbours=True).detections
        return [one.plate for one in told]

    own.publish_all(1, car)
    wait_for("the neighbour tells a plate", lambda: "IEC 400" in plates(), timeout=SHOWS_S)
    with evidence.judge("a redacted member is told to nobody"):
        own.set_policy(redacted=["plate"])
        own.publish_all(1, car)
        wait_for("the detection without it", lambda: plates() == [None], timeout=SHOWS_S)


@pytest.mark.criterion("CVB-24")
def test_who_may_not_publish_is_refused(app: NewApp, site: Site, evidence: Evidence) -> None:
    own = app()
    own.set_policy()
    own.publish_all(1)
    with evidence.judge("who has no publisher's token publishes nothing"):
        for whose, token in {
            "nobody's": "",
            "an unknown": "no such token",
            "a vehicle's": site.token(VEHICLE),
            "a policy writer's": site.token(POLICY),
        }.items():
            code = own.publish(token=token)
            assert code == Code.UNAUTHORISED, f"a frame with {whose} token is answered {code}"
        counted = own.settled(1, within=SHOWS_S)
        assert (counted.received, counted.refused) == (1, 4), f"the edge counts {counted}"


@pytest.mark.criterion("CVB-25")
def test_who_may_not_write_policies_is_refused(app: NewApp, site: Site, evidence: Evidence) -> None:
    own = app()
    kept = own.set_policy()
    with evidence.judge("who has no policy writer's token changes no policy"):
        for whose, token in {
            "nobody's": "",
            "an unknown": "no such token",
            "a publisher's": site.token(PUBLISHER),
            "a vehicle's": site.token(VEHICLE),
        }.items():
            code = own.proxy.set_policy(token, own.policy(revision=2, sampling=0.0))
            assert code == Code.UNAUTHORISED, f"a policy with {whose} token is answered {code}"
        assert own.proxy.get_policy(own.name).policy == kept, "the policy is another one now"
