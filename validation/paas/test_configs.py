"""Configuration files: kept, changed with a history, deleted, and pushed to running servers."""

from collections.abc import Iterator

import pytest

from blueprints.evidence import Evidence
from lab.session import Lab
from lab.tars.client import TarsClient
from lab.tars.package import PROBE
from lab.tars.servant.functions import Probe
from lab.tars.trial import FOLLOWS_S, Trial
from lab.tars.web import ConfigFile
from lab.wait import wait_for

FILE = "policy.conf"


@pytest.fixture
def trial(lab: Lab) -> Iterator[Trial]:
    with Trial(lab, PROBE) as opened:
        opened.deploy()
        yield opened


def _add(trial: Trial, text: str) -> ConfigFile:
    return trial.web.configs.add_to_server(trial.application, PROBE.server, FILE, text)


@pytest.mark.criterion("PAAS-47")
def test_config_files_are_kept(trial: Trial, evidence: Evidence) -> None:
    with evidence.judge("an added configuration file is kept"):
        added = _add(trial, "limit=1")
        found = trial.web.configs.of_server(trial.application, PROBE.server)
        assert [(file.id, file.filename) for file in found] == [(added.id, FILE)]
        kept = trial.web.configs.file(added.id)
        assert kept is not None, "it is not kept"
        assert kept.config == "limit=1"


@pytest.mark.criterion("PAAS-70")
def test_changes_of_config_files_have_a_history(trial: Trial, evidence: Evidence) -> None:
    file = _add(trial, "limit=1")
    with evidence.judge("a change is kept, and so is what the file was before"):
        trial.web.configs.update(file.id, "limit=2", "raise the limit")
        newest, *older = trial.web.configs.history(file.id)
        assert (newest.content, newest.reason) == ("limit=2", "raise the limit")
        assert [revision.content for revision in older] == ["limit=1"], "the history is cut"


@pytest.mark.criterion("PAAS-72")
def test_config_files_are_changed(trial: Trial, evidence: Evidence) -> None:
    file = _add(trial, "limit=1")
    with evidence.judge("a changed configuration file is what it was changed to"):
        trial.web.configs.update(file.id, "limit=2", "raise the limit")
        kept = trial.web.configs.file(file.id)
        assert kept is not None, "it is not kept"
        assert kept.config == "limit=2"


@pytest.mark.criterion("PAAS-71")
def test_config_files_are_deleted(trial: Trial, evidence: Evidence) -> None:
    file = _add(trial, "limit=1")
    with evidence.judge("a deleted configuration file is gone"):
        trial.web.configs.delete(file.id)
        left = trial.web.configs.of_server(trial.application, PROBE.server)
        assert file.id not in [one.id for one in left], "it is still there"


@pytest.mark.criterion("PAAS-48")
def test_a_push_reaches_the_running_server(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab, PROBE) as trial:
        trial.run()
        file = _add(trial, "limit=1")
        with TarsClient(trial.address) as client:
            probe = Probe(client, trial.object_name)
            assert probe.config(FILE).text == ""
            with evidence.judge("a pushed configuration file reaches the running server"):
                node_files = trial.web.configs.on_nodes(file)
                trial.web.configs.push([one.id for one in node_files])
                wait_for(
                    "the file at the server",
                    lambda: probe.config(FILE).text.strip() == "limit=1",
                    timeout=FOLLOWS_S / 2,
                )
