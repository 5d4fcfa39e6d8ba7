"""What a server does with more calls than it can serve, and with calls of other kinds.

The servant is our own, on the suite's Tars core, run by the platform's node with the limits that
the platform gave its adapter: @tars/rpc never answers -6 or -9.
"""

from collections.abc import Iterator

import pytest

from blueprints.evidence import Evidence
from lab.session import Lab
from lab.tars.body import encode_body
from lab.tars.client import TarsClient
from lab.tars.echo_client import ECHO_STRING, Echo
from lab.tars.errors import NoAnswer, Overloaded, QueueTimeout
from lab.tars.package import PROBE
from lab.tars.packets import Version
from lab.tars.servant.functions import DELAY, NOTE, Ms, Probe, Text
from lab.tars.trial import Trial
from lab.wait import wait_for

#: What the adapter's queue holds, and how long a call may wait in it (ms).
QUEUECAP = 20
QUEUE_TIMEOUT_MS = 2_000
#: Calls of so many milliseconds keep the adapter's one thread busy. They come a few at a time,
#: because a server looks at its queue once a read.
BUSY_MS = 60
A_FEW = 4
GROUPS = 15
BETWEEN_S = 0.03
ONE_WAY_CALLS = 50
#: Nothing of what was asked one-way may come back within (s).
SILENT_S = 0.5


@pytest.fixture
def trial(lab: Lab) -> Iterator[Trial]:
    """A server with one thread and a short queue."""
    limits = {"thread_num": 1, "queuecap": QUEUECAP, "queuetimeout": QUEUE_TIMEOUT_MS}
    with Trial(lab, PROBE, **limits) as opened:
        opened.run()
        yield opened


@pytest.fixture
def client(trial: Trial) -> Iterator[TarsClient]:
    with TarsClient(trial.address, timeout=6) as opened:
        yield opened


@pytest.mark.criterion("PAAS-22")
def test_one_way_calls_arrive_and_are_not_answered(
    trial: Trial, client: TarsClient, evidence: Evidence
) -> None:
    probe = Probe(client, trial.object_name)
    probe.ping()
    with evidence.judge("one-way calls arrive and are never answered"):
        for number in range(ONE_WAY_CALLS):
            client.send_one_way(trial.object_name, NOTE.name, encode_body(Text(str(number))))
        came = client.wait_for_push(SILENT_S)
        assert not came, "a one-way call was answered"
        wait_for("all calls", lambda: len(probe.notes()) == ONE_WAY_CALLS, timeout=5)
        assert probe.notes() == [str(number) for number in range(ONE_WAY_CALLS)]


@pytest.mark.criterion("PAAS-29")
def test_overload_is_told_then_silent_and_over_afterwards(
    trial: Trial, client: TarsClient, evidence: Evidence
) -> None:
    slow = encode_body(Ms(BUSY_MS))
    with evidence.judge("an overloaded servant says so, drops what is more, and recovers"):
        ids = []
        for _ in range(GROUPS):
            ids += [client.send(trial.object_name, DELAY.name, slow) for _ in range(A_FEW)]
            client.wait_for_push(BETWEEN_S)
        outcomes = [_outcome(client, request_id) for request_id in ids]
        told, dropped = outcomes.count("-9"), outcomes.count("no answer")
        evidence.measure("overload_told", told, "count", samples=len(ids))
        evidence.measure("overload_dropped", dropped, "count", samples=len(ids))
        assert told, f"no call was refused as overload: {sorted(set(outcomes))}"
        assert Echo(client, trial.object_name).identity().pid


@pytest.mark.criterion("PAAS-30")
def test_a_call_that_waited_too_long_is_told(
    trial: Trial, client: TarsClient, evidence: Evidence
) -> None:
    busy = encode_body(Ms(QUEUE_TIMEOUT_MS * 3 // 2))
    with evidence.judge("a call that waited longer than the queue's time-out is answered -6"):
        first = client.send(trial.object_name, DELAY.name, busy)
        second = client.send(trial.object_name, DELAY.name, encode_body(Ms(1)))
        client.receive(first)
        with pytest.raises(QueueTimeout):
            client.receive(second)


@pytest.mark.criterion("PAAS-31")
def test_tup_calls_are_answered_as_tup(
    trial: Trial, client: TarsClient, evidence: Evidence
) -> None:
    with evidence.judge("a call in TUP is answered in TUP"):
        echo = Echo(client, trial.object_name, version=Version.TUP)
        assert echo.echo(ECHO_STRING, "tup").ret == "tup"


def _outcome(client: TarsClient, request_id: int) -> str:
    try:
        client.receive(request_id)
    except Overloaded:
        return "-9"
    except QueueTimeout:
        return "-6"
    except NoAnswer:
        return "no answer"
    return "answered"
