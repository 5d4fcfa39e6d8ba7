"""The name service, and what calls by name carry."""

import time

import pytest

from blueprints.evidence import Evidence
from lab.session import Lab
from lab.tars.client import TarsClient
from lab.tars.echo_client import ECHO_OBJECT, SAMPLES, Echo
from lab.tars.probe import REGISTRY, SYSTEM
from lab.tars.queryf import QUERY_OBJECT, QueryF, resolve
from lab.tars.trial import FOLLOWS_S, Trial
from lab.wait import wait_for


@pytest.mark.criterion("PAAS-01")
def test_the_name_service_answers(lab: Lab, evidence: Evidence) -> None:
    client = TarsClient(lab.address(SYSTEM, REGISTRY), timeout=5)
    with client, evidence.judge("the name service answers"):
        registry = QueryF(client)
        registry.ping()
        assert registry.find_object_by_id(QUERY_OBJECT), "it does not know itself"


@pytest.mark.criterion("PAAS-03")
def test_an_unknown_object_is_not_found(lab: Lab, evidence: Evidence) -> None:
    with TarsClient(lab.address(SYSTEM, REGISTRY)) as client:
        registry = QueryF(client)
        with evidence.judge("an unknown object has no endpoints"):
            found = registry.find_object_by_id_in_same_group("Nobody.KnowsServer.ThisObj")
            assert found.ret == 0
            assert not found.active
            assert not found.inactive


@pytest.mark.criterion("PAAS-04")
def test_every_type_arrives_unchanged(lab: Lab, evidence: Evidence) -> None:
    endpoint = resolve(lab.address(SYSTEM, REGISTRY), ECHO_OBJECT)[0]
    with TarsClient((endpoint.host, endpoint.port)) as client:
        echo = Echo(client)
        with evidence.judge("every type's echo is what was sent"):
            for function, value in SAMPLES:
                echoed = echo.echo(function, value)
                assert echoed.ret == value, f"{function.name} returned {echoed.ret!r}"
                assert echoed.copy == value, f"{function.name} gave out {echoed.copy!r}"


@pytest.mark.criterion("PAAS-13")
def test_a_stopped_service_is_inactive(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as trial:
        trial.run()
        wait_for("its endpoint", lambda: trial.look_up().active, timeout=FOLLOWS_S)
        trial.web.stop(trial.server.id)
        wait_for("the look-up without it", lambda: not trial.look_up().active, timeout=FOLLOWS_S)
        with evidence.judge("the stopped service is listed as inactive"):
            found = trial.look_up()
            places = [(endpoint.host, endpoint.port) for endpoint in found.inactive]
            assert places == [trial.address], f"inactive are {places}"


@pytest.mark.criterion("PAAS-14")
def test_the_name_service_follows(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as trial:
        trial.run()
        wait_for("its endpoint", lambda: trial.look_up().active, timeout=FOLLOWS_S)
        with evidence.judge("what stops is not active any more, and what starts is, in time"):
            began = time.monotonic()
            trial.web.stop(trial.server.id)
            wait_for("stopped", lambda: not trial.look_up().active, timeout=FOLLOWS_S)
            stopped = time.monotonic()
            trial.web.start(trial.server.id)
            wait_for("started", lambda: trial.look_up().active, timeout=FOLLOWS_S)
            started = time.monotonic()
            evidence.check(
                evidence.measure("stop_shows_after", (stopped - began) * 1000, "ms"),
                evidence.measure("start_shows_after", (started - stopped) * 1000, "ms"),
            )
