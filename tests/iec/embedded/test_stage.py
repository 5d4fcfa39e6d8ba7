"""The policy matrix' stage on a real cluster: what packets say, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from blueprints import policy_matrix
from blueprints.policy_matrix import Cell, Step
from lab.errors import WaitTimeout
from lab.iec import calico
from lab.iec.calico import GlobalNetworkPolicy
from lab.iec.client import Cluster, open_cluster
from lab.iec.policies import Stage
from lab.iec.traffic import Outcome, Source, To, attempt, large_datagram
from lab.iec.workload import Place, Work, ip_of, new_place
from lab.wait import wait_for
from tests.iec.embedded.conftest import Deployed

MATRIX = policy_matrix.load()
OPEN = Cell.model_validate("home/friend -> home/server TCP 8080")


@pytest.fixture(scope="module")
def set_up(running: Deployed) -> Iterator[Stage]:
    with open_cluster(running.lab) as cluster, ExitStack() as places:
        yield Stage(
            MATRIX.stage, lambda name: places.enter_context(new_place(cluster, name, run="test"))
        )


@pytest.fixture
def stage(set_up: Stage) -> Iterator[Stage]:
    yield set_up
    set_up.put(Step())


def test_cells_that_are_otherwise_are_told(stage: Stage) -> None:
    stage.settled(Step(allowed=(OPEN,)))
    with pytest.raises(WaitTimeout, match=f"{OPEN} is open, must be denied"):
        stage.settled(Step(denied=(OPEN,)), timeout=0.5)

    stage.put(MATRIX.scenarios["default-deny-ingress"])
    stage.settled(Step(denied=(OPEN,)))
    with pytest.raises(WaitTimeout, match=f"{OPEN} is unanswered, must be allowed"):
        stage.settled(Step(allowed=(OPEN,)), timeout=0.5)


def test_a_step_replaces_the_one_before(stage: Stage, cluster: Cluster) -> None:
    scenario = MATRIX.scenarios["calico-order"]
    stage.put(scenario)
    stage.settled(scenario)
    assert len(list(cluster.kube.list(GlobalNetworkPolicy))) == len(scenario.calico)

    stage.put(Step())
    stage.settled(scenario.control)
    assert not list(cluster.kube.list(GlobalNetworkPolicy))


def test_outcomes_are_told_from_each_other(place: Place) -> None:
    server = Work(("netexec", "--http-port=8080", "--udp-port=8081"))
    address = ip_of(place.pods({"server": server, "caller": Work()})["server"])
    wanted = {
        To(address, 8080): Outcome.OPEN,
        To(address, 8081, "UDP"): Outcome.OPEN,
        To(address, 8082): Outcome.REFUSED,
        To(address, 8082, "UDP"): Outcome.REFUSED,
        To("192.0.2.1", 8080): Outcome.TIMEOUT,
        To("nobody.invalid", 8080): Outcome.UNRESOLVED,
    }
    caller = Source(place, "caller")
    # What does not listen yet is refused.
    wait_for("all as it is", lambda: attempt(caller, wanted) == wanted, timeout=10)
    assert large_datagram(caller, To(address, 8081, "UDP")) == (1450, Outcome.OPEN)


def test_ipam_knows_whose_an_address_is_until_it_is_given_back(
    place: Place, cluster: Cluster
) -> None:
    pod = place.pods({"pod": Work()})["pod"]
    (given,) = calico.allocations(cluster, place.name)
    assert (given.pod, given.address) == ("pod", ip_of(pod))
    assert calico.within(given.address, calico.pools(cluster))
    assert given.handle in calico.handles(cluster)

    place.remove("pod")
    assert calico.allocations(cluster, place.name) == []
    assert given.handle not in calico.handles(cluster)
