"""What a source may send, and what is refused without a trace."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from blueprints.cvb import figures
from blueprints.evidence import Evidence
from lab.cvb.contracts import Code, Frame
from lab.cvb.roles import PUBLISHER
from lab.cvb.site import Site
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, detection
from lab.tars.body import changed

NewApp = Callable[..., App]
NewVehicle = Callable[..., Listener]

#: Long enough for a warning, were one coming (s).
QUIET_S = 0.5


@pytest.mark.criterion("CVB-01")
def test_every_edge_tells_how_it_is(site: Site, evidence: Evidence) -> None:
    with evidence.judge("every edge of the site answers, as itself"):
        for name, edge in site.edges.items():
            told = edge.statistics(timeout=3.0)
            assert told.edge == name, f"the edge of {name} calls itself {told.edge!r}"


def malformed(good: Frame) -> dict[str, Frame]:
    """What is wrong → a frame with it, and no other fault."""
    off_us = (figures().frame.moment_off_ms + 1000) * 1000
    [seen] = good.detections
    place, speed = seen.position, seen.velocity

    def with_detection(**changes: object) -> Frame:
        return changed(good, detections=[changed(seen, **changes)])

    return {
        "its sequence was there before": changed(good, sequence=1),
        "its moment is long past": changed(good, at_us=good.at_us - off_us),
        "its moment is to come": changed(good, at_us=good.at_us + off_us),
        "a confidence above 1": with_detection(confidence=1.5),
        "a confidence below 0": with_detection(confidence=-0.5),
        "a confidence that is no number": with_detection(confidence=math.nan),
        "a position that is no number": with_detection(position=changed(place, x=math.nan)),
        "a position without end": with_detection(position=changed(place, y=math.inf)),
        "a velocity that is no number": with_detection(velocity=changed(speed, x=math.nan)),
        "more detections than a frame has": changed(
            good, detections=[seen] * (figures().frame.detections + 1)
        ),
    }


@pytest.mark.criterion("CVB-23")
def test_malformed_frames_are_refused(
    app: NewApp, vehicle: NewVehicle, site: Site, evidence: Evidence
) -> None:
    own, car = app(), vehicle()
    own.set_policy()
    own.publish_all(1)
    good = own.frame(detection(-120, 10))
    token = site.token(PUBLISHER)
    with evidence.judge("a malformed frame is refused, and warns nobody; a good one does"):
        wrong = malformed(good)
        for what, frame in wrong.items():
            car.drive(-150, 10, 10)
            code = own.proxy.publish(token, frame)
            assert code == Code.MALFORMED, f"{what}: it is answered {code}"
        heard = car.warnings(own.name, within=QUIET_S)
        assert not heard, f"a refused frame has warned: {heard}"
        counted = own.counters()
        assert counted.refused == len(wrong), f"{len(wrong)} were refused, it counts {counted}"
        car.drive(-150, 10, 10)
        fresh = changed(good, at_us=now_us())
        assert own.proxy.publish(token, fresh) == Code.DONE, "then a good frame is refused"
        assert car.warnings(own.name, within=3.0), "then a good frame warns nobody"
