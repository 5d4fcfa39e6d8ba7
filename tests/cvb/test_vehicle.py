"""The host vehicle: its reports, what it hears, and its way from edge to edge."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise

import pytest

from blueprints.cvb import Link, figures
from blueprints.errors import ConfigError
from lab.cvb import contracts, edges
from lab.cvb import scenario as scenarios
from lab.cvb.contracts import EDGE_OBJECT, Frame, Kind
from lab.cvb.play import Played, Tokens, play
from lab.cvb.scenario import Mover, Scenario
from lab.cvb.timeline import Timeline
from lab.cvb.vehicle import Drive, HostVehicle
from lab.errors import SystemDown
from lab.tars.body import changed
from lab.tars.client import Address
from tests.cvb.small_edge import TOKENS, SmallEdge, small_edge
from tests.tars.running_registry import at, running_registry


def drive(scenario: Scenario, name: str, addresses: Mapping[str, Address]) -> Drive:
    async def driven() -> Drive:
        vehicle = HostVehicle(scenario, name, addresses, TOKENS["vehicle"])
        return await vehicle.drive(Timeline.starting_in(0.1))

    return asyncio.run(driven())


def crossing() -> Scenario:
    """A car goes from one area to the other within two seconds, 40 m before the border to 40 m."""
    whole = scenarios.scenario("roaming")
    track = ((0.0, -50.0, -1.75), (2.0, 50.0, -1.75))
    car = whole.movers["car"].model_copy(update={"track": track})
    return whole.model_copy(update={"movers": {"car": car}, "duration_s": 2.0})


def test_it_joins_the_next_edge_before_it_leaves_the_first() -> None:
    with small_edge("edge-a") as (west, a), small_edge("edge-b") as (east, b):
        found = drive(crossing(), "car", {"edge-a": a, "edge-b": b})
    joined = {one.edge: one for one in found.joined}
    assert joined["edge-a"].from_s == pytest.approx(0, abs=0.11)
    assert joined["edge-b"].from_s == pytest.approx(0.45, abs=0.11), "30 m before the border"
    assert joined["edge-a"].until_s == pytest.approx(1.65, abs=0.11), "30 m behind it"
    assert joined["edge-b"].until_s == 2.0
    told_west = [state.position.x for state, _ in west.states]
    told_east = [state.position.x for state, _ in east.states]
    assert told_west[0] < -45
    assert max(told_west) > 25
    assert min(told_east) < -25
    assert west.left == east.left == ["car"]
    assert {one.code for one in found.reports} == {0}


def test_states_are_the_track_s_at_ten_a_second() -> None:
    scenario = crossing()
    with small_edge("edge-a") as (west, a):
        found = drive(scenario, "car", {"edge-a": a})
    states = [state for state, _ in west.states]
    assert len(states) == len(found.reports) > 14
    assert {b.at_us - a.at_us for a, b in pairwise(states)} <= {99_999, 100_000, 100_001}
    for state in states:
        passed = (state.at_us - states[0].at_us) / 1e6
        assert state.position.x == pytest.approx(states[0].position.x + 50 * passed, abs=1e-3)
        assert (state.position.y, state.velocity.x, state.velocity.y) == (-1.75, 50, 0)


def test_a_vehicle_that_may_not_report_says_so() -> None:
    async def driven(address: Address) -> Drive:
        vehicle = HostVehicle(crossing(), "car", {"edge-a": address}, "another")
        return await vehicle.drive(Timeline.starting_in(0.1))

    with small_edge("edge-a") as (west, a):
        found = asyncio.run(driven(a))
    assert {one.code for one in found.reports} == {1}
    assert west.states == []


def test_it_goes_on_when_an_edge_is_gone() -> None:
    with small_edge("edge-a") as (_, a):
        pass
    with small_edge("edge-b") as (east, b):
        found = drive(crossing(), "car", {"edge-a": a, "edge-b": b})
    errors = [one.error for one in found.reports if one.edge == "edge-a"]
    assert errors
    assert all("no connection to" in error for error in errors)
    assert len(east.states) > 10


def soon() -> Scenario:
    """A walker who is a hazard to the car from the start on, for a second and a half."""
    whole = scenarios.scenario("hidden-pedestrian")
    car = Mover(kind="vehicle", reports=True, track=((0, -100, -1.75), (2, -76, -1.75)))
    walker = Mover(kind="pedestrian", track=((0, -52, -7.35), (2, -52, -4.55)))
    changes = {"movers": {"car": car, "walker": walker}, "duration_s": 1.5, "obstacles": {}}
    return whole.model_copy(update=changes)


def once(frame: Frame, edge: SmallEdge) -> list[contracts.Warning]:
    """A small edge's warning of the walker, once, by sleight of hand."""
    walkers = [n for n, one in enumerate(frame.detections) if one.kind == Kind.PEDESTRIAN]
    return [edge.warning(frame, "pedestrians/car", walkers[0])] if frame.sequence == 4 else []


def played(warns: object, access: Link | None = None) -> Played:
    tokens = Tokens(TOKENS["publisher"], TOKENS["vehicle"])
    with small_edge("edge-a") as (edge, a):
        edge.warns = warns  # type: ignore[assignment]
        return asyncio.run(play(soon(), {"edge-a": a}, tokens, "pedestrians", access=access))


def test_a_scenario_played_well_is_flawless_and_quick() -> None:
    found = played(once)
    judgement = found.judged()
    assert judgement.missed == judgement.false == judgement.repeated == []
    assert len(judgement.given) == 1
    (latency,) = found.latencies_ms
    if not found.spoilt_by:
        assert judgement.flawless
        assert latency < 100
    assert found.cameras["crossing"].codes == {0: 15}
    assert found.vehicles["car"].strange == []


def test_an_edge_that_says_nothing_has_missed_it() -> None:
    found = played(lambda _frame, _edge: [])
    assert [(one.vehicle, one.object) for one in found.judged().missed] == [("car", "walker")]


@pytest.mark.parametrize("name", ["4g", "5g"])
def test_through_access_a_warning_takes_two_ways(name: str) -> None:
    """Of one warning: the frame's way to the edge, and the warning's to the vehicle."""
    link = figures().link(name)
    found = played(once, link)
    (latency,) = found.latencies_ms
    assert latency >= 2 * (link.delay_ms - link.jitter_ms)
    if not found.spoilt_by:
        most = 2 * (link.delay_ms + link.jitter_ms + 4 * link.retransmission_ms) + 10
        assert latency < min(most, figures().slo.warning_p99_ms)


def test_what_is_pushed_and_no_warning_is_strange() -> None:
    def strange(frame: Frame, edge: SmallEdge) -> list[contracts.Warning]:
        peer = edge.peers.get("pedestrians/car")
        if peer is not None and frame.sequence == 10:
            peer.push("warning", b"\x00\x01")
            peer.push("news", b"")
            edge.push("pedestrians/car", edge.warning(frame, "another", 0))
        return []

    found = played(strange).vehicles["car"]
    garbage, news, other = found.strange
    assert garbage.startswith("edge-a pushed no warning: ")
    assert news == "edge-a pushed 'news'"
    assert other == "edge-a warned pedestrians/car instead of another"
    assert found.warned == []


def test_edges_are_found_by_the_name_service() -> None:
    here, there = Address("127.0.0.1", 4001), Address("127.0.0.2", 4002)
    with running_registry() as (registry, running):
        registry.active[EDGE_OBJECT] = [at(there), at(here)]
        listening = edges.found(running.address)
    assert listening == {"127.0.0.1": here, "127.0.0.2": there}
    of_site = edges.of_the_site(listening, ["127.0.0.1", "127.0.0.2"])
    assert of_site == {"edge-a": here, "edge-b": there}
    with pytest.raises(SystemDown, match="no edge serves the area of edge-b"):
        edges.of_the_site({"127.0.0.1": here}, ["127.0.0.1", "127.0.0.2"])
    assert edges.of_the_site(listening, ["127.0.0.2"]) == {"edge-a": there}


def test_an_unknown_profile_is_told_which_there_are() -> None:
    with pytest.raises(ConfigError, match="unknown access profile '6g'; did you mean"):
        figures().link("6g")


def test_what_another_application_warns_of_is_none_of_this_one_s() -> None:
    def twice(frame: Frame, edge: SmallEdge) -> list[contracts.Warning]:
        warnings = once(frame, edge)
        for warning in warnings:
            edge.push(warning.vehicle, changed(warning, application="other"))
        return warnings

    found = played(twice)
    assert len(found.vehicles["car"].warned) == 2
    assert len(found.latencies_ms) == 1
    assert found.judged().repeated == []
