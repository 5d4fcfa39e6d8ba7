"""Several servers of one service: which of them a client's calls reach."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from blueprints.evidence import Evidence
from lab.session import Lab
from lab.tars.communicator import Communicator
from lab.tars.echo_client import Echo
from lab.tars.errors import ConnectionLost
from lab.tars.trial import FOLLOWS_S, Trial
from lab.wait import wait_for

#: Calls whose servers are counted, and the least share of them for each of two servers.
CALLS = 100
SHARE = 0.4
#: A call may take so long (s) while a server dies under it.
CALL_TIMEOUT_S = 5.0

#: Who answers a call that has no answer.
NOBODY = 0

Address = tuple[str, int]


class Spread(Trial):
    """A trial on all tars-agents; ``addresses``: where its servers listen."""

    addresses: Sequence[Address] = ()

    def known(self) -> set[Address]:
        """The active endpoints that the name service has."""
        return {(endpoint.host, endpoint.port) for endpoint in self.look_up().active}

    def answering(self, caller: Communicator, calls: int = CALLS) -> Counter[int]:
        """How many calls each process answered; under 0, how many had no answer."""
        echo = Echo(caller, self.object_name)
        answered: Counter[int] = Counter()
        for _ in range(calls):
            try:
                answered[echo.identity().pid] += 1
            except ConnectionLost:
                answered[NOBODY] += 1
        return answered


@pytest.fixture
def spread(lab: Lab) -> Iterator[Spread]:
    if len(lab.inventory.with_role("tars-agent")) < 2:
        pytest.skip("the lab has one host with the role tars-agent; two are needed")
    with Spread(lab) as trial:
        trial.run()
        trial.addresses = trial.spread(lab)
        yield trial


@pytest.mark.criterion("PAAS-32")
def test_calls_are_balanced(spread: Spread, evidence: Evidence) -> None:
    with evidence.judge("calls are balanced over a service's servers"):
        wait_for("every endpoint", lambda: spread.known() >= {*spread.addresses}, timeout=FOLLOWS_S)
        with Communicator(spread.registry, timeout=CALL_TIMEOUT_S) as caller:
            counted = spread.answering(caller)
        assert len(counted) == len(spread.addresses), f"{len(counted)} server(s) answered all calls"
        least = min(counted.values()) / CALLS * len(spread.addresses) / 2
        assert least >= SHARE, f"of {CALLS} calls the servers answered {[*counted.values()]}"


@pytest.mark.criterion("PAAS-33")
def test_calls_go_on_when_a_server_dies(lab: Lab, spread: Spread, evidence: Evidence) -> None:
    first = spread.identity()
    with evidence.judge("calls go on when one of a service's servers dies"):
        wait_for("every endpoint", lambda: spread.known() >= {*spread.addresses}, timeout=FOLLOWS_S)
        with Communicator(spread.registry, timeout=CALL_TIMEOUT_S) as caller:
            spread.answering(caller, 10)
            lab.host(spread.host).check(["kill", "-KILL", str(first.pid)])
            counted = spread.answering(caller)
        evidence.measure("calls_lost", counted[NOBODY], "count", samples=CALLS)
        assert counted[first.pid] == 0
        # A call that was sent is never repeated: the one that was on its way to it is lost.
        assert counted[NOBODY] <= 1, f"{counted[NOBODY]} of {CALLS} calls had no answer"


@pytest.mark.criterion("PAAS-34")
def test_a_server_without_flow_gets_no_calls(spread: Spread, evidence: Evidence) -> None:
    everywhere = {*spread.addresses}
    wait_for("every endpoint", lambda: spread.known() >= everywhere, timeout=FOLLOWS_S)
    off, node = spread.address, spread.spec.node_name
    with evidence.judge("gray flow: a server whose flow is off is not called, and is when on"):
        spread.web.set_flow(spread.server.id, [node], active=False)
        wait_for(
            "the look-up without it",
            lambda: spread.known() == everywhere - {off},
            timeout=FOLLOWS_S,
        )
        assert spread.identity().pid, "the server itself runs on"
        spread.web.set_flow(spread.server.id, [node], active=True)
        wait_for("the look-up with it", lambda: spread.known() == everywhere, timeout=FOLLOWS_S)


@pytest.mark.criterion("PAAS-35")
def test_a_client_of_a_set_finds_its_set(spread: Spread, evidence: Evidence) -> None:
    [other, *_] = [s for s in spread.web.servers(spread.application) if s.id != spread.server.id]
    spread.web.put_in_set(spread.server.id, "iec.edge.1")
    spread.web.put_in_set(other.id, "iec.edge.2")
    with evidence.judge("a client of a set finds the servers of its set alone"):
        for division, address in (
            ("iec.edge.1", spread.addresses[0]),
            ("iec.edge.2", spread.addresses[1]),
        ):
            wait_for(
                f"the endpoints of {division}",
                lambda d=division, a=address: _in_set(spread, d) == [a],
                timeout=FOLLOWS_S,
            )


def _in_set(spread: Spread, division: str) -> list[Address]:
    with Communicator(spread.registry, set_name=division) as caller:
        return [endpoint.address for endpoint in caller.route(spread.object_name).active]
