"""Application and service management: what Tars' platform does when it is told to."""

import secrets
from collections.abc import Iterator

import pytest

from blueprints.evidence import Evidence
from lab.errors import WaitTimeout
from lab.session import Lab
from lab.tars.echo_client import Identity
from lab.tars.package import SERVER, with_foreign_program
from lab.tars.probe import tars_web
from lab.tars.trial import FOLLOWS_S, Trial
from lab.tars.web import TaskFailed
from lab.wait import wait_for

#: A node gives a server up after so many starts, each less than a minute after the one before,
#: and starts one that died within so many seconds otherwise (the real one takes up to 3).
STARTS = 10
RESTARTED_S = 6.0


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


@pytest.mark.criterion("PAAS-45")
def test_a_package_of_another_architecture_is_refused(trial: Trial, evidence: Evidence) -> None:
    before = trial.run("1.0.0")
    package = with_foreign_program(trial.program.build("2.0.0"))
    uploaded = trial.web.upload_package(package, trial.application, trial.program.server)
    with evidence.judge("a package of another architecture is refused, with the reason"):
        with pytest.raises(TaskFailed) as refused:
            trial.web.publish(trial.server.id, uploaded.id)
        [item] = refused.value.task.items
        assert "architecture" in item.execute_info, f"the reason given is {item.execute_info!r}"
        assert trial.identity().version == before.version, "the old package does not run any more"


@pytest.mark.long
@pytest.mark.criterion("PAAS-61")
def test_a_server_that_keeps_dying_is_given_up(lab: Lab, trial: Trial, evidence: Evidence) -> None:
    alive = trial.run()
    host = lab.host(trial.host)
    with evidence.judge("a server that keeps dying is given up, and a start still starts it"):
        for _ in range(STARTS + 1):
            host.check(["kill", "-KILL", str(alive.pid)])
            try:
                alive = _another(trial, alive.pid)
            except WaitTimeout:
                break
        else:
            raise AssertionError(f"it was started more than {STARTS} times and not given up")
        trial.web.start(trial.server.id)
        trial.answer(timeout=FOLLOWS_S / 2)


def _another(trial: Trial, before: int) -> Identity:
    """The process that takes the place of one that was killed; raises `WaitTimeout`."""

    def found() -> Identity | None:
        identity = trial.identity()
        return identity if identity.pid != before else None

    return wait_for("another process", found, timeout=RESTARTED_S)
