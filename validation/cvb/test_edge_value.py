"""What an edge is worth: latency, uplink and processor time against a remote data centre."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable

import pytest

from blueprints.cvb import figures
from blueprints.evidence import Evidence
from lab.cvb.access import through
from lab.cvb.contracts import (
    DATA_CENTRE_OBJECT,
    EDGE_OBJECT,
    PUBLISH,
    WORK_OUT,
    Code,
    FrameGiven,
    Kind,
    Target,
    VehicleState,
    Work,
)
from lab.cvb.roles import EDGE, PUBLISHER
from lab.cvb.site import Site
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, detection, place
from lab.errors import LabError
from lab.tars.aio import AsyncProxy, AsyncTarsClient

NewApp = Callable[..., App]
NewVehicle = Callable[..., Listener]

SHOWS_S = 5.0
#: Warnings of which the middle one's latency counts.
WARNINGS = 12
#: Frames whose cost is compared, and the detections in each.
FRAMES = 200
MANY = [detection(-190 + n, -30, track=str(n), kind=Kind.CYCLIST) for n in range(40)]


def edge_latency_ms(app: App, car: Listener) -> float:
    """From a frame's moment to the warning in the vehicle, each of a pedestrian of its own."""
    latencies = []
    for number in range(WARNINGS):
        car.drive(-180, 20, 10)
        before = len(car.heard)
        app.publish(detection(-165 + 2 * number, 20, track=str(number)))
        if len(car.warnings(app.name, within=SHOWS_S, least=before + 1)) <= before:
            raise LabError("no warning came", found=f"{before} of {WARNINGS}")
        warning, received_us = car.heard[-1]
        latencies.append((received_us - warning.seen_us) / 1000)
    return statistics.median(latencies)


async def data_centre_latency_ms(app: App, site: Site) -> float:
    """The same from a source that has no edge: the data centre's answer, over the WAN."""
    latencies = []
    ways = {"dc": site.data_centre_address}
    async with (
        through(figures().wan, ways) as relayed,
        AsyncTarsClient(relayed["dc"]) as client,
    ):
        proxy = AsyncProxy(client, DATA_CENTRE_OBJECT)
        for number in range(WARNINGS):
            frame = app.frame(detection(-165 + 2 * number, 20, track=str(number)))
            car = VehicleState("car", now_us(), place(-180, 20), place(10, 0))
            found = await proxy.invoke(WORK_OUT, Work(site.token(EDGE), frame, [car]))
            if found.ret != Code.DONE or len(found.warnings) != 1:
                raise LabError("the data centre works out nothing", found=f"{found}")
            latencies.append((now_us() - frame.at_us) / 1000)
    return statistics.median(latencies)


@pytest.mark.criterion("CVB-34")
def test_an_edge_warns_sooner_than_the_data_centre(
    app: NewApp, vehicle: NewVehicle, site: Site, evidence: Evidence
) -> None:
    own, car = app(), vehicle()
    own.set_policy()
    far = asyncio.run(data_centre_latency_ms(app(), site))
    evidence.measure("data_centre_latency", far, "ms", samples=WARNINGS)
    with evidence.judge("an edge warns sooner than a data centre behind a wide-area network"):
        near = edge_latency_ms(own, car)
        evidence.measure("edge_latency", near, "ms", samples=WARNINGS)
        saved = evidence.measure("latency_saved", far - near, "ms")
        evidence.check(saved)


def uplink(app: App, target: Target) -> int:
    """Bytes that go up for frames with that target."""
    app.set_policy(target=target)
    before = app.proxy.statistics().uplink_bytes
    received = app.counters().received
    app.publish_all(FRAMES // 4, *MANY)
    app.settled(received + FRAMES // 4, within=SHOWS_S)
    return app.proxy.statistics().uplink_bytes - before


@pytest.mark.criterion("CVB-35")
def test_an_edge_spares_the_uplink(app: NewApp, evidence: Evidence) -> None:
    own = app()
    with evidence.judge("what an edge works out itself needs less of the uplink"):
        here, there = uplink(own, Target.LOCAL), uplink(own, Target.DATA_CENTRE)
        evidence.measure("data_centre_uplink", there, "bytes", samples=FRAMES // 4)
        assert there, "no byte went up for the data centre"
        share = evidence.measure("uplink_share", 100 * here / there, "%")
        evidence.check(share)


def cpu_ms(app: App, **policy: object) -> float:
    """The edge's processor time for frames under a policy."""
    app.set_policy(**policy)
    before = app.proxy.statistics().cpu_s
    app.publish_all(FRAMES, *MANY)
    return 1000 * (app.proxy.statistics().cpu_s - before)


@pytest.mark.criterion("CVB-36")
def test_what_is_not_urgent_leaves_the_edge(
    app: NewApp, vehicle: NewVehicle, evidence: Evidence
) -> None:
    own = app()
    for number in range(20):  # whom work at the edge is for
        vehicle().drive(-190 + number, -30, 5)
    with evidence.judge("statistics that are not urgent cost the edge less than urgent work"):
        urgent = cpu_ms(own, target=Target.LOCAL)
        relieved = cpu_ms(own, target=Target.DATA_CENTRE, urgent=False)
        evidence.measure("cpu_urgent", urgent / FRAMES, "ms", samples=FRAMES)
        share = evidence.measure("cpu_share", 100 * relieved / urgent, "%")
        evidence.check(share)


async def publish_over(access: str, app: App, site: Site) -> list[int]:
    """Frames to an edge over mobile access, each at its time; their codes."""
    link = figures().link(access)
    ways = {"edge-a": site.addresses["edge-a"]}
    token = site.token(PUBLISHER)
    async with through(link, ways) as relayed, AsyncTarsClient(relayed["edge-a"]) as client:
        proxy = AsyncProxy(client, EDGE_OBJECT)
        frames = (FrameGiven(token, app.frame(*MANY[:5])) for _ in range(FRAMES // 4))
        return [(await proxy.invoke(PUBLISH, frame)).ret for frame in frames]


@pytest.mark.parametrize(
    "access",
    [
        pytest.param("4g", marks=pytest.mark.criterion("CVB-37")),
        pytest.param("5g", marks=pytest.mark.criterion("CVB-38")),
    ],
)
def test_data_is_offloaded_over_mobile_access(
    access: str, app: NewApp, site: Site, evidence: Evidence
) -> None:
    own = app()
    own.set_policy(target=Target.DATA_CENTRE, urgent=False)
    with evidence.judge(f"frames that come over {access.upper()} go where the policy says"):
        codes = asyncio.run(publish_over(access, own, site))
        assert set(codes) == {Code.DONE}, f"they are answered {sorted(set(codes))}"
        counted = own.settled(len(codes), within=SHOWS_S)
        assert counted.data_centre == len(codes), f"of {len(codes)} frames it counts {counted}"
