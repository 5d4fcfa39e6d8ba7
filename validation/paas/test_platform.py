"""Application and service management: what Tars' platform does when it is told to."""

import secrets
from collections.abc import Iterator

import pytest

from blueprints.evidence import Evidence
from lab.session import Lab
from lab.tars.package import SERVER
from lab.tars.probe import tars_web
from lab.tars.trial import FOLLOWS_S, Trial
from lab.wait import wait_for


@pytest.fixture
def trial(lab: Lab) -> Iterator[Trial]:
    """An application of its own, without a server yet."""
    with Trial(lab) as opened:
        yield opened


@pytest.mark.criterion("PAAS-05")
def test_an_application_is_created(lab: Lab, evidence: Evidence) -> None:
    with tars_web(lab) as web:
        name = f"Made{secrets.token_hex(4)}"
        with evidence.judge("a created application is kept"):
            created = web.add_application(name)
            try:
                assert name in [application.f_name for application in web.applications()]
            finally:
                web.delete_application(created.f_id)


@pytest.mark.criterion("PAAS-06")
def test_a_service_is_deployed(trial: Trial, evidence: Evidence) -> None:
    with evidence.judge("a deployed service is listed on its node"):
        server = trial.deploy()
        listed = trial.web.servers(trial.application)
        assert [(s.id, s.node_name) for s in listed] == [(server.id, trial.spec.node_name)]
        [adapter] = trial.web.adapters(server.id)
        assert adapter.servant == trial.object_name


@pytest.mark.criterion("PAAS-07")
def test_a_published_package_is_what_runs(trial: Trial, evidence: Evidence) -> None:
    trial.run("1.0.0")
    with evidence.judge("the published version runs"):
        trial.publish("2.0.0")
        wait_for(
            "version 2.0.0",
            lambda: trial.identity().version == "2.0.0",
            timeout=FOLLOWS_S / 2,
        )


@pytest.mark.criterion("PAAS-08")
def test_a_stopped_service_starts(trial: Trial, evidence: Evidence) -> None:
    trial.run()
    trial.web.stop(trial.server.id)
    trial.silence()
    with evidence.judge("a started service answers"):
        trial.web.start(trial.server.id)
        trial.answer(timeout=FOLLOWS_S / 2)


@pytest.mark.criterion("PAAS-09")
def test_a_service_stops(trial: Trial, evidence: Evidence) -> None:
    trial.run()
    with evidence.judge("a stopped service answers no more"):
        trial.web.stop(trial.server.id)
        trial.silence(timeout=FOLLOWS_S / 2)


@pytest.mark.criterion("PAAS-11")
def test_a_service_is_undeployed(trial: Trial, evidence: Evidence) -> None:
    trial.run()
    with evidence.judge("an undeployed service is listed and answers no more"):
        trial.web.undeploy(trial.server.id)
        listed = trial.web.servers(trial.application, SERVER)
        assert not listed, "it is still listed"
        trial.silence(timeout=FOLLOWS_S / 2)
