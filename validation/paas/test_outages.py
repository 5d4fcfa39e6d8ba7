"""What holds while the name service is away, and after it has come back."""

import pytest

from blueprints.evidence import Evidence
from lab.errors import LabError
from lab.session import Lab
from lab.tars.client import TarsClient
from lab.tars.echo_client import ECHO_INT, Echo
from lab.tars.queryf import resolve
from lab.tars.recipe import without_master
from lab.tars.trial import FOLLOWS_S, Trial
from lab.wait import wait_for

#: How many calls show that calling goes on, and how long each may take (s).
CALLS = 50
CALL_TIMEOUT_S = 2.0


@pytest.mark.criterion("PAAS-15")
def test_a_restarted_name_service_knows_what_it_knew(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as trial:
        trial.run()
        before = wait_for("its endpoint", trial.found_by_name, timeout=FOLLOWS_S)
        with without_master(lab):
            pass
        with evidence.judge("the restarted name service knows the service"):
            after = wait_for("its endpoint", trial.found_by_name, timeout=FOLLOWS_S / 2)
            assert after == before


@pytest.mark.criterion("PAAS-16")
def test_resolved_clients_go_on(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as trial:
        trial.run()
        address = wait_for("its endpoint", trial.found_by_name, timeout=FOLLOWS_S)
        with TarsClient(address, timeout=CALL_TIMEOUT_S) as client, without_master(lab):
            echo = Echo(client, trial.object_name)
            with pytest.raises(LabError):
                resolve(trial.registry, trial.object_name)
            with evidence.judge("calls go on while the name service is away"):
                for number in range(CALLS):
                    assert echo.echo(ECHO_INT, number).ret == number
